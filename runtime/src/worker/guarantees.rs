//! What a connector asks of its delivery, by the names of Kafka Streams and of
//! Kafka Connect (KIP-618).

use std::time::Duration;

use super::config::SourceSupport;
use super::herder::{ConnectorConfig, ConnectorKind};
use super::plugin::ConfigProblem;
use crate::task::source;

/// A processor's or a sink's promise.
const GUARANTEE: &str = "processing.guarantee";
/// Whether a source must be exactly-once.
const SUPPORT: &str = "exactly.once.support";
/// What one transaction of a source holds.
const BOUNDARY: &str = "transaction.boundary";
/// How long a transaction of a source is open with `transaction.boundary=interval`.
const INTERVAL: &str = "transaction.boundary.interval.ms";
const ISOLATION: &str = "consumer.override.isolation.level";

/// The options' names.
pub const OPTIONS: [&str; 4] = [SUPPORT, GUARANTEE, BOUNDARY, INTERVAL];

/// What a processor or sink promises: `processing.guarantee`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// A sink's offsets are committed before its records are put: a crash loses those
    /// that were under way, and repeats none.
    AtMostOnce,
    /// A crash repeats what was not committed yet. A sink that keeps its position with
    /// its data repeats nothing even so.
    AtLeastOnce,
    /// A processor's inputs, state and outputs are committed in one transaction.
    ExactlyOnceV2,
}

impl Guarantee {
    /// That of a connector whose configuration has nothing [`wrong`].
    pub fn of(kind: ConnectorKind, config: &ConnectorConfig) -> Self {
        match (config.get(GUARANTEE).map(|given| given.trim()), kind) {
            (Some("at_most_once"), _) => Self::AtMostOnce,
            (None, ConnectorKind::Processor) | (Some("exactly_once_v2"), _) => Self::ExactlyOnceV2,
            _ => Self::AtLeastOnce,
        }
    }
}

/// What one transaction of a source holds: `transaction.boundary`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Boundary {
    /// The records and checkpoints of one poll.
    #[default]
    Poll,
    /// Those of all polls of this time; of the worker's `offset.flush.interval.ms` if
    /// none is given.
    Interval(Option<Duration>),
    /// Those of all polls up to one that says that it ends there.
    Connector,
}

impl Boundary {
    /// A source's, whose configuration has nothing [`wrong`].
    pub fn of(config: &ConnectorConfig) -> Self {
        let text = |name| config.get(name).map(|given: &String| given.trim());
        match text(BOUNDARY) {
            Some("interval") => Self::Interval(
                text(INTERVAL).and_then(|millis| millis.parse().ok()).map(Duration::from_millis),
            ),
            Some("connector") => Self::Connector,
            _ => Self::Poll,
        }
    }

    /// What a session's transactions hold, with an interval that is known.
    pub fn transactions(self, otherwise: Duration) -> source::Boundary {
        match self {
            Self::Poll => source::Boundary::Poll,
            Self::Interval(given) => source::Boundary::Interval(given.unwrap_or(otherwise)),
            Self::Connector => source::Boundary::Connector,
        }
    }
}

/// A boundary that is the plugin's to draw, which it does not do.
pub fn undrawn(config: &ConnectorConfig, ends_transactions: bool) -> Option<ConfigProblem> {
    let is_asked_for = Boundary::of(config) == Boundary::Connector;
    (is_asked_for && !ends_transactions).then(|| ConfigProblem {
        option: BOUNDARY.to_owned(),
        message:
            "cannot be `connector`: this plugin does not say where its transactions end. What \
                  one poll brings is never divided, so `poll` and `interval` keep such records \
                  together"
                .to_owned(),
    })
}

/// What is wrong with an option, if it is one of these.
pub fn wrong(kind: ConnectorKind, option: &str, value: &str) -> Option<String> {
    let of_sources = kind == ConnectorKind::Source;
    match (option, value.trim()) {
        (GUARANTEE, _) if of_sources => {
            Some(format!("is an option of processors and sinks; sources have `{SUPPORT}`"))
        }
        (SUPPORT | BOUNDARY | INTERVAL, _) if !of_sources => {
            Some("is an option of sources alone".to_owned())
        }
        (GUARANTEE, "at_least_once") => None,
        (GUARANTEE, "at_most_once") if kind == ConnectorKind::Sink => None,
        (GUARANTEE, "exactly_once_v2") if kind == ConnectorKind::Processor => None,
        (GUARANTEE, "exactly_once_v2") => Some(
            "cannot be `exactly_once_v2` for a sink: one that keeps its position with its data is \
             exactly-once by itself, and others are `at_least_once` or `at_most_once`"
                .to_owned(),
        ),
        (GUARANTEE, other) if kind == ConnectorKind::Sink => {
            Some(format!("must be `at_least_once` or `at_most_once`, not `{other}`"))
        }
        (GUARANTEE, other) => {
            Some(format!("must be `exactly_once_v2` or `at_least_once`, not `{other}`"))
        }
        (SUPPORT, "requested" | "required") => None,
        (SUPPORT, other) => Some(format!("must be `requested` or `required`, not `{other}`")),
        (INTERVAL, millis) => match millis.parse::<u32>() {
            Ok(1..) => None,
            _ => Some("must be a whole number of milliseconds, 1 at the least".to_owned()),
        },
        (BOUNDARY, "poll" | "interval" | "connector") => None,
        (BOUNDARY, other) => {
            Some(format!("must be `poll`, `interval` or `connector`, not `{other}`"))
        }
        _ => None,
    }
}

