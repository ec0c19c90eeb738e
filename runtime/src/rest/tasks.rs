//! `/connectors/{c}/tasks` and below.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::extract::Path;
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorConfig, TaskId, TaskState};

pub(super) fn routes() -> Routes {
    let listed = About::new("A connector's tasks").answers::<Vec<TaskInfo>>(200);
    let one = About::new("A task's state").answers::<TaskState>(200);
    let restarted = About::new("Restart a task").answers_nothing(204);
    Routes::default()
        .on(Method::GET, "/connectors/{connector}/tasks", list, listed)
        .on(Method::GET, "/connectors/{connector}/tasks/{task}/status", status, one)
        .on(Method::POST, "/connectors/{connector}/tasks/{task}/restart", restart, restarted)
}

/// A task.
#[derive(Serialize, JsonSchema)]
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
