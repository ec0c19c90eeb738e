//! Kafka clients for one command.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use kafka_protocol::ResponseError;

use super::acl_entries::upper;
use super::{CliError, client_config};
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

/// The heading of options that every command takes.
pub(super) const EVERYWHERE: &str = "Options of every command";

/// How commands reach a cluster.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    /// Where the cluster is.
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "LONGSHORE_BOOTSTRAP_SERVER",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:9092"
    )]
    bootstrap_server: String,
    /// Client properties for TLS and SASL, as Kafka's tools take them or as YAML.
    ///
    /// security.protocol, sasl.mechanism, sasl.jaas.config or sasl.username and
    /// sasl.password, ssl.ca.location or ssl.truststore.location,
    /// ssl.certificate.location, ssl.key.location. Certificates are PEM. Values may be
    /// ${env:NAME} or ${file:PATH}.
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "LONGSHORE_COMMAND_CONFIG",
        value_name = "FILE"
    )]
    command_config: Option<PathBuf>,
}

/// A cluster, by its address.
pub(super) struct Cluster {
    config: ClusterConfig,
    admin: Arc<AdminClient>,
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
    /// The one that the command line names.
    pub(super) fn new(args: &ClusterArgs) -> Result<Self, CliError> {
        let mut config = Self::config(&args.bootstrap_server);
        if let Some(path) = &args.command_config {
            client_config::apply(path, &mut config)?;
        }
        Self::of(config)
    }

    /// The one at an address of a plaintext listener.
    pub(super) fn at(bootstrap_server: &str) -> Result<Self, CliError> {
        Self::of(Self::config(bootstrap_server))
    }

    fn config(bootstrap_server: &str) -> ClusterConfig {
        let mut config = ClusterConfig::new(bootstrap_server, "longshore-cli");
        config.api_timeout = API_TIME_MAX;
        config
    }

    fn of(config: ClusterConfig) -> Result<Self, CliError> {
        let admin = Arc::new(AdminClient::new(config.clone())?);
        Ok(Self { config, admin })
    }

    pub(super) fn admin(&self) -> &dyn Admin {
        &*self.admin
    }

    /// What goes beyond the worker's needs: ACLs, users, quotas, transactions.
    pub(super) fn client(&self) -> &AdminClient {
        &self.admin
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
        let consumer = ConnectorConsumer::new(&config, self.admin.clone())?.share();
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
    convert::named(name).ok_or_else(|| {
        format!("there is no converter `{name}`: there are {}", convert::config::short_names())
    })
}

const START_ONE: &str = "start one with `longshore server -c configs/node.yaml`, or name another with --bootstrap-server";

const NO_ANSWER: &str =
    "is --bootstrap-server a Kafka listener, and security.protocol in --command-config its own?";

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { addresses, reason } => Self::Unreachable(format!(
                "no broker answers at {addresses}: {reason}; {START_ONE}"
            )),
            ClientError::Refused { what, code, message } => {
                let help = remedy(code).map(|help| format!("; {help}")).unwrap_or_default();
                // Without words of its own a broker says no more than the name.
                let words = Some(message).filter(|message| *message != code.to_string());
                let words = words.map(|words| format!(" ({words})")).unwrap_or_default();
                Self::failed(format!("{what} was refused: {}{words}{help}", upper(code)))
            }
            // It was there a moment ago, or something is that does not answer.
            ClientError::Disconnected { .. } | ClientError::TimedOut { .. } => {
                Self::Unreachable(format!("{error}; {NO_ANSWER}"))
            }
            ClientError::Config { .. }
            | ClientError::Tls { .. }
            | ClientError::Unsupported { .. }
            | ClientError::Malformed { .. }
            | ClientError::Closed => Self::failed(error.to_string()),
        }
    }
}

