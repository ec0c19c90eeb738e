//! The worker: membership, assignment and the internal topics.

pub mod herder;
