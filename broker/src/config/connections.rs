//! Bounds on connections that a listener or an address can have of its own.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, ToSocketAddrs},
};

use super::{
    BrokerConfig, ConfigError,
    dynamic::{
        MAX_CONNECTION_CREATION_RATE, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_IP,
        MAX_CONNECTIONS_PER_IP_OVERRIDES,
    },
    security::Scoped,
};

/// Behind `listener.name.NAME.`: bounds beside those of the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenerLimits {
    /// `max.connections`.
    pub connections_max: Option<usize>,
    /// `max.connection.creation.rate`, connections a second.
    pub connection_rate_max: Option<u32>,
}

impl ListenerLimits {
    pub(super) fn read(
        given: &BTreeMap<String, String>,
        listener: &str,
    ) -> Result<Self, ConfigError> {
        let scoped = Scoped::new(given, listener);
        let number = |name: &str| {
            let Some(text) = scoped.own(name) else { return Ok(None) };
            let number = text.parse::<u32>().ok().filter(|number| *number > 0);
            number.map(Some).ok_or_else(|| scoped.invalid(name, "a whole number from 1"))
        };
        Ok(Self {
            connections_max: number("max.connections")?.map(|max| max as usize),
            connection_rate_max: number("max.connection.creation.rate")?,
        })
    }
}

/// The bounds on connections that are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectionBounds {
    /// `max.connections`.
    pub(crate) all: usize,
    /// `max.connections.per.ip`.
    pub(crate) per_address: usize,
    /// `max.connections.per.ip.overrides`.
    pub(crate) overrides: HashMap<IpAddr, usize>,
    /// `max.connection.creation.rate`, connections a second; `None` is no bound.
    pub(crate) rate: Option<u32>,
}

impl ConnectionBounds {
    /// Those that the broker was started with.
    pub(crate) fn at_start(config: &BrokerConfig) -> Self {
        Self {
            all: config.connections_max,
            per_address: config.connections_per_address_max,
            overrides: config.connections_per_address_overrides.clone(),
            rate: config.connection_rate_max,
        }
    }

    /// With what was set while the broker runs.
    ///
    /// # Errors
    /// Which value is wrong.
    pub(crate) fn with(
        mut self,
        configs: &BTreeMap<String, String>,
    ) -> Result<Self, DynamicConnectionError> {
        for (name, value) in configs {
            let invalid = |expected| DynamicConnectionError {
                name: name.clone(),
                value: value.clone(),
                expected,
            };
            let at_least = |min: u32| {
                let number = value.parse::<u32>().ok().filter(|number| *number >= min);
                number.filter(|number| *number <= i32::MAX.unsigned_abs())
            };
            match name.as_str() {
                MAX_CONNECTIONS => {
                    let max = at_least(1).ok_or_else(|| invalid("a whole number from 1"))?;
                    self.all = max as usize;
                }
                MAX_CONNECTIONS_PER_IP => {
                    let max = at_least(0).ok_or_else(|| invalid("a whole number from 0"))?;
                    self.per_address = max as usize;
                }
                MAX_CONNECTIONS_PER_IP_OVERRIDES => {
                    self.overrides = addresses(value).ok_or_else(|| {
                        invalid("ADDRESS:NUMBER, with commas (names only in its properties)")
                    })?;
                }
                MAX_CONNECTION_CREATION_RATE => {
                    let max = at_least(1).ok_or_else(|| invalid("a whole number from 1"))?;
                    self.rate = Some(max).filter(|max| *max < i32::MAX.unsigned_abs());
                }
                _ => {}
            }
        }
        Ok(self)
    }

    /// That someone is let in, who could set other bounds.
    pub(crate) fn check(self) -> Result<Self, DynamicConnectionError> {
        match lets_someone_in(self.per_address, &self.overrides) {
            true => Ok(self),
            false => Err(DynamicConnectionError {
                name: MAX_CONNECTIONS_PER_IP.to_owned(),
                value: self.per_address.to_string(),
                expected: NOBODY,
            }),
        }
    }

    /// How many connections this address may have.
    pub(crate) fn of_address(&self, address: IpAddr) -> usize {
        self.overrides.get(&address.to_canonical()).copied().unwrap_or(self.per_address)
    }
}

/// Why bounds on connections cannot be set so while the broker runs.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` cannot be `{value}`: expected {expected}")]
pub(crate) struct DynamicConnectionError {
    name: String,
    value: String,
    expected: &'static str,
}

