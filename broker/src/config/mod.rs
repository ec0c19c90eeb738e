//! The broker's configuration, read from Kafka's property names.

mod connections;
mod consumer_groups;
pub(crate) mod dynamic;
mod keys;
mod listener;
mod security;

use crate::auth::AuthorizerSettings;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use crate::quota::WindowSettings;
pub(crate) use connections::ConnectionBounds;
pub use connections::ListenerLimits;
pub use consumer_groups::{BoundedTimeout, ConsumerTimeouts};
use dynamic::{MAX_CONNECTIONS_PER_IP, MAX_CONNECTIONS_PER_IP_OVERRIDES};
pub use keys::{BROKER_KEYS, BrokerKey, ConfigKind};
pub use listener::ListenerConfig;
pub use security::{ListenerSecurity, SecurityProtocol, is_known, is_sensitive};

/// Why a set of properties is no broker configuration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A name that no property has.
    #[error("unknown property `{name}`: see the broker's property table for the names")]
    UnknownProperty {
        /// As given.
        name: String,
    },
    /// A value that does not parse or is out of range.
    #[error("property `{name}` cannot be `{value}`: expected {expected}")]
    InvalidValue {
        /// The property.
        name: String,
        /// As given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

/// The configuration of one broker.
///
/// Build it with [`BrokerConfig::from_properties`]; the fields are public so
/// that an embedding process can read and adjust them.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `node.id`, from 0.
    pub node_id: i32,
    /// `cluster.id`: used when the data directory is formatted, checked afterwards.
    pub cluster_id: Option<String>,
    /// `listeners`, at least one.
    pub listeners: Vec<ListenerConfig>,
    /// `advertised.listeners`, by listener name; those missing advertise where they listen.
    pub advertised_listeners: Vec<ListenerConfig>,
    /// `log.dirs`: the data directory.
    pub log_dir: PathBuf,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
    /// `num.partitions`, from 1.
    pub num_partitions: i32,
    /// `offsets.topic.num.partitions`, from 1.
    pub offsets_topic_partitions: i32,
    /// `offsets.topic.segment.bytes`.
    pub offsets_topic_segment_bytes: i32,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check: Duration,
    /// `transaction.state.log.num.partitions`, from 1.
    pub transaction_topic_partitions: i32,
    /// `transaction.state.log.segment.bytes`.
    pub transaction_topic_segment_bytes: i32,
    /// `transaction.max.timeout.ms`.
    pub transaction_timeout_ms_max: i32,
    /// `transactional.id.expiration.ms`.
    pub transactional_id_expiration: Duration,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub transaction_timeout_check: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub transactional_id_expiration_check: Duration,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_bytes_max: usize,
    /// `group.initial.rebalance.delay.ms`.
    pub group_initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`.
    pub group_session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub group_session_timeout_max: Duration,
    /// `group.max.size`.
    pub group_size_max: usize,
    /// `group.consumer.session.timeout.ms`, `group.consumer.heartbeat.interval.ms`, and
    /// their bounds.
    pub consumer_timeouts: ConsumerTimeouts,
    /// `group.consumer.max.size`.
    pub consumer_group_size_max: usize,
    /// `group.consumer.assignors`.
    pub consumer_assignors: Vec<String>,
    /// `max.connections`.
    pub connections_max: usize,
    /// `max.connections.per.ip`.
    pub connections_per_address_max: usize,
    /// `max.connections.per.ip.overrides`.
    pub connections_per_address_overrides: HashMap<IpAddr, usize>,
    /// `max.connection.creation.rate`, connections a second; `None` is no bound.
    pub connection_rate_max: Option<u32>,
    /// Bounds of each listener beside these, by the listener's name.
    pub listener_limits: BTreeMap<String, ListenerLimits>,
    /// `connections.max.idle.ms`.
    pub connection_idle_max: Duration,
    /// `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// `queued.max.request.bytes`.
    pub request_memory_bytes: usize,
    /// `fetch.max.bytes`.
    pub fetch_bytes_max: usize,
    /// `fetch.memory.bytes`.
    pub fetch_memory_bytes: usize,
    /// `log.retention.check.interval.ms`.
    pub retention_check: Duration,
    /// `metrics.listener`, `host:port`; `None` serves no metrics.
    pub metrics_listener: Option<String>,
    /// `quota.window.num` and `quota.window.size.seconds`.
    pub(crate) quota_windows: WindowSettings,
    /// `controller.quota.window.num` and `controller.quota.window.size.seconds`.
    pub(crate) controller_quota_windows: WindowSettings,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration: Duration,
    /// `log.cleaner.enable`.
    pub cleaner_enabled: bool,
    /// `log.cleaner.backoff.ms`.
    pub cleaner_backoff: Duration,
    /// `log.flush.scheduler.interval.ms`.
    pub flush_check: Duration,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_point_check: Duration,
    /// `num.recovery.threads.per.data.dir`, from 1.
    pub recovery_threads: usize,
    /// Topic configurations for which this broker sets another default, by the
    /// topic's key.
    pub topic_defaults: BTreeMap<String, String>,
    /// What each listener asks of its clients, by the listener's name.
    pub security: BTreeMap<String, ListenerSecurity>,
    /// `authorizer.class.name` and what belongs to it; none lets everyone do everything.
    pub authorizer: Option<AuthorizerSettings>,
    /// The properties as given, by name; those that are secrets without their value.
    pub properties: BTreeMap<String, String>,
}

