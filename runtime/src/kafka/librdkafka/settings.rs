//! From our settings, and Kafka's names in overrides, to librdkafka's.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::kafka::config::{
    ClusterConfig, ConsumerConfig, Overrides, ProducerConfig, Transactional,
};
use crate::kafka::error::ClientError;
use crate::kafka::types::OffsetReset;

/// The smallest read-ahead of a partition, in bytes, however many there are.
const PARTITION_BUFFER_BYTES_MIN: usize = 64 << 10;
/// The most that one fetch brings over all partitions, in bytes.
const FETCH_BYTES_MAX: usize = 16 << 20;
/// The least time for an answer to a transactional producer's request.
const ANSWER_MIN: Duration = Duration::from_secs(1);
/// librdkafka's limits of `message.max.bytes` and `queue.buffering.max.kbytes`.
const LIBRDKAFKA_BYTES_MAX: usize = 1_000_000_000;

fn cluster(config: &ClusterConfig) -> Result<ClientConfig, ClientError> {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.bootstrap_servers)
        .set("client.id", &config.client_id)
        .set("log.connection.close", "false")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "2000")
        // A topic that was just created is found soon.
        .set("topic.metadata.refresh.fast.interval.ms", "100");
    for (name, value) in config.security.librdkafka()? {
        client.set(name, value);
    }
    Ok(client)
}

/// Overrides come last and win. Names that only the Java clients have are
/// translated where librdkafka has the same thing under another name.
fn overrides(client: &mut ClientConfig, overrides: &Overrides) {
    for (name, value) in overrides {
        let name = match name.as_str() {
            "max.request.size" => "message.max.bytes",
            "max.partition.fetch.bytes" => "fetch.message.max.bytes",
            "fetch.max.wait.ms" => "fetch.wait.max.ms",
            "receive.buffer.bytes" => "socket.receive.buffer.bytes",
            "send.buffer.bytes" => "socket.send.buffer.bytes",
            name => name,
        };
        client.set(name, value);
    }
}

/// What of the overrides is ours to heed: `buffer.memory`, in bytes.
pub(super) fn buffer_bytes(config: &ProducerConfig) -> Result<usize, String> {
    match config.overrides.get("buffer.memory") {
        None => Ok(config.buffer_bytes),
        Some(value) => value
            .trim()
            .parse()
            .map_err(|_| format!("`buffer.memory` must be a number of bytes, not `{value}`")),
    }
}

pub(super) fn producer(
    config: &ProducerConfig,
    buffer_bytes: usize,
) -> Result<ClientConfig, ClientError> {
    let mut client = cluster(&config.cluster)?;
    // Our own budget makes `send` wait long before this queue is full.
    let queue_kbytes = (buffer_bytes.saturating_mul(2) + config.max_record_bytes) >> 10;
    client
        .set("enable.idempotence", "true")
        // As Kafka's producers do; whether one is made is the broker's say.
        .set("allow.auto.create.topics", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "none")
        .set("linger.ms", config.linger.as_millis().to_string())
        .set("delivery.timeout.ms", config.delivery_timeout.as_millis().to_string())
        .set("message.max.bytes", config.max_record_bytes.min(LIBRDKAFKA_BYTES_MAX).to_string())
        .set("queue.buffering.max.messages", "0")
        .set(
            "queue.buffering.max.kbytes",
            queue_kbytes.clamp(1024, LIBRDKAFKA_BYTES_MAX >> 10).to_string(),
        );
    let mut own = config.overrides.clone();
    own.remove("buffer.memory");
    overrides(&mut client, &own);
    if let Some(Transactional { id, timeout }) = &config.transactional {
        // librdkafka would wait for one answer nearly as long as the transaction may be
        // open: a step could not repeat a request that was lost.
        let answer = (config.delivery_timeout / 2).max(ANSWER_MIN);
        client
            .set("transactional.id", id)
            .set("transaction.timeout.ms", timeout.as_millis().to_string())
            .set("socket.timeout.ms", answer.as_millis().to_string());
    }
    Ok(client)
}

pub(super) fn consumer(config: &ConsumerConfig) -> Result<ClientConfig, ClientError> {
    let mut client = cluster(&config.cluster)?;
    // With split queues librdkafka's limit counts for each partition.
    let partition_bytes =
        (config.buffer_bytes / config.partitions_max.max(1)).max(PARTITION_BUFFER_BYTES_MIN);
    let record_bytes = config.max_record_bytes.clamp(1024, LIBRDKAFKA_BYTES_MAX / 2);
    let fetch_bytes = FETCH_BYTES_MAX.min(config.buffer_bytes).max(record_bytes);
    client
        // Reading makes no topic: a misspelt name is an error.
        .set("allow.auto.create.topics", "false")
        // Assigning by hand needs a group's name, but does not join it.
        .set("group.id", config.group_id.as_deref().unwrap_or("longshore-no-group"))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set(
            "auto.offset.reset",
            match config.offset_reset {
                OffsetReset::Earliest => "earliest",
                OffsetReset::Latest => "latest",
                OffsetReset::Fail => "error",
            },
        )
        .set("queued.max.messages.kbytes", (partition_bytes >> 10).to_string())
        // The default pause of a second, once the queue was full, starves a fast reader.
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.message.max.bytes", partition_bytes.min(1 << 20).to_string())
        .set("message.max.bytes", record_bytes.to_string())
        .set("fetch.max.bytes", fetch_bytes.to_string())
        .set(
            "receive.message.max.bytes",
            (fetch_bytes + record_bytes + (1 << 20)).max(100_000_000).to_string(),
        );
    overrides(&mut client, &config.overrides);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_read_ahead_is_divided_among_partitions() {
        let mut config = ConsumerConfig::new(ClusterConfig::new("localhost:1", "test"), None);
        config.buffer_bytes = 64 << 20;
        config.partitions_max = 64;
        let kbytes = |config: &ConsumerConfig| {
            consumer(config).unwrap().get("queued.max.messages.kbytes").map(str::to_owned)
        };
        assert_eq!(kbytes(&config).as_deref(), Some("1024"));
        config.partitions_max = 100_000;
        assert_eq!(kbytes(&config).as_deref(), Some("64"));
    }

    #[test]
    fn a_lost_request_of_a_transaction_is_repeated_within_the_time_of_its_step() {
        let mut config = ProducerConfig::new(ClusterConfig::new("localhost:1", "test"));
        config.delivery_timeout = Duration::from_millis(7_500);
        assert_eq!(producer(&config, 1000).unwrap().get("socket.timeout.ms"), None);
        let timeout = Duration::from_secs(15);
        config.transactional = Some(Transactional { id: "id".into(), timeout });
        assert_eq!(producer(&config, 1000).unwrap().get("socket.timeout.ms"), Some("3750"));
        config.delivery_timeout = Duration::from_millis(500);
        assert_eq!(producer(&config, 1000).unwrap().get("socket.timeout.ms"), Some("1000"));
    }

    #[test]
    fn overrides_win_and_java_names_are_understood() {
        let mut config = ProducerConfig::new(ClusterConfig::new("localhost:1", "test"));
        config.overrides.insert("max.request.size".into(), "1234567".into());
        config.overrides.insert("linger.ms".into(), "77".into());
        config.overrides.insert("buffer.memory".into(), "1000".into());
        assert_eq!(buffer_bytes(&config), Ok(1000));
        let client = producer(&config, 1000).unwrap();
        assert_eq!(client.get("message.max.bytes"), Some("1234567"));
        assert_eq!(client.get("linger.ms"), Some("77"));
        assert_eq!(client.get("buffer.memory"), None);
    }
}
