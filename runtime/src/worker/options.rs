//! The options that the host itself gives every connector, by Kafka Connect's
//! names, and the check of a configuration before it is taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::Regex;

use super::config::WorkerConfig;
use super::error_options;
use super::guarantees::{self, Boundary, Guarantee};
use super::herder::{ConnectorConfig, ConnectorKind};
use super::overrides;
use super::plugin::{ConfigProblem, Plugin};
use super::restarts::RestartPolicy;
use crate::convert::config::Way;
use crate::convert::registry_config::OpenedRegistries;
use crate::convert::{HeaderConverter, Passages};
use crate::kafka::{OffsetReset, Overrides};
use crate::task::error::TaskError;
use crate::task::failures::ErrorPolicy;
use crate::transform::{Chain, chain};

/// The plugin's name.
pub const CLASS: &str = "connector.class";
/// The plugin's version, the active one if not given (KIP-891).
pub const PLUGIN_VERSION: &str = "connector.plugin.version";
/// The connector's name.
pub const NAME: &str = "name";
/// In a source's task configuration: the plugin's name for the task.
pub const TASK_NAME: &str = "task.name";
/// In a source's task configuration: the plugin's own JSON.
pub const TASK_ASSIGNMENT: &str = "task.assignment";

const TASKS_MAX: &str = "tasks.max";
const TOPICS: &str = "topics";
const TOPICS_REGEX: &str = "topics.regex";
const OFFSET_RESET: &str = "auto.offset.reset";

/// Every connector's options.
const COMMON: [&str; 9] = [
    NAME,
    CLASS,
    PLUGIN_VERSION,
    TASKS_MAX,
    "header.converter",
    "key.converter",
    chain::PREDICATES,
    chain::TRANSFORMS,
    "value.converter",
];
/// Kafka Connect's own options that change nothing of what is delivered here.
/// Configurations that run there carry them, so they are passed over.
const PASSED_OVER: [&str; 2] = ["config.action.reload", "tasks.max.enforce"];
/// Prefixes of options whose rest is read elsewhere, or not at all.
const PREFIXES: [&str; 7] = [
    "header.converter.",
    "key.converter.",
    "predicates.",
    "transforms.",
    "value.converter.",
    overrides::PRODUCER,
    overrides::CONSUMER,
];
/// Most tasks of one connector.
const TASKS_LIMIT: u32 = 10_000;

/// Which topics a sink or processor reads.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// These.
    Names(BTreeSet<String>),
    /// Whatever matches as a whole and is not the cluster's own.
    Pattern {
        /// What matches.
        pattern: Regex,
        /// The fleet's own topics.
        except: BTreeSet<String>,
    },
}

impl Inputs {
    /// True when `topic` is one of them. Of the cluster's `internal` topics only those
    /// are that have their names there, as with any consumer of Kafka.
    pub fn contain(&self, topic: &str, internal: bool) -> bool {
        match self {
            Self::Names(names) => names.contains(topic),
            Self::Pattern { pattern, except } => {
                !internal && !except.contains(topic) && pattern.is_match(topic)
            }
        }
    }
}

/// The host's options of one connector, read.
#[derive(Debug, Clone)]
pub struct Options {
    /// `connector.class`.
    pub class: String,
    /// `tasks.max`, 1 if not given.
    pub tasks_max: u32,
    /// `topics` or `topics.regex`; `None` for a source.
    pub inputs: Option<Inputs>,
    /// `errors.*`, but for the next.
    pub errors: Arc<ErrorPolicy>,
    /// `errors.restart.*`.
    pub restarts: RestartPolicy,
    /// `processing.guarantee`, for a processor or sink.
    pub guarantee: Guarantee,
    /// `transaction.boundary`, for a source.
    pub boundary: Boundary,
    /// `producer.override.*`.
    pub producer_overrides: Overrides,
    /// `consumer.override.*`, but for the next.
    pub consumer_overrides: Overrides,
    /// `consumer.override.auto.offset.reset`: what to do about a committed
    /// offset that the log does not have. Unless set the task fails.
    pub offset_reset: OffsetReset,
}

