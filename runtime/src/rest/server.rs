//! The listeners, their limits, their end.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use longshore_broker::auth::{TlsError, TlsListener};
use longshore_broker::http::{Bounds, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower_service::Service as _;
use tracing::{debug, info, warn};

use super::admins::Door;
use super::authenticate::{Guard, guarded};
use super::cors::{cross_origin, options, with_headers};
use super::credentials::CredentialsError;
use super::limits::{BODY_BYTES_MAX, DRAIN_TIME_MAX, REQUEST_TIME_MAX};
use super::negotiate::without_slash;
use super::settings::{AdminListeners, ListenAddress, RestSettings, RestTls, Scheme};
use super::tls::Handshakes;
use super::{ApiError, Worker, admin_router, root, router};

/// Listeners that serve. Until [`RestServer::serve`] they answer that the worker is
/// still starting.
pub struct RestServer {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    settings: RestSettings,
    guard: Option<Arc<Guard>>,
    routes: Routes,
    admin_routes: Routes,
    /// Dropping it stops the listeners.
    stopping: DropGuard,
    serving: Vec<JoinHandle<()>>,
}

/// Set once the worker has started.
type Routes = Arc<OnceLock<Router>>;

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
    /// A listener has no certificate to show.
    #[error("REST cannot listen on {address} with TLS: {source}")]
    Tls {
        /// The address.
        address: String,
        /// Why.
        source: TlsError,
    },
    /// A listener of `https` lacks all of `listeners.https.ssl.*`.
    #[error("REST cannot listen on {address} with TLS: it has no certificate")]
    NoTls {
        /// The address.
        address: String,
    },
    /// The names and secrets of users cannot be read.
    #[error("REST knows nobody who may send requests: {0}")]
    Credentials(#[from] CredentialsError),
}

impl RestServer {
    /// Binds the listeners and answers that the worker is starting.
    pub async fn start(settings: RestSettings) -> Result<Self, ServeError> {
        let guard = Guard::open(&settings.authentication)?.map(Arc::new);
        let token = CancellationToken::new();
        let stopping = token.clone().drop_guard();
        let (routes, admin_routes) = (Routes::default(), Routes::default());
        let mut serving = Vec::new();
        let listeners = Listeners { stopping: &token, serving: &mut serving };
        let address = listeners
            .open(&settings.listeners, settings.tls.as_ref(), &routes, settings.advertised)
            .await?;
        let mut admin_address = None;
        if let AdminListeners::Own { listeners, tls } = &settings.admin {
            let opening = Listeners { stopping: &token, serving: &mut serving };
            let first = listeners.first().map_or(Scheme::Http, |listener| listener.scheme);
            let address = opening.open(listeners, tls.as_deref(), &admin_routes, first).await?;
            admin_address = Some(address);
        }
        Ok(Self {
            address,
            admin_address,
            settings,
            guard,
            routes,
            admin_routes,
            stopping,
            serving,
        })
    }

    /// From now on requests are answered by this worker.
    pub fn serve(&self, herder: Worker) {
        let (door, admin_door) = Door::both(&self.settings);
        // Each is set once.
        if let AdminListeners::Own { .. } = self.settings.admin {
            let routes = admin_router(herder.clone(), &self.settings, admin_door);
            let _ = self.admin_routes.set(self.limited(routes));
        }
        let _ = self.routes.set(self.limited(router(herder, &self.settings, door)));
    }

    /// Where it listens; of several the first of the advertised scheme.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/admin` is served, if that has a listener of its own.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Accepts nothing more and lets requests finish, for a while.
    pub async fn stop(self) {
        drop(self.stopping);
        let deadline = tokio::time::Instant::now() + DRAIN_TIME_MAX;
        for mut serving in self.serving {
            if tokio::time::timeout_at(deadline, &mut serving).await.is_err() {
                warn!("REST requests were cut off after {DRAIN_TIME_MAX:?}");
                serving.abort();
            }
        }
    }

    /// What stands before every route.
    fn limited(&self, routes: Router) -> Router {
        let mut routes = routes
            .fallback(async || ApiError::not_found("HTTP 404 Not Found"))
            .method_not_allowed_fallback(async || {
                ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed")
            })
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
        if let Some(guard) = &self.guard {
            routes = routes.layer(from_fn_with_state(guard.clone(), guarded));
        }
        routes = routes.layer(from_fn(watched));
        if !self.settings.cors.origins.is_empty() {
            let cors = Arc::new(self.settings.cors.clone());
            routes = routes.layer(from_fn_with_state(cors, cross_origin));
        }
        if !self.settings.headers.is_empty() {
            let rules: Arc<[_]> = self.settings.headers.as_slice().into();
            routes = routes.layer(from_fn_with_state(rules, with_headers));
        }
        // The path is settled before a route is looked for.
        let settled = Router::new().fallback_service(routes).layer(from_fn(options));
        settled.layer(from_fn(without_slash))
    }
}

/// Listeners as they are opened.
struct Listeners<'a> {
    stopping: &'a CancellationToken,
    serving: &'a mut Vec<JoinHandle<()>>,
}

impl Listeners<'_> {
    /// Binds and serves all; the address of the first of `advertised`.
    async fn open(
        self,
        listeners: &[ListenAddress],
        tls: Option<&RestTls>,
        routes: &Routes,
        advertised: Scheme,
    ) -> Result<SocketAddr, ServeError> {
        let mut first = None;
        for ListenAddress { scheme, address } in listeners {
            let bind = |source| ServeError::Bind { address: address.clone(), source };
            let listener = TcpListener::bind(address).await.map_err(bind)?;
            let bound = listener.local_addr().map_err(bind)?;
            let app = Router::new().fallback(started).with_state(routes.clone());
            let (stopped, bounds) = (self.stopping.clone(), Bounds::default());
            let serving = match scheme {
                Scheme::Http => tokio::spawn(serve(listener, app, stopped, bounds)),
                Scheme::Https => {
                    let tls = tls.ok_or_else(|| ServeError::NoTls { address: address.clone() })?;
                    let tls = TlsListener::open(tls.server.clone())
                        .map_err(|source| ServeError::Tls { address: address.clone(), source })?;
                    let handshakes = Handshakes::start(listener, Arc::new(tls)).map_err(bind)?;
                    tokio::spawn(serve(handshakes, app, stopped, bounds))
                }
            };
            self.serving.push(serving);
            info!(scheme = scheme.name(), address = %bound, "REST listens");
            if first.is_none_or(|(known, _)| known != advertised && *scheme == advertised) {
                first = Some((*scheme, bound));
            }
        }
        let missing = || ServeError::Bind {
            address: "no address".to_owned(),
            source: std::io::ErrorKind::InvalidInput.into(),
        };
        first.map(|(_, address)| address).ok_or_else(missing)
    }
}

/// Has the worker answer, once it has started.
async fn started(State(routes): State<Routes>, request: Request) -> Response {
    match routes.get() {
        Some(routes) => match routes.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => root::starting(request.uri().path()),
    }
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
