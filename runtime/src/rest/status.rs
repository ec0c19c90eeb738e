//! `/connectors/{c}/status`, and what changes it: `restart`, `pause`, `resume`,
//! `stop`.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::extract::{Parameters, Path};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorStatus, TargetState};

pub(super) fn routes() -> Routes {
    let restarted = About::new("Restart a connector")
        .query("includeTasks", "true for its tasks as well")
        .query("onlyFailed", "true for only what FAILED")
        .answers::<ConnectorStatus>(202)
        .answers_nothing(204);
    let about = About::new("The states of a connector and its tasks");
    let paused = About::new("Have a connector hold what it has and wait");
    let resumed = About::new("Have a connector go on that was paused or stopped");
    let stopped = About::new("Have a connector end its tasks (KIP-875)");
    Routes::default()
        .on(
            Method::GET,
            "/connectors/{connector}/status",
            status,
            about.answers::<ConnectorStatus>(200),
        )
        .on(Method::POST, "/connectors/{connector}/restart", restart, restarted)
        .on(Method::PUT, "/connectors/{connector}/pause", pause, paused.answers_nothing(202))
        .on(Method::PUT, "/connectors/{connector}/resume", resume, resumed.answers_nothing(202))
        .on(Method::PUT, "/connectors/{connector}/stop", stop, stopped.answers_nothing(204))
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