impl Options {
    /// Reads the host's options of a connector of this worker; everything wrong with them
    /// at once.
    pub fn read(
        kind: ConnectorKind,
        config: &ConnectorConfig,
        worker: &WorkerConfig,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let text = |name: &str| config.get(name).map(|value| value.trim());
        let mut problem = |option: &str, message: String| {
            problems.push(ConfigProblem { option: option.to_owned(), message });
        };
        let tasks_max = match text(TASKS_MAX).map(str::parse::<u32>) {
            None => 1,
            Some(Ok(count)) if (1..=TASKS_LIMIT).contains(&count) => count,
            Some(_) => {
                problem(TASKS_MAX, format!("must be a whole number from 1 to {TASKS_LIMIT}"));
                1
            }
        };
        let inputs = match kind {
            ConnectorKind::Source => None,
            ConnectorKind::Sink | ConnectorKind::Processor => {
                match inputs(kind, text(TOPICS), text(TOPICS_REGEX), worker) {
                    Ok(inputs) => Some(inputs),
                    Err((option, message)) => {
                        problem(option, message);
                        None
                    }
                }
            }
        };
        for (option, value) in config {
            let wrong = overrides::wrong(option, value);
            if let Some(message) = wrong.or_else(|| guarantees::wrong(kind, option, value)) {
                problem(option, message);
            }
        }
        problems.extend(guarantees::contradicted(kind, config));
        let (errors, restarts) = error_options::read(config, &mut problems);
        problems.extend(error_options::misplaced(kind, &errors, inputs.as_ref(), worker));
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut consumer_overrides = overrides::of(config, overrides::CONSUMER);
        let offset_reset = match consumer_overrides.remove(OFFSET_RESET).as_deref().map(str::trim) {
            Some("earliest") => OffsetReset::Earliest,
            Some("latest") => OffsetReset::Latest,
            _ => OffsetReset::Fail,
        };
        Ok(Self {
            class: config.get(CLASS).cloned().unwrap_or_default(),
            tasks_max,
            inputs,
            errors: Arc::new(errors),
            restarts,
            guarantee: Guarantee::of(kind, config),
            boundary: Boundary::of(config),
            producer_overrides: overrides::of(config, overrides::PRODUCER),
            consumer_overrides,
            offset_reset,
        })
    }
}

fn inputs(
    kind: ConnectorKind,
    topics: Option<&str>,
    regex: Option<&str>,
    worker: &WorkerConfig,
) -> Result<Inputs, (&'static str, String)> {
    match (topics, regex) {
        (Some(_), Some(_)) => {
            Err((TOPICS_REGEX, format!("cannot be given together with `{TOPICS}`")))
        }
        (Some(topics), None) => {
            let names: BTreeSet<_> = topics
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect();
            if names.is_empty() {
                return Err((TOPICS, "names no topic".to_owned()));
            }
            match worker.state_topics().into_iter().find(|topic| names.contains(*topic)) {
                Some(topic) => Err((
                    TOPICS,
                    format!(
                        "names `{topic}`, which holds the state and the keys of the workers: no \
                         connector reads it"
                    ),
                )),
                None => Ok(Inputs::Names(names)),
            }
        }
        (None, Some(_)) if kind == ConnectorKind::Processor => {
            Err((TOPICS_REGEX, format!("a processor names its topics in `{TOPICS}`")))
        }
        (None, Some(regex)) => Regex::new(&format!("^(?:{regex})$"))
            .map(|pattern| {
                let except = worker.state_topics().map(str::to_owned).into();
                Inputs::Pattern { pattern, except }
            })
            .map_err(|error| (TOPICS_REGEX, format!("is no regular expression: {error}"))),
        (None, None) => Err((TOPICS, format!("is missing: name topics, or give `{TOPICS_REGEX}`"))),
    }
}

/// Everything that is wrong with a configuration for `plugin` on this worker.
pub async fn validate(
    plugin: &dyn Plugin,
    config: &ConnectorConfig,
    worker: &WorkerConfig,
) -> Result<Vec<ConfigProblem>, TaskError> {
    let kind = plugin.info().kind;
    let mut problems = unknown_options(kind, plugin.config_schema(), config);
    problems.extend(missing_options(plugin.config_schema(), config));
    if let Err(more) = Options::read(kind, config, worker) {
        problems.extend(more);
    }
    problems.extend(guarantees::unmet(kind, config, worker.exactly_once_sources));
    problems.extend(guarantees::undrawn(config, plugin.ends_transactions()));
    problems.extend(wrong_converters(kind, config));
    problems.extend(wrong_transforms(kind, config));
    for problem in plugin.validate(config).await? {
        if !problems.iter().any(|known| known.option == problem.option) {
            problems.push(problem);
        }
    }
    Ok(problems)
}

/// What is wrong with the converters.
fn wrong_converters(kind: ConnectorKind, config: &ConnectorConfig) -> Vec<ConfigProblem> {
    let way = match kind {
        ConnectorKind::Source => Way::ToTopics,
        ConnectorKind::Sink | ConnectorKind::Processor => Way::FromTopics,
    };
    let headers = HeaderConverter::from_config(config).err();
    let of = |option: &str, message: String| ConfigProblem { option: option.to_owned(), message };
    let passages = match Passages::from_config(config, way, &OpenedRegistries::default()) {
        Ok(passages) => passages,
        Err(errors) => {
            let all = errors.into_iter().chain(headers.into_iter().flatten());
            return all.map(|error| of(error.option(), error.to_string())).collect();
        }
    };
    let mut problems: Vec<_> =
        headers.into_iter().flatten().map(|error| of(error.option(), error.to_string())).collect();
    if kind == ConnectorKind::Processor {
        for (option, passage) in
            [("key.converter", &passages.key), ("value.converter", &passages.value)]
        {
            if passage.converts {
                let message = "is for sources and sinks: a processor is given the bytes of its \
                               topics";
                problems.push(of(option, message.to_owned()));
            }
        }
    }
    problems
}

