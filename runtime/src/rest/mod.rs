//! The Kafka Connect REST API: Connect's own paths, bodies and codes, so that
//! the tools that speak to Connect speak to Longshore.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`settings`] | what the listeners are told |
//! | `server` | the listeners, their limits, their end |
//! | `tls` | a TLS listener |
//! | `authenticate`, `credentials` | who sends a request, and whether he may |
//! | `admins` | who may change what code the fleet runs |
//! | `cors` | other origins' web pages, `OPTIONS`, headers of every answer |
//! | `error` | Connect's error body, and which failure has which code |
//! | `extract` | bodies and queries read into types, else Connect's errors |
//! | `negotiate` | what a request may send and expect; slashes at the end |
//! | `forward` | what only the leader does, sent on to it |
//! | `routes`, `openapi` | routes, and the document that describes them |
//! | `internal` | what workers ask of each other, signed |
//! | `root` | `/`, `/health` |
//! | `connectors` | `/connectors`, `/connectors/{c}` |
//! | `config` | `/connectors/{c}/config` |
//! | `status` | `/connectors/{c}/status`, `restart`, `pause`, `resume`, `stop` |
//! | `tasks` | `/connectors/{c}/tasks` and below |
//! | `offsets` | `/connectors/{c}/offsets` |
//! | `topics` | `/connectors/{c}/topics` |
//! | `versioned` | `/connections`, `/pipelines` and below |
//! | `resources` | their versions and conditions |
//! | `plugin_uploads` | `/plugins` and below |
//! | `plugins` | `/connector-plugins` and below |
//! | `loggers` | `/admin/loggers` |
//!
//! Everything is asked of a [`crate::worker::herder::Herder`]; nothing is kept here.

mod admins;
mod authenticate;
mod config;
mod connectors;
mod cors;
mod credentials;
mod error;
mod extract;
mod forward;
mod internal;
mod loggers;
mod negotiate;
mod offsets;
mod openapi;
mod plugin_uploads;
mod plugins;
mod resources;
mod root;
mod routes;
mod server;
pub mod settings;
mod status;
mod tasks;
mod tls;
mod topics;
mod versioned;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

pub use credentials::CredentialsError;
pub use error::{ApiError, ErrorBody};
pub use server::{RestServer, ServeError};

use crate::worker::herder::Herder;
use admins::Door;
use settings::{AdminListeners, RestSettings};

/// What a request may cost.
pub mod limits {
    use std::time::Duration;

    /// Largest body, in bytes: a configuration is text written by hand.
    pub const BODY_BYTES_MAX: usize = 1024 * 1024;
    /// Longest time a request may take, as in Kafka Connect.
    pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(90);
    /// Longest time that a worker may take to say whether it works, as in Kafka Connect.
    pub const HEALTH_TIME_MAX: Duration = Duration::from_secs(10);
    /// How long requests may finish once the server stops.
    pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
}

/// What every handler is given.
type Worker = Arc<dyn Herder>;

/// The routes of REST's own listeners.
fn router(herder: Worker, settings: &RestSettings, door: Door) -> Router {
    let forwarder = forward::Forwarder::new(herder.clone(), settings);
    let routes = root::routes()
        .merge(connectors::routes())
        .merge(config::routes())
        .merge(status::routes())
        .merge(tasks::routes())
        .merge(offsets::routes())
        .merge(topics::routes())
        .merge(versioned::routes())
        .merge(plugins::routes())
        .merge(plugin_uploads::routes())
        .merge(internal::routes());
    let routes = match settings.admin {
        AdminListeners::Shared => routes.merge(loggers::routes()),
        AdminListeners::Disabled | AdminListeners::Own { .. } => routes,
    };
    openapi::described(routes)
        .router
        .route_layer(from_fn_with_state(forwarder, forward::to_leader))
        .route_layer(from_fn_with_state(door, admins::admitted))
        .route_layer(from_fn(negotiate::negotiated))
        .with_state(herder)
}

/// The routes of the admin listeners: `/admin`, and the fleet's plugins.
fn admin_router(herder: Worker, settings: &RestSettings, door: Door) -> Router {
    let forwarder = forward::Forwarder::new(herder.clone(), settings);
    loggers::routes()
        .merge(plugin_uploads::routes())
        .router
        .route_layer(from_fn_with_state(forwarder, forward::to_leader))
        .route_layer(from_fn_with_state(door, admins::admitted))
        .route_layer(from_fn(negotiate::negotiated))
        .with_state(herder)
}

#[cfg(test)]
mod tests;
