//! Compaction: keeps the latest value of every key. `DESIGN.md`, section 11.

pub(super) mod swap;
