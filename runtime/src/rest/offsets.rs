//! `/connectors/{c}/offsets` (KIP-875).

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::extract::{Body, Path};
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorOffset, ConnectorOffsets};

pub(super) fn routes() -> Router<Worker> {
    Router::new().route("/connectors/{connector}/offsets", get(read).patch(alter).delete(reset))
}

/// What was done, in words.
#[derive(Serialize)]
struct Message {
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Altered {
    offsets: Option<Vec<ConnectorOffset>>,
}

async fn read(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<ConnectorOffsets>, ApiError> {
    Ok(Json(herder.offsets(&name).await?))
}

async fn alter(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    Body(altered): Body<Altered>,
) -> Result<Json<Message>, ApiError> {
    let offsets = altered.offsets.filter(|offsets| !offsets.is_empty()).ok_or_else(|| {
        ApiError::bad_request(
            "Partitions / offsets need to be provided for an alter offsets request",
        )
    })?;
    let message = herder.alter_offsets(&name, ConnectorOffsets { offsets }).await?;
    Ok(Json(Message { message }))
}

async fn reset(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<Message>, ApiError> {
    Ok(Json(Message { message: herder.reset_offsets(&name).await? }))
}
