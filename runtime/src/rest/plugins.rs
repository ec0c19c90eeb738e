//! `/connector-plugins`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::extract::Parameters;
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorKind, PluginInfo};

pub(super) fn routes() -> Router<Worker> {
    Router::new().route("/connector-plugins", get(list)).route("/connector-plugins/", get(list))
}

/// Sources and sinks, which are what Connect's tools know; with
/// `connectorsOnly=false` processors as well.
async fn list(
    State(herder): State<Worker>,
    parameters: Parameters,
) -> Result<Json<Vec<PluginInfo>>, ApiError> {
    let connectors_only = parameters.flag("connectorsOnly", true)?;
    let mut plugins = herder.plugins();
    plugins.retain(|plugin| !connectors_only || plugin.kind != ConnectorKind::Processor);
    Ok(Json(plugins))
}