impl BrokerConfig {
    /// Reads Kafka property names. What is left out has the default of
    /// [`BROKER_KEYS`].
    ///
    /// # Errors
    /// The first name that is unknown or value that is wrong.
    pub fn from_properties<K, V>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let given: BTreeMap<String, String> =
            properties.into_iter().map(|(k, v)| (k.into(), v.into().trim().to_owned())).collect();
        if let Some(name) = given.keys().find(|name| !is_known(name)) {
            return Err(ConfigError::UnknownProperty { name: name.clone() });
        }
        let read = Reader { given: &given };
        for name in [
            "default.replication.factor",
            "transaction.state.log.replication.factor",
            "transaction.state.log.min.isr",
        ] {
            if read.text(name) != Some("1") {
                return Err(read.invalid(name, "1: one node holds one replica"));
            }
        }
        let listeners = read.listeners("listeners")?;
        let mut security = BTreeMap::new();
        let mut listener_limits = BTreeMap::new();
        for ListenerConfig { name, .. } in &listeners {
            listener_limits.insert(name.clone(), ListenerLimits::read(&given, name)?);
            security.insert(name.clone(), ListenerSecurity::read(&given, name)?);
        }
        Ok(Self {
            node_id: match given.get("broker.id") {
                Some(_) if !given.contains_key("node.id") => read.number("broker.id", 0)?,
                _ => read.number("node.id", 0)?,
            },
            cluster_id: given.get("cluster.id").cloned(),
            listeners,
            security,
            authorizer: read.authorizer()?,
            advertised_listeners: read.listeners("advertised.listeners")?,
            log_dir: read.log_dir()?,
            auto_create_topics: read.boolean("auto.create.topics.enable")?,
            delete_topics: read.boolean("delete.topic.enable")?,
            num_partitions: read.number("num.partitions", 1)?,
            offsets_topic_partitions: read.number("offsets.topic.num.partitions", 1)?,
            offsets_topic_segment_bytes: read.number("offsets.topic.segment.bytes", 1)?,
            offsets_retention: Duration::from_secs(
                read.number::<u64>("offsets.retention.minutes", 1)?.saturating_mul(60),
            ),
            offsets_retention_check: read.millis("offsets.retention.check.interval.ms", 1)?,
            transaction_topic_partitions: read.number("transaction.state.log.num.partitions", 1)?,
            transaction_topic_segment_bytes: read
                .number("transaction.state.log.segment.bytes", 1)?,
            transaction_timeout_ms_max: read.number("transaction.max.timeout.ms", 1)?,
            transactional_id_expiration: read.millis("transactional.id.expiration.ms", 1)?,
            transaction_timeout_check: read
                .millis("transaction.abort.timed.out.transaction.cleanup.interval.ms", 1)?,
            transactional_id_expiration_check: read
                .millis("transaction.remove.expired.transaction.cleanup.interval.ms", 1)?,
            offset_metadata_bytes_max: read.number("offset.metadata.max.bytes", 0)?,
            group_initial_rebalance_delay: read.millis("group.initial.rebalance.delay.ms", 0)?,
            group_session_timeout_min: read.millis("group.min.session.timeout.ms", 1)?,
            group_session_timeout_max: read.millis("group.max.session.timeout.ms", 1)?,
            group_size_max: read.number("group.max.size", 1)?,
            consumer_timeouts: ConsumerTimeouts::read(&read)?,
            consumer_group_size_max: read.number("group.consumer.max.size", 1)?,
            consumer_assignors: read.assignors("group.consumer.assignors")?,
            connections_max: read.number("max.connections", 1)?,
            connections_per_address_max: read.connections_per_address()?,
            connections_per_address_overrides: read.address_overrides()?,
            connection_rate_max: Some(read.number("max.connection.creation.rate", 1)?)
                .filter(|max| *max < i32::MAX.unsigned_abs()),
            listener_limits,
            connection_idle_max: read.millis("connections.max.idle.ms", 1)?,
            request_bytes_max: read.number("socket.request.max.bytes", 1024)?,
            request_memory_bytes: read.number("queued.max.request.bytes", 1024)?,
            fetch_bytes_max: read.number("fetch.max.bytes", 1024)?,
            fetch_memory_bytes: read.number("fetch.memory.bytes", 1024)?,
            retention_check: read.millis("log.retention.check.interval.ms", 1)?,
            metrics_listener: read.address("metrics.listener")?,
            quota_windows: read.windows("quota.window.num", "quota.window.size.seconds")?,
            controller_quota_windows: read
                .windows("controller.quota.window.num", "controller.quota.window.size.seconds")?,
            producer_id_expiration: read.millis("producer.id.expiration.ms", 1)?,
            cleaner_enabled: read.boolean("log.cleaner.enable")?,
            cleaner_backoff: read.millis("log.cleaner.backoff.ms", 1)?,
            flush_check: read.millis("log.flush.scheduler.interval.ms", 1)?,
            recovery_point_check: read.millis("log.flush.offset.checkpoint.interval.ms", 1)?,
            recovery_threads: read.number("num.recovery.threads.per.data.dir", 1)?,
            topic_defaults: read.topic_defaults()?,
            properties: given.iter().map(shown).collect(),
        })
    }

    /// The value in force for a property, as text; `None` when it is unset.
    pub fn effective(&self, key: &BrokerKey) -> Option<&str> {
        self.properties.get(key.name).map(String::as_str).or(key.default)
    }
}

