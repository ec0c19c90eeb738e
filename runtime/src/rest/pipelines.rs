//! `/pipelines` and `/pipelines/{p}`: what the pipelines that were applied made.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::extract::{Body, Path};
use super::resources::answer;
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::resources::{Expected, PipelineInfo, PipelineParts};

pub(super) fn routes() -> Routes {
    let listed =
        About::new("What the pipelines that were applied made").answers::<Vec<PipelineInfo>>(200);
    let shown = About::new("What one pipeline made").answers::<PipelineInfo>(200);
    let changed = About::new("Notes what a pipeline stands for")
        .takes::<PipelineParts>()
        .answers::<PipelineInfo>(200)
        .answers::<PipelineInfo>(201);
    let deleted = About::new("Forgets a pipeline; what it made stays").answers_nothing(204);
    let path = "/pipelines/{pipeline}";
    Routes::default()
        .on(Method::GET, "/pipelines", list, listed)
        .on(Method::GET, path, read, shown)
        .on(Method::PUT, path, put, changed)
        .on(Method::DELETE, path, delete, deleted)
}

async fn list(State(herder): State<Worker>) -> Json<Vec<PipelineInfo>> {
    Json(herder.pipelines())
}

async fn read(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let found = herder.pipelines().into_iter().find(|info| info.name == name);
    let info =
        found.ok_or_else(|| ApiError::not_found(format!("there is no pipeline `{name}`")))?;
    let etag = info.etag.clone();
    Ok(answer(info, &etag, false))
}

async fn put(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    expected: Expected,
    Body(parts): Body<PipelineParts>,
) -> Result<Response, ApiError> {
    let (info, created) = herder.put_pipeline(&name, parts, expected).await?;
    let etag = info.etag.clone();
    Ok(answer(info, &etag, created))
}

async fn delete(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    expected: Expected,
) -> Result<StatusCode, ApiError> {
    herder.delete_pipeline(&name, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}
