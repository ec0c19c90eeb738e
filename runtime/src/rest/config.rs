//! `/connectors/{c}/config`.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::connectors::{location, named};
use super::extract::{Body, Path, flat_config, flat_options};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorConfig, ConnectorInfo, Object};

const PATH: &str = "/connectors/{connector}/config";

pub(super) fn routes() -> Routes {
    let replaced = About::new("Create a connector, or replace its configuration")
        .takes::<ConnectorConfig>()
        .answers::<ConnectorInfo>(200)
        .answers::<ConnectorInfo>(201);
    let patched = About::new("Change some options of a connector; null takes one away (KIP-477)")
        .takes::<Object>()
        .answers::<ConnectorInfo>(200);
    let about = About::new("A connector's configuration").answers::<ConnectorConfig>(200);
    Routes::default().on(Method::GET, PATH, read, about).on(Method::PUT, PATH, put, replaced).on(
        Method::PATCH,
        PATH,
        patch,
        patched,
    )
}

async fn read(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<ConnectorConfig>, ApiError> {
    Ok(Json(herder.connector(&name)?.config))
}

async fn put(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    Body(config): Body<Object>,
) -> Result<Response, ApiError> {
    let config = named(&name, flat_config(config)?)?;
    let (info, created) = herder.put_config(&name, config).await?;
    Ok(match created {
        true => (StatusCode::CREATED, location(&name), Json(info)).into_response(),
        false => Json(info).into_response(),
    })
}

/// Changes some keys; null deletes one.
async fn patch(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    Body(patch): Body<Object>,
) -> Result<Json<ConnectorInfo>, ApiError> {
    Ok(Json(herder.patch_config(&name, flat_options(patch)?).await?))
}