/// What is wrong with `transforms` and `predicates`.
fn wrong_transforms(kind: ConnectorKind, config: &ConnectorConfig) -> Vec<ConfigProblem> {
    let of = |option: &str, message: String| ConfigProblem { option: option.to_owned(), message };
    match Chain::read(config) {
        Ok(chain) if kind == ConnectorKind::Processor && !chain.is_empty() => {
            let message = "are for sources and sinks: put them where the processor's topics are \
                           written or read, or into the processor itself";
            vec![of(chain::TRANSFORMS, message.to_owned())]
        }
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|it| of(&it.option, it.message)).collect(),
    }
}

fn properties(schema: &serde_json::Value) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    properties.into_iter().flat_map(|map| map.keys().map(String::as_str))
}

fn unknown_options(
    kind: ConnectorKind,
    schema: &serde_json::Value,
    config: &ConnectorConfig,
) -> Vec<ConfigProblem> {
    let mut known: BTreeSet<&str> = COMMON.into_iter().chain(properties(schema)).collect();
    if kind != ConnectorKind::Source {
        known.extend([TOPICS, TOPICS_REGEX]);
    }
    known.extend(guarantees::OPTIONS);
    known.extend(error_options::OPTIONS);
    let is_known = |name: &str| {
        known.contains(name)
            || PASSED_OVER.contains(&name)
            || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let unknown = config.keys().filter(|name| !is_known(name));
    unknown
        .map(|name| ConfigProblem {
            option: name.clone(),
            message: match nearest(name, known.iter().copied()) {
                Some(near) => format!("is no option of this connector; did you mean `{near}`?"),
                None => "is no option of this connector".to_owned(),
            },
        })
        .collect()
}

fn missing_options(schema: &serde_json::Value, config: &ConnectorConfig) -> Vec<ConfigProblem> {
    let required = schema.get("required").and_then(serde_json::Value::as_array);
    let names = required.into_iter().flatten().filter_map(serde_json::Value::as_str);
    names
        .filter(|name| !config.contains_key(*name))
        .map(|name| ConfigProblem { option: name.to_owned(), message: "is missing".to_owned() })
        .collect()
}

/// The name that was probably meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= 0.85).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> ConnectorConfig {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn read(kind: ConnectorKind, config: &ConnectorConfig) -> Result<Options, Vec<ConfigProblem>> {
        Options::read(kind, config, &WorkerConfig::new("", "fleet", "w1:8083"))
    }

    fn unknown(pairs: &[(&str, &str)]) -> Vec<ConfigProblem> {
        let schema = serde_json::json!({"properties": {"path": {}}, "required": ["path"]});
        unknown_options(ConnectorKind::Sink, &schema, &config(pairs))
    }

    #[test]
    fn a_misspelt_option_is_an_error_with_a_suggestion() {
        let problems = unknown(&[("topics", "a"), ("pth", "x"), ("task.max", "2")]);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].message.contains("`path`"), "{problems:?}");
        assert!(problems[1].message.contains("`tasks.max`"), "{problems:?}");
        assert!(unknown(&[("consumer.override.fetch.min.bytes", "1")]).is_empty());
    }

    #[test]
    fn what_kafka_connect_reads_and_nothing_here_is_passed_over_only_if_it_changes_nothing() {
        assert!(unknown(&[("config.action.reload", "restart")]).is_empty());
        assert_eq!(unknown(&[("config.providers", "file")]).len(), 1);
    }

    #[test]
    fn transforms_are_checked_with_the_rest_and_processors_have_none() {
        let wrong = config(&[
            ("transforms", "mask"),
            ("transforms.mask.type", "MaskField$Value"),
            ("transforms.mask.field", "password"),
        ]);
        assert!(unknown_options(ConnectorKind::Sink, &serde_json::json!({}), &wrong).is_empty());
        let named = |kind, config| -> Vec<String> {
            wrong_transforms(kind, config).into_iter().map(|problem| problem.option).collect()
        };
        let sink = ConnectorKind::Sink;
        assert_eq!(named(sink, &wrong), ["transforms.mask.fields", "transforms.mask.field"]);
        let right = config(&[("transforms", "none"), ("transforms.none.type", "Filter")]);
        assert!(named(sink, &right).is_empty());
        assert_eq!(named(ConnectorKind::Processor, &right), ["transforms"]);
    }

    #[test]
    fn a_required_option_that_is_missing_is_an_error() {
        let schema = serde_json::json!({"required": ["path"]});
        assert_eq!(missing_options(&schema, &config(&[]))[0].option, "path");
    }

    #[test]
    fn all_that_is_wrong_with_the_hosts_options_is_told_at_once() {
        let wrong = config(&[("tasks.max", "0"), ("errors.tolerance", "some"), ("topics", " ,")]);
        let problems = read(ConnectorKind::Sink, &wrong).unwrap_err();
        let named: Vec<_> = problems.iter().map(|problem| problem.option.as_str()).collect();
        assert_eq!(named, ["tasks.max", "topics", "errors.tolerance"]);
    }

    #[test]
    fn a_topic_pattern_matches_whole_names() {
        let given = config(&[("topics.regex", "logs-.*|audit")]);
        let inputs = read(ConnectorKind::Sink, &given).unwrap().inputs.unwrap();
        let contain = |topic| inputs.contain(topic, false);
        assert!(contain("logs-a") && contain("audit"));
        assert!(!contain("old-logs-a") && !contain("audit2"));
        assert!(read(ConnectorKind::Processor, &given).is_err());
    }

    #[test]
    fn a_pattern_leaves_out_what_the_cluster_and_the_workers_keep_their_state_in() {
        let inputs = read(ConnectorKind::Sink, &config(&[("topics.regex", ".*")])).unwrap().inputs;
        let contain = |topic, internal| inputs.as_ref().unwrap().contain(topic, internal);
        assert!(contain("orders", false));
        assert!(!contain("__consumer_offsets", true));
        for topic in ["connect-configs", "connect-offsets", "connect-status", "connect-plugins"] {
            assert!(!contain(topic, false), "{topic}");
        }
    }

    #[test]
    fn the_workers_own_topics_are_refused_by_name() {
        for topic in ["connect-configs", "connect-offsets", "connect-status", "connect-plugins"] {
            let given = config(&[("topics", &format!("orders, {topic}"))]);
            for kind in [ConnectorKind::Sink, ConnectorKind::Processor] {
                let problems = read(kind, &given).unwrap_err();
                assert_eq!(problems[0].option, "topics");
                assert!(problems[0].message.contains(topic), "{problems:?}");
            }
        }
        let others = config(&[("topics", "other-configs,__consumer_offsets")]);
        let inputs = read(ConnectorKind::Sink, &others).unwrap().inputs.unwrap();
        assert!(inputs.contain("__consumer_offsets", true), "asked for by its name");
    }

    #[test]
    fn what_is_wrong_with_a_guarantee_is_told_with_the_rest() {
        let wrong = config(&[
            ("topics", "t"),
            ("processing.guarantee", "exactly_once"),
            ("transaction.boundary", "poll"),
            ("tasks.max", "0"),
        ]);
        let problems = read(ConnectorKind::Processor, &wrong).unwrap_err();
        let named: Vec<_> = problems.iter().map(|problem| problem.option.as_str()).collect();
        assert_eq!(named, ["tasks.max", "processing.guarantee", "transaction.boundary"]);
        let schema = serde_json::json!({});
        assert!(unknown_options(ConnectorKind::Processor, &schema, &wrong).is_empty());
    }

    #[test]
    fn overrides_lose_their_prefix() {
        let given = config(&[("producer.override.linger.ms", "0")]);
        let options = read(ConnectorKind::Source, &given).unwrap();
        assert_eq!(options.producer_overrides["linger.ms"], "0");
    }

    #[test]
    fn an_override_that_no_connector_may_set_is_an_error() {
        let given = config(&[("producer.override.plugin.library.paths", "/tmp/evil.so")]);
        let problems = read(ConnectorKind::Source, &given).unwrap_err();
        assert_eq!(problems[0].option, "producer.override.plugin.library.paths");
    }

    #[test]
    fn a_lost_position_fails_unless_the_configuration_says_otherwise() {
        let reset = |more: &[(&str, &str)]| {
            let given = config(&[&[("topics", "t")], more].concat());
            let options = read(ConnectorKind::Sink, &given).unwrap();
            assert!(options.consumer_overrides.is_empty());
            options.offset_reset
        };
        assert_eq!(reset(&[]), OffsetReset::Fail);
        let name = "consumer.override.auto.offset.reset";
        assert_eq!(reset(&[(name, "earliest")]), OffsetReset::Earliest);
        assert_eq!(reset(&[(name, "latest")]), OffsetReset::Latest);
        assert_eq!(reset(&[(name, "none")]), OffsetReset::Fail);
    }
}
