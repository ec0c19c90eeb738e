//! Hostile guests: each is stopped, says why, and harms nobody else.
//!
//! The components are those of `plugins/evil`. When they are not built, the
//! tests say with which command they are.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod crossing;
mod house;
mod imports;
mod mutation;
mod processors;
mod sinks;
mod sources;
mod values;