/// The table's entry of a property.
pub fn lookup(name: &str) -> Option<&'static BrokerKey> {
    BROKER_KEYS.iter().find(|key| key.name == name)
}

/// A property as it may be shown.
fn shown((name, value): (&String, &String)) -> (String, String) {
    let value = if is_sensitive(name) { String::new() } else { value.clone() };
    (name.clone(), value)
}

struct Reader<'a> {
    given: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn text(&self, name: &'static str) -> Option<&str> {
        let default = lookup(name).and_then(|key| key.default);
        self.given.get(name).map(String::as_str).or(default)
    }

    fn invalid(&self, name: &str, expected: &'static str) -> ConfigError {
        let value = self.given.get(name).cloned().unwrap_or_default();
        ConfigError::InvalidValue { name: name.to_owned(), value, expected }
    }

    fn number<N: FromStr + PartialOrd + From<u16>>(
        &self,
        name: &'static str,
        min: u16,
    ) -> Result<N, ConfigError> {
        let expected = "a number within the property's range";
        let text = self.text(name).ok_or_else(|| self.invalid(name, expected))?;
        match text.parse::<N>() {
            Ok(number) if number >= N::from(min) => Ok(number),
            _ => Err(self.invalid(name, expected)),
        }
    }

    fn millis(&self, name: &'static str, min: u16) -> Result<Duration, ConfigError> {
        self.number::<u64>(name, min).map(Duration::from_millis)
    }

    fn address(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        match port.map(|(_, port)| port.parse::<u16>()) {
            Some(Ok(_)) => Ok(Some(text.to_owned())),
            _ => Err(self.invalid(name, "host:port")),
        }
    }

    fn windows(
        &self,
        samples: &'static str,
        seconds: &'static str,
    ) -> Result<WindowSettings, ConfigError> {
        let count: u16 = self.number(samples, 1)?;
        let window_ms = u64::from(self.number::<u32>(seconds, 1)?) * 1000;
        Ok(WindowSettings { samples: usize::from(count), window_ms })
    }

    /// A time that clients are told of.
    fn milliseconds(&self, name: &'static str) -> Result<i32, ConfigError> {
        let milliseconds: u32 = self.number(name, 1)?;
        let expected = "milliseconds, no more than 2147483647";
        i32::try_from(milliseconds).map_err(|_| self.invalid(name, expected))
    }

    fn connections_per_address(&self) -> Result<usize, ConfigError> {
        let max = self.number(MAX_CONNECTIONS_PER_IP, 0)?;
        match connections::lets_someone_in(max, &self.address_overrides()?) {
            true => Ok(max),
            false => Err(self.invalid(MAX_CONNECTIONS_PER_IP, connections::NOBODY)),
        }
    }

    fn address_overrides(&self) -> Result<HashMap<IpAddr, usize>, ConfigError> {
        const NAME: &str = MAX_CONNECTIONS_PER_IP_OVERRIDES;
        let text = self.text(NAME).unwrap_or_default();
        connections::overrides(text).ok_or_else(|| self.invalid(NAME, "HOST:NUMBER, with commas"))
    }

    fn boolean(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(name) {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => Err(self.invalid(name, "true or false")),
        }
    }

    fn assignors(&self, name: &'static str) -> Result<Vec<String>, ConfigError> {
        let names: Vec<String> = self
            .text(name)
            .unwrap_or_default()
            .split(',')
            .map(|part| part.trim().to_owned())
            .collect();
        match names.iter().all(|part| crate::group::is_assignor(part)) {
            true => Ok(names),
            false => Err(self.invalid(name, "a list of uniform and range")),
        }
    }

    fn listeners(&self, name: &'static str) -> Result<Vec<ListenerConfig>, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(Vec::new()) };
        text.split(',')
            .map(|part| {
                ListenerConfig::parse(part.trim())
                    .ok_or_else(|| self.invalid(name, "NAME://host:port, separated by commas"))
            })
            .collect()
    }

    fn authorizer(&self) -> Result<Option<AuthorizerSettings>, ConfigError> {
        const CLASS: &str = "authorizer.class.name";
        const STANDARD: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
        match self.text(CLASS) {
            None | Some("") => return Ok(None),
            Some(STANDARD) => {}
            Some(_) => return Err(self.invalid(CLASS, STANDARD)),
        }
        let mut super_users = BTreeSet::new();
        // Semicolons, since the names of certificates have commas.
        for user in self.text("super.users").unwrap_or_default().split(';').map(str::trim) {
            match user.split_once(':') {
                Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {
                    super_users.insert(user.to_owned());
                }
                _ if user.is_empty() => {}
                _ => return Err(self.invalid("super.users", "User:NAME, separated by semicolons")),
            }
        }
        let allow_if_no_acl = self.boolean("allow.everyone.if.no.acl.found")?;
        Ok(Some(AuthorizerSettings { super_users, allow_if_no_acl }))
    }

    fn log_dir(&self) -> Result<PathBuf, ConfigError> {
        let name = if self.given.contains_key("log.dirs") { "log.dirs" } else { "log.dir" };
        let text = self.text(name).or_else(|| self.text("log.dirs")).unwrap_or_default();
        if text.is_empty() || text.contains(',') {
            return Err(self.invalid(name, "exactly one directory"));
        }
        Ok(PathBuf::from(text))
    }

    fn topic_defaults(&self) -> Result<BTreeMap<String, String>, ConfigError> {
        let mut defaults = BTreeMap::new();
        // The coarser units first, so that the finer ones win as they do in Kafka.
        for (name, topic, unit_ms) in [
            ("log.retention.hours", "retention.ms", 3_600_000_i64),
            ("log.retention.minutes", "retention.ms", 60_000),
            ("log.roll.hours", "segment.ms", 3_600_000),
        ] {
            if let Some(text) = self.given.get(name) {
                let number: i64 = text.parse().map_err(|_| self.invalid(name, "a whole number"))?;
                let value = if number < 0 { -1 } else { number.saturating_mul(unit_ms) };
                defaults.insert(topic.to_owned(), value.to_string());
            }
        }
        for key in BROKER_KEYS {
            if let (Some(topic), Some(value)) = (key.topic, self.given.get(key.name)) {
                defaults.insert(topic.to_owned(), value.clone());
            }
        }
        Ok(defaults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_no_property_every_default_of_the_table_is_readable() {
        let config = BrokerConfig::from_properties::<&str, &str>([]).unwrap();
        assert_eq!(config.node_id, 1);
        assert_eq!(config.num_partitions, 1);
        assert_eq!(config.listeners[0].port, 9092);
        assert!(config.topic_defaults.is_empty());
    }

    #[test]
    fn unknown_names_and_wrong_values_are_told_by_name() {
        for (name, value) in [
            ("num.partition", "1"),
            ("num.partitions", "0"),
            ("num.partitions", "many"),
            ("listeners", "9092"),
            ("log.dirs", "a,b"),
            ("metrics.listener", "9404"),
            ("metrics.listener", ":9404"),
            ("auto.create.topics.enable", "yes"),
            ("log.retention.hours", "x"),
            ("default.replication.factor", "3"),
            ("max.connections.per.ip", "0"),
        ] {
            let error = BrokerConfig::from_properties([(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn the_finer_unit_of_retention_wins() {
        let config = BrokerConfig::from_properties([
            ("log.retention.hours", "1"),
            ("log.retention.ms", "5"),
            ("log.roll.hours", "2"),
        ])
        .unwrap();
        assert_eq!(config.topic_defaults["retention.ms"], "5");
        assert_eq!(config.topic_defaults["segment.ms"], "7200000");
    }

    #[test]
    fn every_topic_configuration_has_a_default_of_the_broker_and_no_other() {
        let mut of_topics: Vec<_> = BROKER_KEYS.iter().filter_map(|key| key.topic).collect();
        of_topics.sort_unstable();
        // As in Kafka, these are of a topic alone.
        let own = |name: &str| name.starts_with("remote.") || name.ends_with(".throttled.replicas");
        let names = crate::log::TOPIC_CONFIGS.iter().map(|row| row.name);
        assert_eq!(of_topics, names.filter(|name| !own(name)).collect::<Vec<_>>());
    }
}
