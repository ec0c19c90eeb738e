//! `/connectors/{c}/config`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::connectors::{location, named};
use super::extract::{Body, Path, flat_config, flat_options};
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorConfig, ConnectorInfo, Object};

pub(super) fn routes() -> Router<Worker> {
    Router::new().route("/connectors/{connector}/config", get(read).put(put).patch(patch))
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
