//! Bounds on connections that a listener or an address can have of its own.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, ToSocketAddrs},
};

use super::{ConfigError, security::Scoped};

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

/// Reads `max.connections.per.ip.overrides`, `HOST:NUMBER,...`; a host's name
/// stands for all of its addresses.
pub(super) fn overrides(text: &str) -> Option<HashMap<IpAddr, usize>> {
    let mut overrides = HashMap::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (host, max) = entry.rsplit_once(':')?;
        let max: usize = max.trim().parse().ok()?;
        let host = host.trim();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
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
}
