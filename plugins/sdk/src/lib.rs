//! The Rust guest SDK
