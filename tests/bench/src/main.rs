//! Measurements, printed as ratios of one run
fn main() {}
