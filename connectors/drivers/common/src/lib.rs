//! What drivers share, whatever they speak to.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`access`] | what a task was granted on a connection, and whether it still has it |
//! | [`secret`] | settings that are not shown |

pub mod access;
pub mod secret;

pub use access::{Access, Denied, MayWrite};
pub use secret::Secret;
