//! `GET /metrics` on `metrics.listener`: what all parts of the process report.

use std::fmt;
use std::io;
use std::sync::{Arc, RwLock};

use axum::{Router, extract::State, http::HeaderName, http::header::CONTENT_TYPE, routing::get};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the text is, as Prometheus asks for it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Those who report when someone looks.
#[derive(Debug, Clone, Default)]
pub struct Reports(Arc<RwLock<Vec<Arc<dyn Collector>>>>);

impl Reports {
    /// Adds one.
    pub fn add(&self, collector: Arc<dyn Collector>) {
        self.0.write().expect("no holder panics").push(collector);
    }

    /// All of it at this moment, in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        for collector in self.0.read().expect("no holder panics").iter() {
            registry.register_collector(Box::new(Shared(Arc::clone(collector))));
        }
        let mut output = String::new();
        text::encode(&mut output, &registry).expect("writing to a string never fails");
        output
    }
}

/// A registry owns its collectors; these are asked more than once.
struct Shared(Arc<dyn Collector>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Collector for Shared {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}

/// Serves until `stopping`.
pub async fn serve(
    socket: TcpListener,
    reports: Reports,
    stopping: CancellationToken,
) -> io::Result<()> {
    let router = Router::new().route("/metrics", get(metrics)).with_state(reports);
    axum::serve(socket, router).with_graceful_shutdown(stopping.cancelled_owned()).await
}

async fn metrics(State(reports): State<Reports>) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, OPEN_METRICS)], reports.text())
}
