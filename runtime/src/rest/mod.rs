//! The Kafka Connect REST API: Connect's own paths, bodies and codes, so that
//! the tools that speak to Connect speak to Longshore.
//!
//! | module | what it is |
//! | --- | --- |
//! | `server` | the listener, its limits, its end |
//! | `error` | Connect's error body, and which failure has which code |
//! | `extract` | bodies and queries read into types, else Connect's errors |
//! | `negotiate` | what a request may send and expect; slashes at the end |
//! | `forward` | what only the leader does, sent on to it |
//! | `root` | `/`, `/health` |
//! | `connectors` | `/connectors`, `/connectors/{c}` |
//! | `config` | `/connectors/{c}/config` |
//! | `status` | `/connectors/{c}/status`, `restart`, `pause`, `resume`, `stop` |
//! | `tasks` | `/connectors/{c}/tasks` and below |
//! | `offsets` | `/connectors/{c}/offsets` |
//! | `topics` | `/connectors/{c}/topics` |
//! | `plugins` | `/connector-plugins` and below |
//! | `loggers` | `/admin/loggers` |
//!
//! Everything is asked of a [`crate::worker::herder::Herder`]; nothing is kept here.

mod config;
mod connectors;
mod error;
mod extract;
mod forward;
mod loggers;
mod negotiate;
mod offsets;
mod plugins;
mod root;
mod server;
mod status;
mod tasks;
mod topics;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

pub use error::{ApiError, ErrorBody};
pub use server::{RestServer, ServeError};

use crate::worker::herder::Herder;

/// What a request may cost.
pub mod limits {
    use std::time::Duration;

    /// Largest body, in bytes: a configuration is text written by hand.
    pub const BODY_BYTES_MAX: usize = 1024 * 1024;
    /// Longest time a request may take, as in Kafka Connect.
    pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(90);
    /// How long requests may finish once the server stops.
    pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
}

/// What every handler is given.
type Worker = Arc<dyn Herder>;

/// All routes.
fn router(herder: Worker) -> Router {
    let forwarder = forward::Forwarder::new(herder.clone());
    Router::new()
        .merge(root::routes())
        .merge(connectors::routes())
        .merge(config::routes())
        .merge(status::routes())
        .merge(tasks::routes())
        .merge(offsets::routes())
        .merge(topics::routes())
        .merge(plugins::routes())
        .merge(loggers::routes())
        .route_layer(from_fn_with_state(forwarder, forward::to_leader))
        .route_layer(from_fn(negotiate::negotiated))
        .with_state(herder)
}

#[cfg(test)]
mod tests;
