//! `NAME://host:port`, the form of listeners.

use std::fmt;

/// One listener: where to listen, or what to advertise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerConfig {
    /// The listener's name, in upper case by custom: `PLAINTEXT`.
    pub name: String,
    /// A host name or address without brackets; empty means all interfaces.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
}

impl ListenerConfig {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, address) = text.split_once("://")?;
        let (host, port) = address.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(valid) || host.contains(['/', '@', ' ']) {
            return None;
        }
        Some(Self { name: name.to_owned(), host: host.to_owned(), port: port.parse().ok()? })
    }
}

impl fmt::Display for ListenerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, host, port } = self;
        if host.contains(':') {
            write!(f, "{name}://[{host}]:{port}")
        } else {
            write!(f, "{name}://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_reads_back_as_it_prints() {
        for text in ["PLAINTEXT://127.0.0.1:9092", "A_B://[::1]:0", "X://:1"] {
            assert_eq!(ListenerConfig::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_listener_is_refused() {
        for text in ["", "://h:1", "A://h", "A://h:x", "A://h:70000", "A://u@h:1", "h:1"] {
            assert_eq!(ListenerConfig::parse(text), None, "{text}");
        }
    }
}
