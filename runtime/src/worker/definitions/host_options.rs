//! The options that the host gives every connector.

use super::ConfigKeyInfo;
use crate::worker::herder::ConnectorKind;

const COMMON: &str = "Common";
const TRANSFORMS: &str = "Transforms";
const PREDICATES: &str = "Predicates";
const ERRORS: &str = "Error Handling";
const DELIVERY: &str = "Exactly Once Support";

/// The headings of the host's own options.
pub(super) const GROUPS: [&str; 5] = [COMMON, TRANSFORMS, PREDICATES, ERRORS, DELIVERY];

/// Who has one of the host's options.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    All,
    Sources,
    Readers,
    Sinks,
    Processors,
    Connectors,
}

impl Of {
    pub(super) fn has(self, kind: ConnectorKind) -> bool {
        match self {
            Self::All => true,
            Self::Sources => kind == ConnectorKind::Source,
            Self::Readers => kind != ConnectorKind::Source,
            Self::Sinks => kind == ConnectorKind::Sink,
            Self::Processors => kind == ConnectorKind::Processor,
            Self::Connectors => kind != ConnectorKind::Processor,
        }
    }
}

/// One of the host's own options.
pub(super) struct HostOption {
    pub(super) of: Of,
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    kind: &'static str,
    /// `None`: it must be given.
    default: Option<&'static str>,
    pub(super) choices: &'static [&'static str],
    doc: &'static str,
}

const fn option(
    of: Of,
    group: &'static str,
    name: &'static str,
    kind: &'static str,
    default: Option<&'static str>,
    choices: &'static [&'static str],
    doc: &'static str,
) -> HostOption {
    HostOption { of, group, name, kind, default, choices, doc }
}

const CONVERTERS: &[&str] = &[
    "string",
    "bytes",
    "json",
    "short",
    "integer",
    "long",
    "float",
    "double",
    "boolean",
    "csv",
    "avro",
    "json-schema",
];

