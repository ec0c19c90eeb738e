//! The worker: membership, assignment and the internal topics.
//!
//! ```text
//! REST, run --> answers --> config topic --> config_state --> herd --> runner --> task
//!                                                  ^             ^
//!                             leader: plan.rs, assignment --> member
//! ```
//!
//! | module | what it is |
//! | --- | --- |
//! | [`config`] | a worker's settings |
//! | [`herder`] | what REST, the command line and `run` ask of a worker |
//! | [`start`] | a worker's start and orderly end |
//! | [`clients`] | the Kafka clients that it makes |
//! | [`kafka_clients`] | the same, of a real cluster |
//! | [`plugin`] | what it asks of plugins |
//! | [`options`] | the host's options of a connector; validation |
//! | [`guarantees`] | those of them that say how records are delivered |
//! | [`error_options`] | those that say what becomes of what fails |
//! | [`restarts`] | failed tasks are started again, with growing pauses |
//! | [`definitions`] | what options there are, and what is wrong with given ones |
//! | [`overrides`] | client properties that a connector may set |
//! | [`topics`] | the internal topics, created and checked |
//! | `claims` | whose the internal topics are |
//! | [`compacted`] | a compacted topic read, followed and written |
//! | [`records`] | keys and values of the internal topics |
//! | [`config_state`] | the config topic, folded |
//! | [`stores`] | checkpoints and states, as read from their topics |
//! | [`protocol`] | what workers tell each other through their group |
//! | [`assignment`] | who runs what, the leader's decision |
//! | [`resources`] | what REST and the command line ask of connections and pipelines |
//! | `connections`, `pipelines` | these, answered from the config topic |
//! | [`plugin_topic`] | the plugin topic, folded |
//! | `uploads` | plugins taken in, put together, installed |
//! | `core` | what all parts share |
//! | `privileges` | the leader's right to change what the fleet goes by |
//! | `member` | the worker in its group, and as its leader |
//! | `status_writer` | states on their way to the status topic |
//! | `told` | what the worker tells its group that it has |
//! | `returns` | whose tasks wait for a worker that was stopped in order |
//! | `fencing` | producers of lost owners, fenced before their work is given away |
//! | `generations` | a source's former tasks, fenced before its new ones start |
//! | `plan` | tasks planned; what there is to deal out |
//! | `planner` | when a connector is planned |
//! | `herd` | what runs, brought in line with what should |
//! | `keepers` | what is PAUSED, whose offsets are kept from going |
//! | `slot` | the place of one task: its run, what it is told, what it holds |
//! | `leader` | the leader's part: what there is to deal out, and sources' former tasks |
//! | `catch_up` | the offset topic, read to its end before a source starts |
//! | `dead_letters` | the topic of a connector's dead letters, made when it is missing |
//! | `reread` | single records, read once more |
//! | `runner` | one task, session after session |
//! | `waits` | what a running task waits for, as its status tells it |
//! | `panics` | a panic costs the work that it happened in |
//! | `lag` | how far connectors are behind |
//! | `metrics` | what Prometheus is told |
//! | [`active_topics`] | the topics that connectors use |
//! | `offsets` | a connector's offsets, read and changed from outside |
//! | [`session_key`] | the key that workers sign their requests to each other with |
//! | `inter_worker` | what workers ask of each other |
//! | `answers` | the herder |

pub mod active_topics;
pub mod assignment;
pub mod clients;
pub mod compacted;
pub mod config;
pub mod config_state;
pub mod definitions;
pub mod error_options;
pub mod guarantees;
pub mod herder;
pub mod kafka_clients;
mod keepers;
pub mod options;
pub mod overrides;
pub mod plugin;
pub mod plugin_topic;
mod privileges;
pub mod protocol;
pub mod records;
pub mod resources;
pub mod restarts;
pub mod session_key;
pub mod start;
pub mod stores;
pub mod topics;

mod answers;
mod catch_up;
mod claims;
mod connections;
mod core;
mod dead_letters;
mod fencing;
mod generations;
mod herd;
mod inter_worker;
mod lag;
mod leader;
mod member;
mod metrics;
mod offsets;
mod panics;
mod pipelines;
mod plan;
mod planner;
mod reread;
mod returns;
mod runner;
mod slot;
mod status_writer;
mod told;
mod uploads;
mod waits;

pub use start::{Worker, WorkerError};

#[cfg(test)]
mod tests;