/// What is expected instead of a bound that nobody could take back.
pub(super) const NOBODY: &str =
    "a whole number from 1, or 0 with max.connections.per.ip.overrides that let someone in";

/// Whether any address may have a connection (Kafka's `KafkaConfig` asks the same).
pub(super) fn lets_someone_in(per_address: usize, overrides: &HashMap<IpAddr, usize>) -> bool {
    per_address > 0 || overrides.values().any(|max| *max > 0)
}

/// Reads overrides that name addresses alone, so that nothing is asked of a name server.
fn addresses(text: &str) -> Option<HashMap<IpAddr, usize>> {
    let is_name = |entry: &str| {
        let host = entry.rsplit_once(':').map_or(entry, |(host, _)| host).trim();
        bare(host).parse::<IpAddr>().is_err()
    };
    let mut entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    if entries.any(is_name) { None } else { overrides(text) }
}

/// An address without the brackets of IPv6.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Reads `max.connections.per.ip.overrides`, `HOST:NUMBER,...`; a host's name
/// stands for all of its addresses.
pub(super) fn overrides(text: &str) -> Option<HashMap<IpAddr, usize>> {
    let mut overrides = HashMap::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (host, max) = entry.rsplit_once(':')?;
        let max: usize = max.trim().parse().ok()?;
        let host = bare(host.trim());
        match host.parse::<IpAddr>() {
            Ok(address) => {
                overrides.insert(address.to_canonical(), max);
            }
            Err(_) => overrides.extend(
                (host, 0).to_socket_addrs().ok()?.map(|found| (found.ip().to_canonical(), max)),
            ),
        }
    }
    Some(overrides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_name_addresses_of_both_kinds_and_hosts() {
        let read = overrides("10.0.0.1:5, [::1]:6,::ffff:10.0.0.2:7,").unwrap();
        for (address, max) in [("10.0.0.1", 5), ("::1", 6), ("10.0.0.2", 7)] {
            assert_eq!(read[&address.parse::<IpAddr>().unwrap()], max);
        }
        assert_eq!(overrides("localhost:3").unwrap()[&"127.0.0.1".parse::<IpAddr>().unwrap()], 3);
        for wrong in ["10.0.0.1", "10.0.0.1:", "10.0.0.1:-1", "10.0.0.1:x", ":5:"] {
            assert_eq!(overrides(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bounds_that_are_set_live_hold_over_those_of_the_start_and_lock_nobody_out() {
        let start = BrokerConfig::from_properties([(MAX_CONNECTIONS_PER_IP, "7")]).unwrap();
        let with = |set: &[(&str, &str)]| {
            let configs = set.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            ConnectionBounds::at_start(&start).with(&configs.collect())?.check()
        };
        let bounds = with(&[
            (MAX_CONNECTIONS, "9"),
            (MAX_CONNECTIONS_PER_IP_OVERRIDES, "[::1]:6,10.0.0.1:0"),
            (MAX_CONNECTION_CREATION_RATE, "5"),
        ])
        .unwrap();
        assert_eq!((bounds.all, bounds.per_address, bounds.rate), (9, 7, Some(5)));
        let of = |address: &str| bounds.of_address(address.parse().unwrap());
        assert_eq!([of("::1"), of("::ffff:10.0.0.1"), of("10.0.0.2")], [6, 0, 7]);
        assert_eq!(with(&[(MAX_CONNECTION_CREATION_RATE, "2147483647")]).unwrap().rate, None);
        for wrong in [
            (MAX_CONNECTIONS, "0"),
            (MAX_CONNECTIONS, "-1"),
            (MAX_CONNECTIONS_PER_IP, "0"),
            (MAX_CONNECTIONS_PER_IP, "2147483648"),
            (MAX_CONNECTIONS_PER_IP_OVERRIDES, "localhost:5"),
            (MAX_CONNECTIONS_PER_IP_OVERRIDES, "10.0.0.1"),
            (MAX_CONNECTION_CREATION_RATE, "0"),
        ] {
            assert!(with(&[wrong]).unwrap_err().to_string().contains(wrong.0), "{wrong:?}");
        }
        let overrides =
            |text| [(MAX_CONNECTIONS_PER_IP, "0"), (MAX_CONNECTIONS_PER_IP_OVERRIDES, text)];
        assert!(with(&overrides("10.0.0.1:0")).is_err());
        assert!(with(&overrides("10.0.0.1:1")).is_ok());
    }
}
