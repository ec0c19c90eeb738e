//! `GET /` and `GET /health`.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::Worker;

pub(super) fn routes() -> Router<Worker> {
    Router::new().route("/", get(root)).route("/health", get(health))
}

async fn root(State(herder): State<Worker>) -> Json<serde_json::Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("LONGSHORE_COMMIT").unwrap_or("unknown"),
        "kafka_cluster_id": herder.cluster_id(),
    }))
}

async fn health(State(herder): State<Worker>) -> Response {
    let (status, word, message) = if herder.ready() {
        let message = "Worker has completed startup and is ready to handle requests.";
        (StatusCode::OK, "healthy", message)
    } else {
        let message = "Worker is still starting up.";
        (StatusCode::SERVICE_UNAVAILABLE, "starting", message)
    };
    (status, Json(json!({ "status": word, "message": message }))).into_response()
}
