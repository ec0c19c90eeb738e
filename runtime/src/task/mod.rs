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
//! | [`failures`] | what becomes of records that cannot be used |
//! | [`backoff`] | pauses between sessions, and when to give up |
//! | [`calls`] | whether a call that failed has been answered since |
//! | [`plugin`] | what the loops ask of a plugin's instance |
//! | [`inflight`] | one batch unacknowledged at a time: sources and processors |
//! | [`delivery`] | how a batch becomes durable: in a transaction, or in order |
//! | [`source`] | poll, produce, save the checkpoint |
//! | [`unsealed`] | what polls of a source brought that waits for their seal |
//! | [`marks`] | how far a sink's partition is durable |
//! | [`schedule`] | what a sink does next |
//! | [`waiting`] | a sink's partitions that wait for their system |
//! | [`sink`] | put, wait for marks, commit |
//! | [`processor`] | process, produce outputs and state, commit |
//! | [`numbers`] | a processor's task: a session for each partition number |
//! | [`transforms`] | transforms between a topic and a plugin |
//! | [`start`] | where reading a partition starts |
//! | [`commits`] | offsets committed on behalf of the fleet |
//! | [`topics`] | the topics that a plugin may write to |
//! | [`writes`] | writing only while the worker's lease holds |
//! | [`counters`] | what progress lines and metrics show |
//! | [`meter`] | how often, how long, how much: lately and in all |

pub mod backoff;
pub mod calls;
pub mod commits;
pub mod counters;
pub mod delivery;
pub mod error;
pub mod failures;
pub mod inflight;
pub mod marks;
pub mod meter;
pub mod numbers;
pub mod plugin;
pub mod processor;
pub mod schedule;
pub mod sink;
pub mod source;
pub mod start;
pub mod topics;
pub mod transforms;
mod unsealed;
pub mod waiting;
pub mod writes;
