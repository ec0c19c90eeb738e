//! `/connector-plugins` and below.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::extract::{Body, Parameters, Path, flat_options};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::convert::{config as converters, registry_config};
use crate::transform::registry;
use crate::worker::definitions::{ConfigInfos, ConfigKeyInfo, definitions_of_transform};
use crate::worker::herder::{ConnectorKind, HerderError, Object, PluginInfo};
use crate::worker::options::CLASS;

pub(super) fn routes() -> Routes {
    let listed = About::new("The plugins of this worker")
        .query("connectorsOnly", "false for all of them, transforms and converters as well")
        .answers::<Vec<ListedPlugin>>(200);
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

/// Sources and sinks, which are what Connect's tools know; with `connectorsOnly=false`
/// (KIP-769) processors as well, and what the host itself has.
async fn list(State(herder): State<Worker>, parameters: Parameters) -> Json<Vec<ListedPlugin>> {
    let connectors_only = parameters.flag("connectorsOnly", true);
    let mut plugins = herder.plugins();
    plugins.retain(|plugin| !connectors_only || plugin.kind != ConnectorKind::Processor);
    let mut listed: Vec<_> = plugins.into_iter().map(ListedPlugin::from).collect();
    if !connectors_only {
        listed.extend(built_in());
    }
    Json(listed)
}

/// A plugin, or what the host itself has.
#[derive(Debug, Serialize, JsonSchema)]
struct ListedPlugin {
    /// Its class.
    class: String,
    /// `source`, `sink`, `processor`, `converter`, `header_converter`, `transformation`
    /// or `predicate`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its version.
    version: String,
}

impl From<PluginInfo> for ListedPlugin {
    fn from(plugin: PluginInfo) -> Self {
        let kind = match plugin.kind {
            ConnectorKind::Source => "source",
            ConnectorKind::Sink => "sink",
            ConnectorKind::Processor => "processor",
        };
        Self { class: plugin.class, kind, version: plugin.version }
    }
}

/// Converters, transforms and predicates, under the names of Kafka Connect's classes.
fn built_in() -> impl Iterator<Item = ListedPlugin> {
    let of = |kind| {
        move |class: &str| ListedPlugin {
            class: class.to_owned(),
            kind,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    };
    let classes = || converters::NAMES.into_iter().map(|(_, class)| class);
    let headers = classes().chain([converters::SIMPLE_HEADERS]);
    let registered = registry_config::NAMES.into_iter().map(|(_, class)| class);
    classes()
        .chain(registered)
        .map(of("converter"))
        .chain(headers.map(of("header_converter")))
        .chain(registry::transforms().map(|found| found.class).map(of("transformation")))
        .chain(registry::predicates().map(|found| found.class).map(of("predicate")))
}

async fn config(
    State(herder): State<Worker>,
    Path(plugin): Path<String>,
) -> Result<Json<Vec<ConfigKeyInfo>>, ApiError> {
    match definitions_of_transform(&plugin) {
        Some(options) => Ok(Json(options)),
        None => Ok(Json(herder.plugin_config(&plugin)?)),
    }
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
