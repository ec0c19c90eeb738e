//! `/connector-plugins`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::extract::Parameters;
use super::{ApiError, Worker};
use crate::worker::herder::PluginInfo;

pub(super) fn routes() -> Router<Worker> {
    Router::new().route("/connector-plugins", get(list))
}

/// Sources, sinks and processors: all of them run as connectors, so
/// `connectorsOnly` changes nothing.
async fn list(
    State(herder): State<Worker>,
    parameters: Parameters,
) -> Result<Json<Vec<PluginInfo>>, ApiError> {
    parameters.flag("connectorsOnly")?;
    Ok(Json(herder.plugins()))
}
