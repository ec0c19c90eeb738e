//! Schedules of kills: producers of every kind write to a broker, readers read,
//! both are killed, and the history is judged.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`worker`] | a process that is one producer: its start, its end |
//! | `sender` | librdkafka's producer, its deliveries noted |
//! | `blind`, `transform`, `zombie`, `plain` | the kinds of producers |
//! | [`reader`] | `read_committed` readers, and the groups' offsets |
//! | [`plan`] | what is done to whom, drawn from a seed |
//! | [`producers`] | the producers' processes, their lives and their notes |
//! | [`schedule`] | one schedule from its start to the verdict |

mod blind;
mod plain;
pub mod plan;
pub mod producers;
pub mod reader;
pub mod schedule;
mod sender;
mod transform;
pub mod worker;
mod zombie;

use crate::history::Place;

/// A topic of the schedules.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// Its partitions.
    pub partitions: i32,
    /// Its own settings.
    pub settings: &'static [(&'static str, &'static str)],
}

/// Segments that roll within seconds.
const SMALL: (&str, &str) = ("segment.bytes", "40000");
const DENSE: (&str, &str) = ("index.interval.bytes", "1024");

/// What transactions write to.
pub const WIDE: Topic = Topic { name: "wide", partitions: 3, settings: &[SMALL, DENSE] };
/// Compacted; each key is there once, so that only what was aborted goes.
pub const KEYED: Topic = Topic {
    name: "keyed",
    partitions: 2,
    settings: &[
        SMALL,
        DENSE,
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "500"),
    ],
};
/// Retention takes away what transactions wrote, open ones too.
pub const EXPIRING: Topic = Topic {
    name: "expiring",
    partitions: 1,
    settings: &[("segment.bytes", "15000"), ("retention.bytes", "20000")],
};
/// Written by the plain producers, consumed by the transforming ones.
pub const INPUT: Topic = Topic { name: "input", partitions: 2, settings: &[SMALL, DENSE] };
/// A record for each record of the input.
pub const OUTPUT: Topic = Topic { name: "output", partitions: 2, settings: &[SMALL, DENSE] };

/// All topics.
pub const TOPICS: [Topic; 5] = [WIDE, KEYED, EXPIRING, INPUT, OUTPUT];

/// All partitions of some topics.
pub fn places(topics: &[Topic]) -> Vec<Place> {
    let places = |topic: &Topic| {
        let name = topic.name;
        (0..topic.partitions).map(move |partition| Place::new(name, partition))
    };
    topics.iter().flat_map(places).collect()
}
