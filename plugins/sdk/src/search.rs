//! Search engines, asked by the host's driver.
//!
//! [`Cluster`] is a granted connection: operations on documents go out many at once, with
//! its credentials, which no plugin sees.

use crate::Fault;

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::describe::longshore::search::index::Cluster;
pub use crate::bindings::describe::longshore::search::index::{
    Action, Failure, Operation, Outcome,
};
#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::search::Cluster;

/// What one call may have in operations; more trap.
pub const OPERATIONS_OF_A_CALL_MAX: usize = 10_000;

impl Failure {
    /// As the fault of a whole call; `None` for an operation that is refused for itself.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Retry(retry) => Some(Fault::Retry(retry.clone())),
            Self::Config(why) => Some(Fault::Config(why.clone())),
            Self::Fatal(why) => Some(Fault::Fatal(why.clone())),
            Self::Reject(_) => None,
        }
    }
}
