//! Who sends a request, and whether he may: HTTP's basic authentication, bearer
//! tokens, and names that may only read. Workers send a user's credentials on with
//! his request, as Kafka Connect does.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ApiError;
use super::admins::is_for_admins;
use super::credentials::{Credentials, CredentialsError};
use super::internal::is_internal;
use super::settings::Authentication;

/// Who may send requests.
pub(super) struct Guard {
    basic: Option<Arc<Credentials>>,
    bearer: Option<Arc<Credentials>>,
    readers: BTreeSet<String>,
    admins: BTreeSet<String>,
}

impl Guard {
    /// Reads the files; `None` when everybody may.
    pub(super) fn open(settings: &Authentication) -> Result<Option<Self>, CredentialsError> {
        let open = |path: &Option<PathBuf>| {
            path.as_deref().map(Credentials::open).transpose().map(|it| it.map(Arc::new))
        };
        let (basic, bearer) = (open(&settings.basic)?, open(&settings.bearer)?);
        let is_open = basic.is_none() && bearer.is_none();
        let (readers, admins) = (settings.readers.clone(), settings.admins.clone());
        Ok((!is_open).then_some(Self { basic, bearer, readers, admins }))
    }

    /// The name that a request proves.
    async fn name(&self, headers: &HeaderMap) -> Option<String> {
        let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, proof) = given.split_once(' ')?;
        let proof = proof.trim();
        if let Some(known) = &self.basic
            && scheme.eq_ignore_ascii_case("basic")
        {
            let text = String::from_utf8(STANDARD.decode(proof).ok()?).ok()?;
            let (name, password) = text.split_once(':')?;
            return known.holds(name, password).await.then(|| name.to_owned());
        }
        match &self.bearer {
            Some(known) if scheme.eq_ignore_ascii_case("bearer") => known.name_of(proof).await,
            _ => None,
        }
    }

    fn refuse(&self) -> Response {
        let error = ApiError::new(StatusCode::UNAUTHORIZED, "User cannot access the resource.");
        let mut response = error.into_response();
        let challenges = [
            (&self.basic, r#"Basic realm="longshore", charset="UTF-8""#),
            (&self.bearer, r#"Bearer realm="longshore""#),
        ];
        for (known, challenge) in challenges {
            if known.is_some() {
                let challenge = HeaderValue::from_static(challenge);
                response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

/// What everybody may ask: probes have no password, and what browsers ask before a
/// request has no credentials. What workers ask of each other proves itself.
fn is_open(method: &Method, path: &str) -> bool {
    *method == Method::OPTIONS
        || path == "/health"
        || path.starts_with("/health/")
        || is_internal(method, path)
}

/// Whether a request changes nothing.
fn only_reads(method: &Method, path: &str) -> bool {
    let validates = path.starts_with("/connector-plugins/") && path.ends_with("/config/validate");
    matches!(*method, Method::GET | Method::HEAD) || validates
}

/// Lets those through who may.
pub(super) async fn guarded(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    if is_open(method, path) {
        return next.run(request).await;
    }
    let Some(name) = guard.name(request.headers()).await else { return guard.refuse() };
    if guard.readers.contains(&name) && !only_reads(method, path) {
        let message = format!("User {name} may only read.");
        return ApiError::new(StatusCode::FORBIDDEN, message).into_response();
    }
    if is_for_admins(method, path) && !guard.admins.is_empty() && !guard.admins.contains(&name) {
        let message = format!("User {name} is not among `rest.auth.admins`.");
        return ApiError::new(StatusCode::FORBIDDEN, message).into_response();
    }
    next.run(request).await
}
