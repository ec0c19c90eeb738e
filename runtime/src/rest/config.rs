//! `/connectors/{c}/config`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::connectors::{location, named};
use super::extract::{Body, Path, flat_config};
use super::{ApiError, Worker};
use crate::worker::herder::ConnectorConfig;

pub(super) fn routes() -> Router<Worker> {
    Router::new().route("/connectors/{connector}/config", get(read).put(put).patch(patch))
}

type Object = serde_json::Map<String, serde_json::Value>;

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
    Body(changes): Body<Object>,
) -> Result<Response, ApiError> {
    let mut config = herder.connector(&name)?.config;
    let (deleted, changed): (Object, Object) =
        changes.into_iter().partition(|(_, value)| value.is_null());
    config.extend(flat_config(changed)?);
    config.retain(|key, _| !deleted.contains_key(key));
    let (info, _) = herder.put_config(&name, named(&name, config)?).await?;
    Ok(Json(info).into_response())
}
