//! What a task does: one loop for each kind of plugin.
//!
//! The decisions (what may be sent, saved, committed, and when) are plain
//! state machines without clock or I/O; the loops around them only carry out
//! what they answer. One run of a loop with one plugin instance is a session;
//! [`backoff`] decides whether and when another one follows it.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`error`] | why a session ended, and what may help |
//! | [`backoff`] | pauses between sessions, and when to give up |
//! | [`plugin`] | what the loops ask of a plugin's instance |
//! | [`inflight`] | one batch unacknowledged at a time: sources and processors |
//! | [`delivery`] | how a batch becomes durable: in a transaction, or in order |
//! | [`source`] | poll, produce, save the checkpoint |
//! | [`marks`] | how far a sink's partition is durable |
//! | [`schedule`] | what a sink does next |
//! | [`sink`] | put, wait for marks, commit |
//! | [`processor`] | process, produce outputs and state, commit |
//! | [`numbers`] | a processor's task: a session for each partition number |
//! | [`start`] | where reading a partition starts |
//! | [`commits`] | offsets committed on behalf of the fleet |
//! | [`topics`] | the topics that a plugin may write to |
//! | [`writes`] | writing only while the worker's lease holds |
//! | [`counters`] | what progress lines show |

pub mod backoff;
pub mod commits;
pub mod counters;
pub mod delivery;
pub mod error;
pub mod inflight;
pub mod marks;
pub mod numbers;
pub mod plugin;
pub mod processor;
pub mod schedule;
pub mod sink;
pub mod source;
pub mod start;
pub mod topics;
pub mod writes;

use counters::Counters;
use error::TaskError;
use plugin::Reject;

use crate::kafka::TopicPartition;

/// Skips records that a plugin refused, if the configuration says so.
fn tolerate_rejects(
    label: &str,
    tolerant: bool,
    counters: &Counters,
    partition: &TopicPartition,
    rejects: &[Reject],
) -> Result<(), TaskError> {
    let Some(first) = rejects.first() else { return Ok(()) };
    if !tolerant {
        return Err(TaskError::stop(format!(
            "{} records of {partition} were refused, the first: {} ({}); set \
             `errors.tolerance=all` to skip such, or mend the records",
            rejects.len(),
            first.message,
            first.code
        )));
    }
    counters.skip(rejects.len() as u64);
    tracing::warn!(
        task = label,
        %partition,
        skipped = rejects.len(),
        code = first.code,
        "skipped: {}",
        first.message
    );
    Ok(())
}
