//! Timeouts of groups of the consumer protocol (KIP-848): what they have, and what
//! one may set for itself.

use std::collections::BTreeMap;

use super::{ConfigError, Reader};

/// A timeout in milliseconds, and the bounds of what a group may set for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundedTimeout {
    /// What groups have that set nothing.
    pub default_ms: i32,
    /// The shortest.
    pub min_ms: i32,
    /// The longest.
    pub max_ms: i32,
}

impl BoundedTimeout {
    /// What a group has that has set this: bounds may have changed since.
    pub(crate) fn of(self, set_ms: Option<i32>) -> i32 {
        set_ms.map_or(self.default_ms, |ms| ms.clamp(self.min_ms, self.max_ms))
    }
}

/// The timeouts of groups of the consumer protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerTimeouts {
    /// `group.consumer.session.timeout.ms`.
    pub session: BoundedTimeout,
    /// `group.consumer.heartbeat.interval.ms`, less than the session.
    pub heartbeat: BoundedTimeout,
}

impl ConsumerTimeouts {
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, ConfigError> {
        let timeout = |[name, min, max]: [&'static str; 3]| {
            let timeout = BoundedTimeout {
                default_ms: read.milliseconds(name)?,
                min_ms: read.milliseconds(min)?,
                max_ms: read.milliseconds(max)?,
            };
            if timeout.min_ms > timeout.max_ms {
                return Err(read.invalid(min, "no more than the property for the longest"));
            }
            if timeout.of(Some(timeout.default_ms)) != timeout.default_ms {
                return Err(read.invalid(name, "a time within group.consumer.min.… and …max.…"));
            }
            Ok(timeout)
        };
        let session = timeout([
            "group.consumer.session.timeout.ms",
            "group.consumer.min.session.timeout.ms",
            "group.consumer.max.session.timeout.ms",
        ])?;
        let heartbeat = timeout([
            "group.consumer.heartbeat.interval.ms",
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.max.heartbeat.interval.ms",
        ])?;
        if heartbeat.default_ms >= session.default_ms {
            let expected = "less than group.consumer.session.timeout.ms";
            return Err(read.invalid("group.consumer.heartbeat.interval.ms", expected));
        }
        Ok(Self { session, heartbeat })
    }

    /// A group's session timeout and heartbeat interval in milliseconds, of what was set
    /// for it. The interval is the shorter one also where bounds that came later would
    /// cross the two.
    pub(crate) fn of_group(
        &self,
        session_ms: Option<i32>,
        heartbeat_ms: Option<i32>,
    ) -> (i32, i32) {
        let session_ms = self.session.of(session_ms);
        (session_ms, self.heartbeat.of(heartbeat_ms).min(session_ms - 1).max(1))
    }
}

/// How long a member may be silent before it is removed.
pub(crate) const GROUP_SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";
/// How often members are told to send heartbeats.
pub(crate) const GROUP_HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";

/// Checks all that is set for a group (Kafka's `GroupConfig`).
pub(crate) fn check_group_configs(
    configs: &BTreeMap<String, String>,
    timeouts: &ConsumerTimeouts,
) -> Result<(), String> {
    let (mut session_ms, mut heartbeat_ms) =
        (timeouts.session.default_ms, timeouts.heartbeat.default_ms);
    for (name, value) in configs {
        let (set, bounds) = match name.as_str() {
            GROUP_SESSION_TIMEOUT => (&mut session_ms, timeouts.session),
            GROUP_HEARTBEAT_INTERVAL => (&mut heartbeat_ms, timeouts.heartbeat),
            _ => return Err(format!("unknown group configuration `{name}`")),
        };
        let BoundedTimeout { min_ms, max_ms, .. } = bounds;
        *set = value.parse().ok().filter(|ms| (min_ms..=max_ms).contains(ms)).ok_or_else(|| {
            format!(
                "`{name}` cannot be `{value}`: expected milliseconds from {min_ms} to {max_ms}, \
                 the bounds in the broker's properties `group.consumer.*`"
            )
        })?;
    }
    match heartbeat_ms < session_ms {
        true => Ok(()),
        false => Err(format!(
            "`{GROUP_HEARTBEAT_INTERVAL}` ({heartbeat_ms}) must be less than \
             `{GROUP_SESSION_TIMEOUT}` ({session_ms})"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;

    #[test]
    fn a_group_sets_its_timeouts_within_the_brokers_bounds() {
        let timeouts = BrokerConfig::from_properties::<&str, &str>([]).unwrap().consumer_timeouts;
        let check = |set: &[(&str, &str)]| {
            let configs = set.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            check_group_configs(&configs.collect(), &timeouts)
        };
        check(&[(GROUP_SESSION_TIMEOUT, "60000"), (GROUP_HEARTBEAT_INTERVAL, "15000")]).unwrap();
        for (name, value) in [
            (GROUP_SESSION_TIMEOUT, "44999"),
            (GROUP_SESSION_TIMEOUT, "60001"),
            (GROUP_SESSION_TIMEOUT, "-1"),
            (GROUP_HEARTBEAT_INTERVAL, "4999"),
            (GROUP_HEARTBEAT_INTERVAL, "15001"),
            (GROUP_HEARTBEAT_INTERVAL, "often"),
            ("no.such.name", "1"),
        ] {
            let error = check(&[(name, value)]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        assert_eq!(timeouts.session.of(Some(1)), 45_000, "bounds hold for what was set before");
        assert_eq!(timeouts.session.of(Some(i32::MAX)), 60_000);
    }

    #[test]
    fn a_heartbeat_is_sent_within_the_session_also_under_bounds_that_came_later() {
        let later = [
            ("group.consumer.session.timeout.ms", "10000"),
            ("group.consumer.min.session.timeout.ms", "10000"),
            ("group.consumer.max.session.timeout.ms", "10000"),
        ];
        let timeouts = BrokerConfig::from_properties(later).unwrap().consumer_timeouts;
        assert_eq!(timeouts.of_group(Some(45_000), Some(15_000)), (10_000, 9_999));
        assert_eq!(timeouts.of_group(None, None), (10_000, 5000));
    }

    #[test]
    fn a_heartbeat_is_sent_within_the_session() {
        let loose = [
            ("group.consumer.min.session.timeout.ms", "1"),
            ("group.consumer.min.heartbeat.interval.ms", "1"),
        ];
        let timeouts = BrokerConfig::from_properties(loose).unwrap().consumer_timeouts;
        let short = BTreeMap::from([(GROUP_SESSION_TIMEOUT.to_owned(), "5000".to_owned())]);
        assert!(check_group_configs(&short, &timeouts).unwrap_err().contains("less than"));
        for (name, value) in [
            ("group.consumer.session.timeout.ms", "1000"),
            ("group.consumer.min.session.timeout.ms", "60001"),
            ("group.consumer.heartbeat.interval.ms", "20000"),
        ] {
            let error = BrokerConfig::from_properties([(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let slower = [loose[0], loose[1], ("group.consumer.session.timeout.ms", "5000")];
        assert!(BrokerConfig::from_properties(slower).is_err());
    }
}
