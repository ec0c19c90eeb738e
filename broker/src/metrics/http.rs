//! `GET /metrics` on `metrics.listener`.

use std::{io, sync::Arc};

use axum::{Router, extract::State, http::header::CONTENT_TYPE, routing::get};
use tokio::net::TcpListener;

use crate::node::Node;

/// What the text is, as Prometheus asks for it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until the node stops.
pub(crate) async fn serve(node: Arc<Node>, socket: TcpListener) -> io::Result<()> {
    let stopping = node.stopping.clone();
    let router = Router::new().route("/metrics", get(metrics)).with_state(node);
    axum::serve(socket, router).with_graceful_shutdown(stopping.cancelled_owned()).await
}

async fn metrics(
    State(node): State<Arc<Node>>,
) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, OPEN_METRICS)], super::render(&node))
}
