//! Builds guest crates into WASM components
fn main() {}
