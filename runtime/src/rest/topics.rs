//! `/connectors/{c}/topics`: the topics that a connector has used (KIP-558).

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Serialize;

use super::extract::Path;
use super::{ApiError, Worker};

pub(super) fn routes() -> Router<Worker> {
    Router::new()
        .route("/connectors/{connector}/topics", get(read))
        .route("/connectors/{connector}/topics/reset", put(reset))
}

#[derive(Serialize)]
struct Topics {
    topics: Vec<String>,
}

async fn read(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<BTreeMap<String, Topics>>, ApiError> {
    let topics = herder.active_topics(&name)?;
    Ok(Json(BTreeMap::from([(name, Topics { topics })])))
}

async fn reset(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    herder.reset_active_topics(&name).await?;
    Ok(StatusCode::ACCEPTED)
}
