//! The binary `longshore`.
fn main() {}