/// An override with which a processor would not be exactly-once.
pub fn contradicted(kind: ConnectorKind, config: &ConnectorConfig) -> Option<ConfigProblem> {
    let level = config.get(ISOLATION)?.trim();
    let counted = kind == ConnectorKind::Processor
        && Guarantee::of(kind, config) == Guarantee::ExactlyOnceV2
        && level != "read_committed";
    counted.then(|| ConfigProblem {
        option: ISOLATION.to_owned(),
        message: format!(
            "must be `read_committed` with `{GUARANTEE}=exactly_once_v2`, or what an aborted \
             transaction wrote would be processed"
        ),
    })
}

/// A source that must be exactly-once on a worker whose sources are not.
pub fn unmet(
    kind: ConnectorKind,
    config: &ConnectorConfig,
    sources: SourceSupport,
) -> Option<ConfigProblem> {
    let required = kind == ConnectorKind::Source
        && config.get(SUPPORT).is_some_and(|given| given.trim() == "required");
    (required && sources != SourceSupport::Enabled).then(|| ConfigProblem {
        option: SUPPORT.to_owned(),
        message: "is `required`, but this worker's `exactly.once.source.support` is not `enabled`"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> ConnectorConfig {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_processor_is_exactly_once_unless_its_configuration_says_otherwise() {
        let processor = ConnectorKind::Processor;
        assert_eq!(Guarantee::of(processor, &config(&[])), Guarantee::ExactlyOnceV2);
        let less = config(&[(GUARANTEE, "at_least_once")]);
        assert_eq!(Guarantee::of(processor, &less), Guarantee::AtLeastOnce);
        assert!(wrong(processor, GUARANTEE, "exactly_once_v2").is_none());
        // Kafka Streams dropped the first version; there was none here.
        assert!(wrong(processor, GUARANTEE, "exactly_once").is_some());
        assert!(wrong(processor, GUARANTEE, "at_most_once").is_some());
        assert!(wrong(ConnectorKind::Source, GUARANTEE, "at_least_once").is_some());
    }

    #[test]
    fn a_sink_is_at_least_once_unless_its_configuration_asks_for_at_most_once() {
        let sink = ConnectorKind::Sink;
        assert_eq!(Guarantee::of(sink, &config(&[])), Guarantee::AtLeastOnce);
        let less = config(&[(GUARANTEE, "at_most_once")]);
        assert_eq!(Guarantee::of(sink, &less), Guarantee::AtMostOnce);
        assert_eq!(wrong(sink, GUARANTEE, "at_most_once"), None);
        let told = wrong(sink, GUARANTEE, "exactly_once_v2").unwrap();
        assert!(told.contains("keeps its position"), "{told}");
    }

    #[test]
    fn what_an_aborted_transaction_wrote_is_not_processed_by_an_override() {
        let processor = ConnectorKind::Processor;
        let dirty = (ISOLATION, "read_uncommitted");
        assert!(contradicted(processor, &config(&[dirty])).is_some());
        assert!(contradicted(processor, &config(&[(ISOLATION, "read_committed")])).is_none());
        assert!(contradicted(processor, &config(&[dirty, (GUARANTEE, "at_least_once")])).is_none());
        assert!(contradicted(ConnectorKind::Sink, &config(&[dirty])).is_none());
    }

    #[test]
    fn a_transaction_of_a_source_is_a_poll_or_an_interval_or_ends_where_its_plugin_says() {
        let source = ConnectorKind::Source;
        for boundary in ["poll", "interval", "connector"] {
            assert_eq!(wrong(source, BOUNDARY, boundary), None);
            assert!(wrong(ConnectorKind::Processor, BOUNDARY, boundary).is_some());
        }
        let told = wrong(source, BOUNDARY, "batch").unwrap();
        assert!(told.contains("`poll`") && told.contains("`interval`"), "{told}");
        let own = config(&[(BOUNDARY, "connector")]);
        assert!(undrawn(&own, true).is_none() && undrawn(&config(&[]), false).is_none());
        let told = undrawn(&own, false).unwrap().message;
        assert!(told.contains("`poll` and `interval`"), "{told}");
        for millis in ["0", "-1", "5s", ""] {
            assert!(wrong(source, INTERVAL, millis).is_some(), "{millis}");
        }
        assert_eq!(wrong(source, INTERVAL, "250"), None);
        assert!(wrong(ConnectorKind::Sink, INTERVAL, "250").is_some());
    }

    #[test]
    fn an_interval_is_the_workers_unless_the_connector_has_its_own() {
        let workers = Duration::from_secs(5);
        let boundary = |pairs: &[_]| Boundary::of(&config(pairs)).transactions(workers);
        assert_eq!(boundary(&[]), source::Boundary::Poll);
        assert_eq!(boundary(&[(INTERVAL, "250")]), source::Boundary::Poll);
        assert_eq!(boundary(&[(BOUNDARY, "interval")]), source::Boundary::Interval(workers));
        let own = [(BOUNDARY, "interval"), (INTERVAL, "250")];
        let millis = Duration::from_millis(250);
        assert_eq!(boundary(&own), source::Boundary::Interval(millis));
        assert_eq!(boundary(&[(BOUNDARY, "connector")]), source::Boundary::Connector);
    }

    #[test]
    fn a_source_that_must_be_exactly_once_is_refused_where_it_would_not_be() {
        let (source, required) = (ConnectorKind::Source, config(&[(SUPPORT, "required")]));
        for support in [SourceSupport::Disabled, SourceSupport::Preparing] {
            assert_eq!(unmet(source, &required, support).unwrap().option, SUPPORT);
            assert!(unmet(source, &config(&[(SUPPORT, "requested")]), support).is_none());
        }
        assert!(unmet(source, &required, SourceSupport::Enabled).is_none());
        assert!(wrong(source, SUPPORT, "wanted").is_some());
    }
}
