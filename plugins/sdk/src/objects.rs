//! Object stores, done by the host's drivers.
//!
//! [`Bucket`] is a granted connection, [`Blob`] one version of an object pinned
//! for reading, [`Upload`] an object that is invisible until it is finished.

pub use crate::bindings::describe::longshore::object_store::store::Object;
#[cfg(target_arch = "wasm32")]
pub use crate::bindings::describe::longshore::object_store::store::{Blob, Bucket, Scan, Upload};
#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::objects::{Blob, Bucket, Scan, Upload};
