//! A node: what its file says, and the roles that run in its process.
//!
//! | module | what it is |
//! | --- | --- |
//! | `keys` | the properties, their defaults, the JSON Schema |
//! | `config` | the file read into types, every mistake told |
//! | `reader` | its properties, one by one, with the place of each mistake |
//! | `worker` | what of it concerns the worker |
//! | `rest` | what of it concerns requests: REST listeners, workers among each other |
//! | `running` | the roles started, watched and stopped |

mod config;
mod keys;
mod reader;
mod rest;
mod running;
mod worker;

pub use config::{NodeConfig, NodeConfigError, Role};
pub use keys::{schema, table};
pub use running::{NodeError, RunningNode};
pub use worker::WorkerSettings;
