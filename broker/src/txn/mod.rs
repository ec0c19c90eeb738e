//! Transactions across partitions.
//!
//! ```text
//! gate.rs   what partitions ask the coordinator before a transaction begins in them
//! ```

#[allow(dead_code, reason = "the coordinator answers what partitions ask here")]
pub(crate) mod gate;
