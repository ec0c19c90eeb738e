//! The worker: membership, assignment and the internal topics.
//!
//! `Worker::start(WorkerConfig, PluginHost's plugins, Connections)` joins the
//! fleet and answers through a [`herder::Herder`].

pub mod config;
pub mod herder;
