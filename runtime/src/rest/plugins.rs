//! `/connector-plugins` and below.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};

use super::extract::{Body, Parameters, Path, flat_options};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::definitions::{ConfigInfos, ConfigKeyInfo};
use crate::worker::herder::{ConnectorKind, HerderError, Object, PluginInfo};
use crate::worker::options::CLASS;

pub(super) fn routes() -> Routes {
    let listed = About::new("The plugins of this worker")
        .query("connectorsOnly", "false for all of them, processors as well")
        .answers::<Vec<PluginInfo>>(200);
    let options = About::new("The options of a plugin's connectors");
    let looked_at = About::new("What is right and wrong with each option of a configuration")
        .takes::<Object>()
        .answers::<ConfigInfos>(200);
    let path = "/connector-plugins/{plugin}/config";
    Routes::default()
        .on(Method::GET, "/connector-plugins", list, listed)
        .on(Method::GET, path, config, options.answers::<Vec<ConfigKeyInfo>>(200))
        .on(Method::PUT, "/connector-plugins/{plugin}/config/validate", validate, looked_at)
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
