//! `GET /metrics` on `metrics.listener`: what all parts of the process report.

use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::{Router, extract::State, http::HeaderName, http::header::CONTENT_TYPE, routing::get};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

use crate::http::{self, Bounds};

/// What the text is, as Prometheus asks for it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Nobody proves who he is here, and few have a reason to ask.
const BOUNDS: Bounds =
    Bounds { connections_max: 32, of_one_address_max: 16, head_time_max: Duration::from_secs(10) };
/// How long everybody is told the same: a text costs a look at all that is counted.
const TEXT_AGE_MAX: Duration = Duration::from_secs(1);

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
pub async fn serve(socket: TcpListener, reports: Reports, stopping: CancellationToken) {
    let told = Told { reports, last: Arc::default() };
    let router = Router::new().route("/metrics", get(metrics)).with_state(told);
    http::serve(socket, router, stopping, BOUNDS).await;
}

/// What is told, and was last.
#[derive(Clone)]
struct Told {
    reports: Reports,
    last: Arc<Mutex<Option<(Instant, Bytes)>>>,
}

async fn metrics(State(told): State<Told>) -> ([(HeaderName, &'static str); 1], Bytes) {
    // Held while it is made: those who ask meanwhile are told the same.
    let mut last = told.last.lock().await;
    let text = match &*last {
        Some((at, text)) if at.elapsed() < TEXT_AGE_MAX => text.clone(),
        _ => {
            let text = Bytes::from(told.reports.text());
            *last = Some((Instant::now(), text.clone()));
            text
        }
    };
    ([(CONTENT_TYPE, OPEN_METRICS)], text)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// Counts how often it is looked at.
    #[derive(Debug, Default)]
    struct Looked(AtomicU32);

    impl Collector for Looked {
        fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    async fn answer(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn many_who_ask_cost_one_look_and_those_who_say_nothing_leave_places() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (reports, looked) = (Reports::default(), Arc::new(Looked::default()));
        reports.add(looked.clone());
        let stopping = CancellationToken::new();
        let serving = tokio::spawn(serve(socket, reports, stopping.clone()));
        let began = Instant::now();
        for _ in 0..50 {
            assert!(answer(address).await.contains("# EOF"));
        }
        // A slow machine makes the fifty in more than a second.
        let looks = looked.0.load(Ordering::Relaxed);
        assert!(u64::from(looks) <= began.elapsed().as_secs() + 1, "{looks} looks");

        let mut silent = Vec::new();
        for _ in 0..BOUNDS.of_one_address_max {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(answer(address).await, "", "its address has taken its places");
        drop(silent);
        stopping.cancel();
        serving.await.unwrap();
    }
}
