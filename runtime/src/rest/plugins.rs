//! `/connector-plugins` and below.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};

use super::extract::{Body, Parameters, Path, flat_options};
use super::{ApiError, Worker};
use crate::worker::definitions::{ConfigInfos, ConfigKeyInfo};
use crate::worker::herder::{ConnectorKind, HerderError, Object, PluginInfo};
use crate::worker::options::CLASS;

pub(super) fn routes() -> Router<Worker> {
    Router::new()
        .route("/connector-plugins", get(list))
        .route("/connector-plugins/{plugin}/config", get(config))
        .route("/connector-plugins/{plugin}/config/validate", put(validate))
}

/// Sources and sinks, which are what Connect's tools know; with
/// `connectorsOnly=false` processors as well.
async fn list(State(herder): State<Worker>, parameters: Parameters) -> Json<Vec<PluginInfo>> {
    let connectors_only = parameters.flag("connectorsOnly", true);
    let mut plugins = herder.plugins();
    plugins.retain(|plugin| !connectors_only || plugin.kind != ConnectorKind::Processor);
    Json(plugins)
}

async fn config(
    State(herder): State<Worker>,
    Path(plugin): Path<String>,
) -> Result<Json<Vec<ConfigKeyInfo>>, ApiError> {
    Ok(Json(herder.plugin_config(&plugin)?))
}

async fn validate(
    State(herder): State<Worker>,
    Path(plugin): Path<String>,
    Body(config): Body<Object>,
) -> Result<Json<ConfigInfos>, ApiError> {
    let config = flat_options(config)?;
    if let Some(Some(class)) = config.get(CLASS)
        && *class != plugin
    {
        return Err(ApiError::bad_request(format!(
            "Included connector type {class} does not match request type {plugin}"
        )));
    }
    // Kafka Connect wraps what is wrong with the class itself.
    let wrapped = |error| match error {
        HerderError::BadRequest(why) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, why),
        other => other.into(),
    };
    herder.validate(config).await.map(Json).map_err(wrapped)
}
