//! File formats, done by the host: `lines` and `json-lines`.

pub use crate::bindings::describe::longshore::formats::formats::Decoded;
#[cfg(target_arch = "wasm32")]
pub use crate::bindings::describe::longshore::formats::formats::Writer;
#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::formats::Writer;
