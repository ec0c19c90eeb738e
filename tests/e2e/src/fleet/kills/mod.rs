//! Schedules of kills: a word count by a fleet, files → topic → processors → file
//! sink, while workers and broker are killed, frozen, stopped and joined; and a
//! judge of what came of it.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`plan`] | what is done to whom, drawn from a seed |
//! | [`feed`] | rows that never stop coming |
//! | [`count`] | the word count: its broker, its fleet, its connectors, how far each of its stages is |
//! | [`evidence`] | all that there is in the end: rows, records, files, offsets |
//! | [`verdict`] | [`check`](verdict::check): what in that exactly-once forbids |
//! | [`schedule`] | one schedule from its start to the verdict |

pub mod count;
pub mod evidence;
pub mod feed;
pub mod plan;
pub mod schedule;
pub mod verdict;

#[cfg(test)]
mod verdict_tests;

/// Partitions of each topic.
pub const PARTITIONS: i32 = 3;
