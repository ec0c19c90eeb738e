//! `/connectors/{c}/status` and `/connectors/{c}/restart`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::extract::{Parameters, Path};
use super::{ApiError, Worker};
use crate::worker::herder::ConnectorStatus;

pub(super) fn routes() -> Router<Worker> {
    Router::new()
        .route("/connectors/{connector}/status", get(status))
        .route("/connectors/{connector}/restart", post(restart))
}

async fn status(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<ConnectorStatus>, ApiError> {
    Ok(Json(herder.status(&name)?))
}

/// 204 for the connector alone, as before KIP-745; 202 with the status when
/// tasks or only what failed were asked for.
async fn restart(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let include_tasks = parameters.flag("includeTasks", false)?;
    let only_failed = parameters.flag("onlyFailed", false)?;
    let status = herder.restart(&name, include_tasks, only_failed).await?;
    Ok(match include_tasks || only_failed {
        true => (StatusCode::ACCEPTED, Json(status)).into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    })
}
