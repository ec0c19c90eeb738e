//! `base/host`.

use crate::host::Level;
use crate::testkit::{LogLine, with_world};

pub(crate) fn log(level: Level, message: &str, fields: &[(String, String)]) {
    let line = LogLine { level, message: message.to_owned(), fields: fields.to_vec() };
    with_world(|world| world.log.push(line));
}

pub(crate) fn count(metric: &str, add: u64) {
    with_world(|world| *world.counters.entry(metric.to_owned()).or_default() += add);
}

pub(crate) fn gauge(metric: &str, value: f64) {
    with_world(|world| world.gauges.insert(metric.to_owned(), value));
}

pub(crate) fn observe(metric: &str, value: f64) {
    with_world(|world| world.observed.entry(metric.to_owned()).or_default().push(value));
}

pub(crate) fn stopping() -> bool {
    with_world(|world| world.stopping)
}

pub(crate) fn now_ms() -> i64 {
    with_world(|world| world.now_ms)
}

/// SplitMix64: the same numbers in each run.
pub(crate) fn random() -> u64 {
    with_world(|world| {
        world.random = world.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = world.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
