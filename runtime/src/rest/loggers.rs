//! `/admin/loggers`: levels of logging (KIP-495), on one worker or on all
//! (KIP-976).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::extract::{Body, Parameters, Path, flat_options};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::logging::{self, LoggerLevel, ROOT};
use crate::worker::herder::Object;

pub(super) fn routes() -> Routes {
    let one = "/admin/loggers/{logger}";
    let set_one = About::new("Set the level of a logger")
        .query("scope", "`worker`, which is the default, or `cluster` (KIP-976)")
        .takes::<Object>()
        .answers::<Vec<String>>(200)
        .answers_nothing(204);
    let all = About::new("The levels of this worker's loggers");
    Routes::default()
        .on(Method::GET, "/admin/loggers", list, all.answers::<BTreeMap<String, LoggerLevel>>(200))
        .on(Method::GET, one, read, About::new("A logger's level").answers::<LoggerLevel>(200))
        .on(Method::PUT, one, set, set_one)
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
