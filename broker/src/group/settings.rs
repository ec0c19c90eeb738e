//! What the configuration says about groups.

use std::time::Duration;

use super::{
    consumer::{Assignor, ConsumerBounds},
    state::Bounds,
};
use crate::config::{BrokerConfig, ConsumerTimeouts};

/// Bounds and times, the same for every group unless its own configuration says more.
#[derive(Debug, Clone)]
pub(crate) struct GroupSettings {
    pub(super) bounds: Bounds,
    pub(super) consumer: ConsumerBounds,
    /// What groups of the consumer protocol may set for themselves.
    pub(super) timeouts: ConsumerTimeouts,
    pub(super) retention_ms: i64,
    pub(super) retention_check: Duration,
}

impl GroupSettings {
    pub(crate) fn from_config(config: &BrokerConfig) -> Self {
        let milliseconds = |duration: Duration| duration.as_millis() as u64;
        let timeouts = config.consumer_timeouts;
        Self {
            timeouts,
            bounds: Bounds {
                initial_rebalance_delay_ms: milliseconds(config.group_initial_rebalance_delay),
                members_max: config.group_size_max,
            },
            consumer: ConsumerBounds {
                session_timeout_ms: timeouts.session.default_ms.unsigned_abs().into(),
                heartbeat_interval_ms: timeouts.heartbeat.default_ms,
                members_max: config.consumer_group_size_max,
                assignors: config
                    .consumer_assignors
                    .iter()
                    .filter_map(|name| Assignor::named(name))
                    .collect(),
            },
            retention_ms: milliseconds(config.offsets_retention) as i64,
            retention_check: config.offsets_retention_check,
        }
    }
}
