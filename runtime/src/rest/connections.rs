//! `/connections` and `/connections/{c}`.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::extract::{Body, Path};
use super::resources::answer;
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::Object;
use crate::worker::resources::{ConnectionInfo, Expected};

pub(super) fn routes() -> Routes {
    let listed = About::new("All connections, without secrets").answers::<Vec<ConnectionInfo>>(200);
    let shown = About::new("One connection").answers::<ConnectionInfo>(200);
    let changed = About::new("Creates or changes a connection")
        .takes::<Object>()
        .answers::<ConnectionInfo>(200)
        .answers::<ConnectionInfo>(201);
    let deleted = About::new("Deletes a connection that no connector names").answers_nothing(204);
    let path = "/connections/{connection}";
    Routes::default()
        .on(Method::GET, "/connections", list, listed)
        .on(Method::GET, path, read, shown)
        .on(Method::PUT, path, put, changed)
        .on(Method::DELETE, path, delete, deleted)
}

async fn list(State(herder): State<Worker>) -> Json<Vec<ConnectionInfo>> {
    Json(herder.connections())
}

async fn read(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let found = herder.connections().into_iter().find(|info| info.name == name);
    let info =
        found.ok_or_else(|| ApiError::not_found(format!("there is no connection `{name}`")))?;
    let etag = info.etag.clone();
    Ok(answer(info, &etag, false))
}

async fn put(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    expected: Expected,
    Body(definition): Body<Object>,
) -> Result<Response, ApiError> {
    let (info, created) = herder.put_connection(&name, definition, expected).await?;
    let etag = info.etag.clone();
    Ok(answer(info, &etag, created))
}

async fn delete(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    expected: Expected,
) -> Result<StatusCode, ApiError> {
    herder.delete_connection(&name, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}
