//! The listener, its limits, its end.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::limits::{BODY_BYTES_MAX, DRAIN_TIME_MAX, REQUEST_TIME_MAX};
use super::negotiate::without_slash;
use super::{ApiError, Worker, router};

/// A running REST listener.
#[derive(Debug)]
pub struct RestServer {
    address: SocketAddr,
    stopping: CancellationToken,
    serving: JoinHandle<()>,
}

/// Why REST cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not this machine's.
    #[error("REST cannot listen on {address}: {source}; choose another rest.listeners")]
    Bind {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

impl RestServer {
    /// Binds `host:port`; port 0 takes any free one.
    pub async fn bind(address: &str) -> Result<TcpListener, ServeError> {
        TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Bind { address: address.to_owned(), source })
    }

    /// Serves until [`RestServer::stop`].
    ///
    /// # Errors
    /// When the listener has lost its address.
    pub fn start(listener: TcpListener, herder: Worker) -> Result<Self, ServeError> {
        let address = listener
            .local_addr()
            .map_err(|source| ServeError::Bind { address: "its listener".to_owned(), source })?;
        let stopping = CancellationToken::new();
        let stopped = stopping.clone().cancelled_owned();
        let app = limited(router(herder));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(stopped).await {
                warn!(%error, "the REST listener ended");
            }
        });
        info!(%address, "REST listens");
        Ok(Self { address, stopping, serving })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more and lets requests finish, for a while.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if tokio::time::timeout(DRAIN_TIME_MAX, &mut self.serving).await.is_err() {
            warn!("REST requests were cut off after {DRAIN_TIME_MAX:?}");
            self.serving.abort();
        }
    }
}

fn limited(routes: Router) -> Router {
    let routes = routes
        .fallback(async || ApiError::not_found("HTTP 404 Not Found"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(watched));
    // The path is settled before a route is looked for.
    Router::new().fallback_service(routes).layer(from_fn(without_slash))
}

/// Bounds a request's time and notes it in the log, without its body: a
/// configuration is nobody's business there.
async fn watched(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = match tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Request timed out").into_response()
        }
    };
    debug!(%method, path, status = response.status().as_u16(), "request");
    response
}
