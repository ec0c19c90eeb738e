//! `/connections`, `/pipelines` and below: what has versions has the same four routes.

use std::future::Future;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::extract::{Body, Path};
use super::resources::answer;
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::{HerderError, Object};
use crate::worker::resources::{ConnectionInfo, Expected, PipelineInfo, PipelineParts};

pub(super) fn routes() -> Routes {
    of::<ConnectionInfo>().merge(of::<PipelineInfo>())
}

/// A kind of resource with versions.
trait Versioned: Serialize + JsonSchema + Send + Sized + 'static {
    /// What a request says of it.
    type Definition: DeserializeOwned + JsonSchema + Send + 'static;
    /// What it is called.
    const KIND: &'static str;
    /// Where all are, and where one is.
    const PATHS: [&'static str; 2];
    /// What is documented of its routes: all, one, change, delete.
    const SUMMARIES: [&'static str; 4];

    fn name(&self) -> &str;
    fn etag(&self) -> &str;
    fn all(herder: &Worker) -> Vec<Self>;
    fn put(
        herder: &Worker,
        name: &str,
        definition: Self::Definition,
        expected: Expected,
    ) -> impl Future<Output = Result<(Self, bool), HerderError>> + Send;
    fn delete(
        herder: &Worker,
        name: &str,
        expected: Expected,
    ) -> impl Future<Output = Result<(), HerderError>> + Send;
}

impl Versioned for ConnectionInfo {
    type Definition = Object;
    const KIND: &'static str = "connection";
    const PATHS: [&'static str; 2] = ["/connections", "/connections/{connection}"];
    const SUMMARIES: [&'static str; 4] = [
        "All connections, without secrets",
        "One connection",
        "Creates or changes a connection",
        "Deletes a connection that no connector names",
    ];

    fn name(&self) -> &str {
        &self.name
    }

    fn etag(&self) -> &str {
        &self.etag
    }

    fn all(herder: &Worker) -> Vec<Self> {
        herder.connections()
    }

    async fn put(
        herder: &Worker,
        name: &str,
        definition: Object,
        expected: Expected,
    ) -> Result<(Self, bool), HerderError> {
        herder.put_connection(name, definition, expected).await
    }

    async fn delete(herder: &Worker, name: &str, expected: Expected) -> Result<(), HerderError> {
        herder.delete_connection(name, expected).await
    }
}

impl Versioned for PipelineInfo {
    type Definition = PipelineParts;
    const KIND: &'static str = "pipeline";
    const PATHS: [&'static str; 2] = ["/pipelines", "/pipelines/{pipeline}"];
    const SUMMARIES: [&'static str; 4] = [
        "What the pipelines that were applied made",
        "What one pipeline made",
        "Notes what a pipeline stands for",
        "Forgets a pipeline; what it made stays",
    ];

    fn name(&self) -> &str {
        &self.name
    }

    fn etag(&self) -> &str {
        &self.etag
    }

    fn all(herder: &Worker) -> Vec<Self> {
        herder.pipelines()
    }

    async fn put(
        herder: &Worker,
        name: &str,
        parts: PipelineParts,
        expected: Expected,
    ) -> Result<(Self, bool), HerderError> {
        herder.put_pipeline(name, parts, expected).await
    }

    async fn delete(herder: &Worker, name: &str, expected: Expected) -> Result<(), HerderError> {
        herder.delete_pipeline(name, expected).await
    }
}

fn of<R: Versioned>() -> Routes {
    let [listed, shown, changed, deleted] = R::SUMMARIES.map(About::new);
    let changed = changed.takes::<R::Definition>().answers::<R>(200).answers::<R>(201);
    let [all, one] = R::PATHS;
    Routes::default()
        .on(Method::GET, all, list::<R>, listed.answers::<Vec<R>>(200))
        .on(Method::GET, one, read::<R>, shown.answers::<R>(200))
        .on(Method::PUT, one, put::<R>, changed)
        .on(Method::DELETE, one, delete::<R>, deleted.answers_nothing(204))
}

async fn list<R: Versioned>(State(herder): State<Worker>) -> Json<Vec<R>> {
    Json(R::all(&herder))
}

async fn read<R: Versioned>(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let found = R::all(&herder).into_iter().find(|it| it.name() == name);
    let missing = || ApiError::not_found(format!("there is no {} `{name}`", R::KIND));
    let found = found.ok_or_else(missing)?;
    let etag = found.etag().to_owned();
    Ok(answer(found, &etag, false))
}

async fn put<R: Versioned>(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    expected: Expected,
    Body(definition): Body<R::Definition>,
) -> Result<Response, ApiError> {
    let (changed, created) = R::put(&herder, &name, definition, expected).await?;
    let etag = changed.etag().to_owned();
    Ok(answer(changed, &etag, created))
}

async fn delete<R: Versioned>(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    expected: Expected,
) -> Result<StatusCode, ApiError> {
    R::delete(&herder, &name, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}
