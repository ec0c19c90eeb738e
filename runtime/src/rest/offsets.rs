//! `/connectors/{c}/offsets` (KIP-875).

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Body, Path};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorOffset, ConnectorOffsets};

const PATH: &str = "/connectors/{connector}/offsets";

pub(super) fn routes() -> Routes {
    let altered = About::new("Change some offsets of a stopped connector")
        .takes::<Altered>()
        .answers::<Message>(200);
    let forgotten = About::new("Forget all offsets of a stopped connector");
    let about = About::new("How far a connector has come (KIP-875)");
    Routes::default()
        .on(Method::GET, PATH, read, about.answers::<ConnectorOffsets>(200))
        .on(Method::PATCH, PATH, alter, altered)
        .on(Method::DELETE, PATH, reset, forgotten.answers::<Message>(200))
}

/// What was done, in words.
#[derive(Serialize, JsonSchema)]
struct Message {
    message: String,
}

/// The offsets to go on from.
#[derive(Deserialize, JsonSchema)]
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
