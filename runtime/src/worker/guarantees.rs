//! What a connector asks of its delivery, by the names of Kafka Streams and of
//! Kafka Connect (KIP-618).

use super::config::SourceSupport;
use super::herder::{ConnectorConfig, ConnectorKind};
use super::plugin::ConfigProblem;

/// A processor's promise.
const GUARANTEE: &str = "processing.guarantee";
/// Whether a source must be exactly-once.
const SUPPORT: &str = "exactly.once.support";
/// What one transaction of a source holds.
const BOUNDARY: &str = "transaction.boundary";
const ISOLATION: &str = "consumer.override.isolation.level";

/// The options' names.
pub const OPTIONS: [&str; 3] = [SUPPORT, GUARANTEE, BOUNDARY];

/// What a processor promises: `processing.guarantee`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Guarantee {
    /// A crash repeats the batch of each partition that was not committed yet.
    AtLeastOnce,
    /// Inputs, state and outputs are committed in one transaction.
    #[default]
    ExactlyOnceV2,
}

impl Guarantee {
    /// A processor's, whose configuration has nothing [`wrong`].
    pub fn of(config: &ConnectorConfig) -> Self {
        match config.get(GUARANTEE).map(|given| given.trim()) {
            Some("at_least_once") => Self::AtLeastOnce,
            _ => Self::ExactlyOnceV2,
        }
    }
}

/// What is wrong with an option, if it is one of these.
pub fn wrong(kind: ConnectorKind, option: &str, value: &str) -> Option<String> {
    let owner = match option {
        GUARANTEE => ConnectorKind::Processor,
        SUPPORT | BOUNDARY => ConnectorKind::Source,
        _ => return None,
    };
    match (option, value.trim()) {
        _ if kind != owner => Some(match owner {
            ConnectorKind::Processor => "is an option of processors alone".to_owned(),
            _ => "is an option of sources alone".to_owned(),
        }),
        (GUARANTEE, "exactly_once_v2" | "at_least_once") => None,
        (GUARANTEE, other) => {
            Some(format!("must be `exactly_once_v2` or `at_least_once`, not `{other}`"))
        }
        (SUPPORT, "requested" | "required") => None,
        (SUPPORT, other) => Some(format!("must be `requested` or `required`, not `{other}`")),
        (_, "poll") => None,
        (_, "interval" | "connector") => Some(
            "can only be `poll` for now: the records and checkpoints of each poll are one \
             transaction"
                .to_owned(),
        ),
        (_, other) => Some(format!("must be `poll`, not `{other}`")),
    }
}

/// An override with which a processor would not be exactly-once.
pub fn contradicted(kind: ConnectorKind, config: &ConnectorConfig) -> Option<ConfigProblem> {
    let level = config.get(ISOLATION)?.trim();
    let counted = kind == ConnectorKind::Processor
        && Guarantee::of(config) == Guarantee::ExactlyOnceV2
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
        assert_eq!(Guarantee::of(&config(&[])), Guarantee::ExactlyOnceV2);
        let less = config(&[(GUARANTEE, "at_least_once")]);
        assert_eq!(Guarantee::of(&less), Guarantee::AtLeastOnce);
        assert!(wrong(processor, GUARANTEE, "exactly_once_v2").is_none());
        // Kafka Streams dropped the first version; there was none here.
        assert!(wrong(processor, GUARANTEE, "exactly_once").is_some());
        assert!(wrong(ConnectorKind::Sink, GUARANTEE, "at_least_once").is_some());
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
    fn a_transaction_of_a_source_is_a_poll_and_no_other_boundary_is_taken() {
        assert_eq!(wrong(ConnectorKind::Source, BOUNDARY, "poll"), None);
        for boundary in ["interval", "connector", "batch"] {
            let told = wrong(ConnectorKind::Source, BOUNDARY, boundary).unwrap();
            assert!(told.contains("`poll`"), "{told}");
        }
        assert!(wrong(ConnectorKind::Processor, BOUNDARY, "poll").is_some());
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
