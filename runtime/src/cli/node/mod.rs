//! A node: what its file says, and the roles that run in its process.
//!
//! | module | what it is |
//! | --- | --- |
//! | `keys` | the properties, their defaults, the JSON Schema |
//! | `config` | the file read into types, every mistake told |
//! | `running` | the roles started, watched and stopped |

mod config;
mod keys;
mod running;

pub use config::{NodeConfig, NodeConfigError, Role, WorkerSettings};
pub use keys::{schema, table};
pub use running::{NodeError, RunningNode};
