//! `/connectors/{c}/tasks` and below.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;

use super::extract::Path;
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorConfig, TaskId, TaskState};

pub(super) fn routes() -> Router<Worker> {
    Router::new()
        .route("/connectors/{connector}/tasks", get(list))
        .route("/connectors/{connector}/tasks/{task}/status", get(status))
        .route("/connectors/{connector}/tasks/{task}/restart", post(restart))
}

#[derive(Serialize)]
struct TaskInfo {
    id: TaskId,
    config: ConnectorConfig,
}

async fn list(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<Vec<TaskInfo>>, ApiError> {
    let tasks = herder.task_configs(&name)?;
    Ok(Json(tasks.into_iter().map(|(id, config)| TaskInfo { id, config }).collect()))
}

async fn status(
    State(herder): State<Worker>,
    Path((name, task)): Path<(String, String)>,
) -> Result<Json<TaskState>, ApiError> {
    let number = number(&task)?;
    let found = herder.status(&name)?.tasks.into_iter().find(|state| state.id == number);
    let missing = || ApiError::not_found(format!("connector {name} has no task {number}"));
    found.map(Json).ok_or_else(missing)
}

async fn restart(
    State(herder): State<Worker>,
    Path((name, task)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = TaskId { connector: name, task: number(&task)? };
    herder.restart_task(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn number(task: &str) -> Result<u32, ApiError> {
    task.parse().map_err(|_| ApiError::not_found(format!("`{task}` is no task's number")))
}