/// The host's options, but for client overrides. An empty default means that the
/// option is not set.
pub(super) const HOST_OPTIONS: [HostOption; 27] = [
    option(
        Of::All,
        COMMON,
        "name",
        "STRING",
        None,
        &[],
        "The connector's name, unique in the fleet.",
    ),
    option(
        Of::All,
        COMMON,
        "connector.class",
        "STRING",
        None,
        &[],
        "The name of the connector's plugin.",
    ),
    option(
        Of::All,
        COMMON,
        "tasks.max",
        "INT",
        Some("1"),
        &[],
        "The most tasks it may be divided into.",
    ),
    option(
        Of::Readers,
        COMMON,
        "topics",
        "LIST",
        Some(""),
        &[],
        "The topics that it reads, separated by commas.",
    ),
    option(
        Of::Readers,
        COMMON,
        "topics.regex",
        "STRING",
        Some(""),
        &[],
        "In place of `topics`: it reads every topic whose whole name matches. Not for processors.",
    ),
    option(
        Of::All,
        COMMON,
        "key.converter",
        "CLASS",
        Some(""),
        CONVERTERS,
        "How a record's key is read and written; the plugin's own choice if not given.",
    ),
    option(
        Of::All,
        COMMON,
        "value.converter",
        "CLASS",
        Some(""),
        CONVERTERS,
        "How a record's value is read and written; the plugin's own choice if not given.",
    ),
    option(
        Of::All,
        COMMON,
        "header.converter",
        "CLASS",
        Some("simple"),
        &["simple", "string", "bytes", "json"],
        "How a header that a transform adds is written; the others keep the bytes that they have.",
    ),
    option(
        Of::Connectors,
        TRANSFORMS,
        "transforms",
        "LIST",
        Some(""),
        &[],
        "Names of the transforms that each record goes through, in their order.",
    ),
    option(
        Of::Connectors,
        PREDICATES,
        "predicates",
        "LIST",
        Some(""),
        &[],
        "Names of the predicates that transforms may depend on.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.retry.delay.max.ms",
        "LONG",
        Some("60000"),
        &[],
        "The longest pause before a task is tried again.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.tolerance",
        "STRING",
        Some("none"),
        &["none", "all"],
        "Whether a record that cannot be processed stops the task (none), or is skipped, counted and \
         logged (all).",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.retry.timeout",
        "LONG",
        Some("-1"),
        &[],
        "For how long a call that may succeed later is tried again before the task fails; -1 for ever.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.log.enable",
        "BOOLEAN",
        Some("false"),
        &[],
        "Whether each record that cannot be processed is logged.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.log.include.messages",
        "BOOLEAN",
        Some("false"),
        &[],
        "Whether such a line shows where the record is, or what a source read.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.deadletterqueue.topic.name",
        "STRING",
        Some(""),
        &[],
        "The topic that records go to which `errors.tolerance=all` skips; none if not given.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.deadletterqueue.topic.replication.factor",
        "SHORT",
        Some("-1"),
        &[],
        "Its replicas, if it is not there yet; -1 for the broker's default.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.deadletterqueue.context.headers.enable",
        "BOOLEAN",
        Some("true"),
        &[],
        "Whether its records have headers that tell where they are from, and why they failed.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.restart.max",
        "INT",
        Some("-1"),
        &[],
        "How often in a row a failed task is started again; -1 for no limit.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.restart.delay.ms",
        "LONG",
        Some("60000"),
        &[],
        "How long a failed task waits before it is started again; twice as long after each further failure.",
    ),
    option(
        Of::All,
        ERRORS,
        "errors.restart.delay.max.ms",
        "LONG",
        Some("3600000"),
        &[],
        "The longest such pause.",
    ),
    option(
        Of::Sources,
        DELIVERY,
        "exactly.once.support",
        "STRING",
        Some("requested"),
        &["requested", "required"],
        "With `required` the connector is refused where its records would not be written exactly once.",
    ),
    option(
        Of::Sources,
        DELIVERY,
        "transaction.boundary",
        "STRING",
        Some("poll"),
        &["poll", "interval", "connector"],
        "What one transaction holds: a poll, all polls of an interval, or as much as the plugin says.",
    ),
    option(
        Of::Sources,
        DELIVERY,
        "transaction.boundary.interval.ms",
        "LONG",
        Some(""),
        &[],
        "That interval; the worker's `offset.flush.interval.ms` if not given.",
    ),
    option(
        Of::Processors,
        DELIVERY,
        "processing.guarantee",
        "STRING",
        Some("exactly_once_v2"),
        &["exactly_once_v2", "at_least_once"],
        "Whether inputs, state and outputs are committed in one transaction.",
    ),
    option(
        Of::Sinks,
        DELIVERY,
        "processing.guarantee",
        "STRING",
        Some("at_least_once"),
        &["at_least_once", "at_most_once"],
        "Whether offsets are committed when records are durable, or before they are written: then a crash loses some and repeats none.",
    ),
    option(
        Of::Readers,
        ERRORS,
        "consumer.override.auto.offset.reset",
        "STRING",
        Some("none"),
        &["none", "earliest", "latest"],
        "Where to go on when the log no longer has the committed offset; with `none` the task fails.",
    ),
];

impl HostOption {
    pub(super) fn info(&self, order: i32) -> ConfigKeyInfo {
        ConfigKeyInfo {
            name: self.name.to_owned(),
            kind: self.kind.to_owned(),
            required: self.default.is_none(),
            default_value: self.default.filter(|text| !text.is_empty()).map(str::to_owned),
            importance: if self.default.is_none() { "HIGH" } else { "MEDIUM" }.to_owned(),
            documentation: self.doc.to_owned(),
            group: Some(self.group.to_owned()),
            order,
            width: "MEDIUM".to_owned(),
            display_name: self.name.to_owned(),
            dependents: Vec::new(),
        }
    }
}
