//! Who may change what code the fleet runs: uploads, activates and deletes plugins.
//!
//! Those whom `rest.auth.admins` names, whom [`super::authenticate`] knows, or whoever
//! reaches `admin.listeners` of their own: what is neither is refused here, before
//! anything of it is read. What a worker sent on was let in where it came, and is
//! signed, which [`super::forward`] looks at.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::ApiError;
use super::forward::is_forwarded;
use super::plugin_uploads::is_upload;
use super::settings::{AdminListeners, RestSettings};

/// Components that a worker takes in at once: each is in memory whole.
const UPLOADS_MAX: usize = 2;

/// What stands before the routes of some listeners.
#[derive(Clone)]
pub(super) struct Door {
    /// Why nobody comes in here.
    shut: Option<&'static str>,
    uploads: Arc<Semaphore>,
}

impl Door {
    /// The doors of REST's listeners, and of the admin listeners.
    pub(super) fn both(settings: &RestSettings) -> (Self, Self) {
        let uploads = Arc::new(Semaphore::new(UPLOADS_MAX));
        let shut = match &settings.admin {
            AdminListeners::Own { .. } => {
                Some("Plugins are changed on `admin.listeners`: send the request there.")
            }
            _ if settings.is_open_to_all() => Some(
                "Nobody may change plugins here: name users in `rest.auth.admins`, or give \
                 `admin.listeners` addresses of their own, in the files of the workers.",
            ),
            _ => None,
        };
        (Self { shut, uploads: uploads.clone() }, Self { shut: None, uploads })
    }
}

/// Whether a request changes what code the fleet runs.
pub(super) fn is_for_admins(method: &Method, path: &str) -> bool {
    let is_plugins = path == "/plugins" || path.starts_with("/plugins/");
    is_plugins && !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Lets those through who may.
pub(super) async fn admitted(State(door): State<Door>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    if !is_for_admins(method, path) {
        return next.run(request).await;
    }
    if let Some(why) = door.shut.filter(|_| !is_forwarded(request.uri())) {
        return ApiError::new(StatusCode::FORBIDDEN, why).into_response();
    }
    let _place = match is_upload(method, path).then(|| door.uploads.clone().try_acquire_owned()) {
        Some(Err(_)) => {
            let message = "Other plugins are being uploaded: send the request again.";
            return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message).into_response();
        }
        place => place,
    };
    next.run(request).await
}
