//! `/admin/loggers`: levels of logging (KIP-495), on one worker or on all
//! (KIP-976).

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::extract::{Body, Parameters, Path, flat_options};
use super::{ApiError, Worker};
use crate::logging::{self, LoggerLevel, ROOT};
use crate::worker::herder::Object;

pub(super) fn routes() -> Router<Worker> {
    Router::new()
        .route("/admin/loggers", get(list))
        .route("/admin/loggers/{logger}", get(read).put(set))
}

async fn list(State(herder): State<Worker>) -> Json<BTreeMap<String, LoggerLevel>> {
    Json(herder.loggers())
}

async fn read(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<LoggerLevel>, ApiError> {
    let known = if name.eq_ignore_ascii_case(ROOT) { ROOT } else { name.as_str() };
    let found = herder.loggers().remove(known);
    found.map(Json).ok_or_else(|| ApiError::not_found(format!("Logger {name} not found.")))
}

/// The names of what changed; nothing, when every worker is told. A scope that
/// is none is this worker's, as in Kafka Connect.
async fn set(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    parameters: Parameters,
    Body(body): Body<Object>,
) -> Result<Response, ApiError> {
    let given = flat_options(body)?.remove("level").flatten().ok_or_else(|| {
        ApiError::bad_request("Desired 'level' parameter was not specified in request.")
    })?;
    let level = logging::level(&given)
        .ok_or_else(|| ApiError::not_found(format!("invalid log level '{given}'.")))?;
    logging::check_name(&name).map_err(ApiError::bad_request)?;
    match parameters.all("scope").next() {
        Some(scope) if scope.eq_ignore_ascii_case("cluster") => {
            herder.set_cluster_logger(&name, level).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Ok(Json(herder.set_worker_logger(&name, level)?).into_response()),
    }
}
