//! Which properties of the Kafka clients a connector may override.
//!
//! A connector's author is not the worker's operator: what makes a client load
//! code, read files, speak to another cluster or give up its promises is not
//! for connectors. So these are the names that tune, and no others.

use crate::kafka::Overrides;

use super::herder::ConnectorConfig;
use super::options::nearest;

/// `producer.override.*`.
pub const PRODUCER: &str = "producer.override.";
/// `consumer.override.*`.
pub const CONSUMER: &str = "consumer.override.";

const BOTH: [&str; 8] = [
    "client.id",
    "metadata.max.age.ms",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "send.buffer.bytes",
];
const OF_PRODUCERS: [&str; 10] = [
    "acks",
    "batch.num.messages",
    "batch.size",
    "buffer.memory",
    "compression.level",
    "compression.type",
    "enable.idempotence",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "max.request.size",
];
const OF_CONSUMERS: [&str; 9] = [
    "auto.offset.reset",
    "check.crcs",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "queued.max.messages.kbytes",
];

/// The overrides of one prefix, the prefix taken off.
pub fn of(config: &ConnectorConfig, prefix: &str) -> Overrides {
    let given = config.iter();
    given
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
        .collect()
}

/// What is wrong with an option, if it is an override.
pub fn wrong(option: &str, value: &str) -> Option<String> {
    let (client, name, own) = if let Some(name) = option.strip_prefix(PRODUCER) {
        ("producers", name, &OF_PRODUCERS[..])
    } else {
        ("consumers", option.strip_prefix(CONSUMER)?, &OF_CONSUMERS[..])
    };
    let known = || BOTH.iter().chain(own).copied();
    if !known().any(|known| known == name) {
        let hint = match nearest(name, known()) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        };
        return Some(format!("is nothing that a connector may change of its {client}{hint}"));
    }
    // Kafka Connect's configurations name these; they cannot be otherwise here.
    match (name, value.trim()) {
        ("acks", "all" | "-1") | ("enable.idempotence", "true") => None,
        ("acks", _) => Some("is always `all`: a checkpoint stands on its records".to_owned()),
        ("enable.idempotence", _) => Some("is always `true`: records keep their order".to_owned()),
        ("auto.offset.reset", "earliest" | "latest" | "none") => None,
        ("auto.offset.reset", _) => Some("must be `earliest`, `latest` or `none`".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loads_code_reads_files_or_leaves_the_cluster_is_no_connectors_to_set() {
        for name in [
            "plugin.library.paths",
            "test.mock.num.brokers",
            "bootstrap.servers",
            "metadata.broker.list",
            "ssl.ca.location",
            "ssl.engine.location",
            "sasl.kerberos.kinit.cmd",
            "enable.auto.commit",
            "transactional.id",
            "group.id",
            "delivery.timeout.ms",
        ] {
            for prefix in [PRODUCER, CONSUMER] {
                assert!(wrong(&format!("{prefix}{name}"), "1").is_some(), "{prefix}{name}");
            }
        }
    }

    #[test]
    fn an_override_cannot_take_a_promise_back() {
        assert!(wrong("producer.override.acks", "0").is_some());
        assert!(wrong("producer.override.acks", "all").is_none());
        assert!(wrong("producer.override.enable.idempotence", "false").is_some());
        assert!(wrong("consumer.override.auto.offset.reset", "smallest").is_some());
    }

    #[test]
    fn what_tunes_is_taken_and_a_misspelt_name_has_a_suggestion() {
        assert_eq!(wrong("producer.override.linger.ms", "5"), None);
        assert_eq!(wrong("consumer.override.fetch.min.bytes", "5"), None);
        assert_eq!(wrong("topic", "lines"), None);
        let told = wrong("producer.override.linger.mss", "5").unwrap();
        assert!(told.contains("`linger.ms`"), "{told}");
    }
}
