//! `/connectors/{c}/topics`: the topics that a connector has used (KIP-558).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::extract::Path;
use super::routes::{About, Routes};
use super::{ApiError, Worker};

pub(super) fn routes() -> Routes {
    let used = About::new("The topics that a connector has used");
    let forgotten = About::new("Forget the topics that a connector has used");
    Routes::default()
        .on(
            Method::GET,
            "/connectors/{connector}/topics",
            read,
            used.answers::<BTreeMap<String, Topics>>(200),
        )
        .on(
            Method::PUT,
            "/connectors/{connector}/topics/reset",
            reset,
            forgotten.answers_nothing(202),
        )
}

/// The topics of a connector.
#[derive(Serialize, JsonSchema)]
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
