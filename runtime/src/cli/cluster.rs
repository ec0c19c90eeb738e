//! Kafka clients for one command.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use crate::convert::{self, Converter};
use crate::kafka::{
    Admin, AdminClient, ClientError, ClusterConfig, ConnectorConsumer, ConsumeError, Consumer,
    ConsumerConfig, ErrorClass, Fetched, KafkaProducer, ProduceError, Producer, ProducerConfig,
    Start, TopicPartition,
};

/// How long a command waits for the cluster before it gives up.
const API_TIME_MAX: Duration = Duration::from_secs(10);
/// How long one read waits before it looks again whether it is at the end.
const READ_WAIT: Duration = Duration::from_millis(500);
/// Bytes of one read.
const READ_BYTES: usize = 1024 * 1024;

/// A cluster, by its address.
pub(super) struct Cluster {
    config: ClusterConfig,
    admin: Arc<dyn Admin>,
}

/// What to read of a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) topic: &'a str,
    pub(super) partitions: &'a [i32],
    pub(super) start: Start,
    /// Ends at the offsets that are the ends when reading begins.
    pub(super) until_end: bool,
}

impl Cluster {
    pub(super) fn new(bootstrap_server: &str) -> Result<Self, CliError> {
        let mut config = ClusterConfig::new(bootstrap_server, "longshore-cli");
        config.api_timeout = API_TIME_MAX;
        let admin = Arc::new(AdminClient::new(config.clone())?);
        Ok(Self { config, admin })
    }

    pub(super) fn admin(&self) -> &dyn Admin {
        &*self.admin
    }

    pub(super) fn producer(&self) -> Result<Arc<dyn Producer>, CliError> {
        Ok(Arc::new(KafkaProducer::new(&ProducerConfig::new(self.config.clone()))?))
    }

    /// Reads partitions and calls `each` with what comes, until it breaks or
    /// the end is reached.
    pub(super) async fn read(
        &self,
        reading: Reading<'_>,
        mut each: impl FnMut(&Fetched) -> Result<ControlFlow<()>, CliError>,
    ) -> Result<(), CliError> {
        let config = ConsumerConfig::new(self.config.clone(), None);
        let consumer = ConnectorConsumer::new(&config, Arc::clone(&self.admin))?.share();
        let topic: Arc<str> = reading.topic.into();
        let partitions: Vec<TopicPartition> = reading
            .partitions
            .iter()
            .map(|partition| TopicPartition::new(Arc::clone(&topic), *partition))
            .collect();
        let mut open: HashMap<TopicPartition, i64> = HashMap::new();
        if reading.until_end {
            let begin = consumer.beginning_offsets(&partitions).await?;
            open = consumer.end_offsets(&partitions).await?;
            open.retain(|partition, end| {
                reading.start == Start::Earliest && begin.get(partition) < Some(end)
            });
            if open.is_empty() {
                return Ok(());
            }
        }
        let starts: Vec<(TopicPartition, Start)> =
            partitions.into_iter().map(|partition| (partition, reading.start)).collect();
        consumer.assign(&starts).await?;
        loop {
            let Some(fetched) = consumer.next(READ_BYTES, READ_WAIT).await? else { continue };
            if each(&fetched)?.is_break() {
                return Ok(());
            }
            if reading.until_end {
                open.retain(|partition, end| {
                    *partition != fetched.partition || fetched.next_offset < *end
                });
                if open.is_empty() {
                    return Ok(());
                }
            }
        }
    }
}

/// A converter by its name.
pub(super) fn converter(name: &str) -> Result<Arc<dyn Converter>, String> {
    convert::named(name)
        .ok_or_else(|| format!("there is no converter `{name}`: string, bytes, long or json"))
}

const START_ONE: &str = "start one with `longshore server -c configs/node.yaml`, or name another with --bootstrap-server";

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { addresses, reason } => Self::Unreachable(format!(
                "no broker answers at {addresses}: {reason}; {START_ONE}"
            )),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<ProduceError> for CliError {
    fn from(error: ProduceError) -> Self {
        match error.class() {
            ErrorClass::Retriable => Self::Unreachable(format!("{error}; {START_ONE}")),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<ConsumeError> for CliError {
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::Client(error) => error.into(),
            other => Self::failed(other.to_string()),
        }
    }
}
