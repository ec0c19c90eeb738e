//! `GET /`, `GET /health` (KIP-1017) and the answers of it that probes want.
//!
//! | path | 200 | 503 | 500 |
//! | --- | --- | --- | --- |
//! | `/health` | it works | it starts, or is no member of its group | it does not get on |
//! | `/health/ready` | it works | else | |
//! | `/health/live` | it gives a sign of life | | only a new start helps it |

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::limits::HEALTH_TIME_MAX;
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::Health;

pub(super) fn routes() -> Routes {
    let told = |summary| {
        let about = About::new(summary).answers::<WorkerStatus>(200);
        about.answers::<WorkerStatus>(500).answers::<WorkerStatus>(503)
    };
    let works = told("Whether the worker works (KIP-1017)");
    let is_ready = told("Whether the worker can be sent requests");
    let lives = told("Whether the worker gives a sign of life, however its cluster is");
    Routes::default()
        .on(Method::GET, "/", root, About::new("The worker").answers::<ServerInfo>(200))
        .on(Method::GET, "/health", health, works)
        .on(Method::GET, "/health/ready", ready, is_ready)
        .on(Method::GET, "/health/live", live, lives)
}

/// Kafka Connect's `ServerInfo`.
#[derive(Serialize, JsonSchema)]
struct ServerInfo {
    /// Longshore's version.
    version: &'static str,
    /// The commit that it was built from.
    commit: &'static str,
    /// The cluster that the worker keeps its state in.
    kafka_cluster_id: String,
}

/// Kafka Connect's `WorkerStatus`.
#[derive(Serialize, JsonSchema)]
struct WorkerStatus {
    /// `healthy`, `starting` or `unhealthy`; of `/health/live` `alive` or `dead`.
    status: &'static str,
    /// The same in words, and what is wrong.
    message: String,
}

async fn root(State(herder): State<Worker>) -> Json<ServerInfo> {
    Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("LONGSHORE_COMMIT").unwrap_or("unknown"),
        kafka_cluster_id: herder.cluster_id(),
    })
}

async fn health(State(herder): State<Worker>) -> Response {
    let health = look(&herder).await;
    let status = match health {
        Health::Healthy => StatusCode::OK,
        Health::Starting(_) => StatusCode::SERVICE_UNAVAILABLE,
        Health::Unhealthy(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    told(status, &health)
}

async fn ready(State(herder): State<Worker>) -> Response {
    let health = look(&herder).await;
    let status = match health {
        Health::Healthy => StatusCode::OK,
        Health::Starting(_) | Health::Unhealthy(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    told(status, &health)
}

/// A worker that is started again for a cluster that is away has lost its place in its
/// group, and is no nearer to it: the cluster is not asked.
async fn live(State(herder): State<Worker>) -> Response {
    let seconds = HEALTH_TIME_MAX.as_secs();
    let alive = match tokio::time::timeout(HEALTH_TIME_MAX, herder.alive()).await {
        Ok(alive) => alive,
        Err(_) => Err(format!("The worker's loop has not answered within {seconds} s.")),
    };
    let (status, word, message) = match alive {
        Ok(()) => (StatusCode::OK, "alive", "The worker's loop answers.".to_owned()),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, "dead", why),
    };
    (status, Json(WorkerStatus { status: word, message })).into_response()
}

async fn look(herder: &Worker) -> Health {
    match tokio::time::timeout(HEALTH_TIME_MAX, herder.health()).await {
        Ok(health) => health,
        Err(_) => Health::Unhealthy(format!(
            "It has not read the config topic to its end within {} s.",
            HEALTH_TIME_MAX.as_secs()
        )),
    }
}

/// Kafka Connect's words (`WorkerStatus`), and ours of what is wrong.
fn told(status: StatusCode, health: &Health) -> Response {
    let (word, message) = match health {
        Health::Healthy => {
            ("healthy", "Worker has completed startup and is ready to handle requests.".to_owned())
        }
        Health::Starting(why) => ("starting", format!("Worker is still starting up. {why}")),
        Health::Unhealthy(why) => (
            "unhealthy",
            format!(
                "Worker was unable to handle this request and may be unable to handle other \
                 requests. {why}"
            ),
        ),
    };
    (status, Json(WorkerStatus { status: word, message })).into_response()
}

/// What a worker answers until it has read its topics and joined its group: it is
/// alive, and nothing else can be asked of it yet.
pub(super) fn starting(path: &str) -> Response {
    let health = Health::Starting("It has not joined its group yet.".to_owned());
    match path.trim_end_matches('/') {
        "/health/live" => told(StatusCode::OK, &health),
        "/health" | "/health/ready" => told(StatusCode::SERVICE_UNAVAILABLE, &health),
        _ => {
            let message = "This worker is still starting up. Send the request again.";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message).into_response()
        }
    }
}