/// What a person can do about a refusal.
fn remedy(code: ResponseError) -> Option<&'static str> {
    use ResponseError as E;
    Some(match code {
        E::ClusterAuthorizationFailed => {
            "this user needs a right on the cluster: `longshore acl add --cluster --operation ...`"
        }
        E::TopicAuthorizationFailed => {
            "this user needs a right on the topic: `longshore acl add --topic ...`"
        }
        E::GroupAuthorizationFailed => {
            "this user needs a right on the group: `longshore acl add --group ...`"
        }
        E::TransactionalIdAuthorizationFailed => {
            "this user needs a right on the id: `longshore acl add --transactional-id ...`"
        }
        E::SaslAuthenticationFailed | E::UnsupportedSaslMechanism | E::IllegalSaslState => {
            "look at sasl.mechanism, name and password in the file of --command-config"
        }
        E::SecurityDisabled => {
            "the cluster checks no ACLs: set authorizer.class.name in the brokers' files"
        }
        E::NonEmptyGroup | E::GroupSubscribedToTopic => {
            "stop the group's members first; `longshore group describe` names them"
        }
        E::GroupIdNotFound => "`longshore group list` shows which there are",
        E::TopicAlreadyExists => "`longshore topic describe` shows it",
        E::InvalidReplicationFactor => "the cluster has fewer brokers than that",
        E::PolicyViolation | E::InvalidConfig | E::InvalidRequest => return None,
        E::ConcurrentTransactions => "a transaction of the id is being ended; try again",
        E::UnsupportedVersion => "the broker is too old for this",
        _ => return None,
    })
}

impl From<ProduceError> for CliError {
    fn from(error: ProduceError) -> Self {
        match (&error, error.class()) {
            (ProduceError::Closed, _) => Self::failed(error.to_string()),
            // What may pass was tried for all of `delivery.timeout.ms`.
            (_, ErrorClass::Retriable) => Self::Unreachable(format!("{error}; {START_ONE}")),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<ConsumeError> for CliError {
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::Client(error) => error.into(),
            other if other.class() == ErrorClass::Retriable => {
                Self::Unreachable(format!("{other}; {START_ONE}"))
            }
            other => Self::failed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_unreachable_and_what_refuses_has_failed() {
        let (address, reason) = (|| "a:1".to_owned(), || "x".to_owned());
        let partition = || TopicPartition::new("t", 0);
        let refused = |code| ClientError::Refused { what: "it".into(), code, message: reason() };
        let of_client: [(CliError, u8); 9] = [
            (ClientError::Unreachable { addresses: address(), reason: reason() }.into(), 3),
            (ClientError::Disconnected { address: address(), reason: reason() }.into(), 3),
            (ClientError::TimedOut { what: "it".into(), after: API_TIME_MAX }.into(), 3),
            (ClientError::Config { name: "n".into(), reason: reason() }.into(), 1),
            (ClientError::Tls { address: address(), reason: reason() }.into(), 1),
            (
                ClientError::Malformed { address: address(), what: "it".into(), reason: reason() }
                    .into(),
                1,
            ),
            (ClientError::Closed.into(), 1),
            (refused(ResponseError::TopicAuthorizationFailed).into(), 1),
            // A broker answered, so it can be reached.
            (refused(ResponseError::RequestTimedOut).into(), 1),
        ];
        let delivery = |class| ProduceError::Delivery {
            topic: "t".into(),
            partition: None,
            reason: reason(),
            class,
        };
        let of_producer: [(CliError, u8); 4] = [
            (delivery(ErrorClass::Retriable).into(), 3),
            (delivery(ErrorClass::Authorization).into(), 1),
            (ProduceError::TimedOut { unacknowledged: 1, after: API_TIME_MAX }.into(), 3),
            (ProduceError::Closed.into(), 1),
        ];
        let read =
            |class| ConsumeError::Partition { partition: partition(), reason: reason(), class };
        let of_consumer: [(CliError, u8); 4] = [
            (read(ErrorClass::Retriable).into(), 3),
            (read(ErrorClass::Fatal).into(), 1),
            (ConsumeError::OutOfRange { partition: partition(), position: 1 }.into(), 1),
            (ConsumeError::Client(ClientError::Closed).into(), 1),
        ];
        for (error, code) in of_client.into_iter().chain(of_producer).chain(of_consumer) {
            assert_eq!(error.code(), code, "{error}");
        }
    }
}
