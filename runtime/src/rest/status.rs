//! `/connectors/{c}/status`, and what changes it: `restart`, `pause`, `resume`,
//! `stop`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};

use super::extract::{Parameters, Path};
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorStatus, TargetState};

pub(super) fn routes() -> Router<Worker> {
    Router::new()
        .route("/connectors/{connector}/status", get(status))
        .route("/connectors/{connector}/restart", post(restart))
        .route("/connectors/{connector}/pause", put(pause))
        .route("/connectors/{connector}/resume", put(resume))
        .route("/connectors/{connector}/stop", put(stop))
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
    let include_tasks = parameters.flag("includeTasks", false);
    let only_failed = parameters.flag("onlyFailed", false);
    let status = herder.restart(&name, include_tasks, only_failed).await?;
    Ok(match include_tasks || only_failed {
        true => (StatusCode::ACCEPTED, Json(status)).into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn pause(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    herder.set_target_state(&name, TargetState::Paused).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn resume(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    herder.set_target_state(&name, TargetState::Started).await?;
    Ok(StatusCode::ACCEPTED)
}

/// 204, not the 202 of the others: KIP-875 says the one, Kafka Connect does the
/// other.
async fn stop(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    herder.set_target_state(&name, TargetState::Stopped).await?;
    Ok(StatusCode::NO_CONTENT)
}
