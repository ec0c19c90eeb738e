//! The Rust guest SDK
pub mod bindings;
#[doc(hidden)]
pub use wit_bindgen;
extern crate self as longshore_sdk;
