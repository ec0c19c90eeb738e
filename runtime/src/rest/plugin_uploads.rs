//! `/plugins` and below: plugins uploaded to the fleet, their versions, and which
//! of them is active. (`/connector-plugins` is Kafka Connect's: what can be run.)

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::extract::{Body, Parameters, Path};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::host::limits::COMPONENT_BYTES_MAX;
use crate::worker::resources::UploadedPlugin;

/// The largest upload, in bytes.
pub(super) const UPLOAD_BYTES_MAX: usize = COMPONENT_BYTES_MAX as usize;

pub(super) fn routes() -> Routes {
    let listed = About::new("The plugins that were uploaded, and their versions")
        .answers::<Vec<UploadedPlugin>>(200);
    let uploaded = About::new("Uploads a component, which is the body")
        .query("sha256", "the component's SHA-256 in hexadecimal")
        .query("activate", "false to leave the active version as it is")
        .answers::<UploadedPlugin>(200)
        .answers::<UploadedPlugin>(201);
    let shown = About::new("The versions of one plugin").answers::<UploadedPlugin>(200);
    let activated = About::new("Makes a version active, or with null the workers' own")
        .takes::<Activation>()
        .answers::<UploadedPlugin>(200);
    let removed = About::new("Deletes a version that nothing uses").answers_nothing(204);
    let mut upload = Routes::default().on(Method::POST, "/plugins", upload, uploaded);
    upload.router = upload.router.layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX));
    Routes::default()
        .on(Method::GET, "/plugins", list, listed)
        .on(Method::GET, "/plugins/{plugin}", read, shown)
        .on(Method::PUT, "/plugins/{plugin}/active", activate, activated)
        .on(Method::DELETE, "/plugins/{plugin}/versions/{version}", remove, removed)
        .merge(upload)
}

/// Whether a request brings a component.
pub(super) fn is_upload(method: &Method, path: &str) -> bool {
    method == Method::POST && path == "/plugins"
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Activation {
    version: Option<String>,
}

async fn list(State(herder): State<Worker>) -> Json<Vec<UploadedPlugin>> {
    Json(herder.uploaded_plugins())
}

async fn read(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<UploadedPlugin>, ApiError> {
    let found = herder.uploaded_plugins().into_iter().find(|plugin| plugin.name == name);
    let missing = || ApiError::not_found(format!("no plugin `{name}` was uploaded"));
    found.map(Json).ok_or_else(missing)
}

/// The component itself is the body; `sha256` says what it must be.
struct Component(Bytes);

impl<S: Send + Sync> FromRequest<S> for Component {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // Also what keeps a web page from posting here.
        if !["application/wasm", "application/octet-stream"].contains(&kind) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be a component, with the header `Content-Type: application/wasm`",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let message = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("the component has more than {UPLOAD_BYTES_MAX} bytes")
                }
                _ => rejection.body_text(),
            };
            ApiError::new(rejection.status(), message)
        })?;
        Ok(Self(bytes))
    }
}

async fn upload(
    State(herder): State<Worker>,
    parameters: Parameters,
    Component(component): Component,
) -> Result<Response, ApiError> {
    let sha256 = parameters.all("sha256").next().unwrap_or_default().to_owned();
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ApiError::bad_request(
            "the parameter `sha256` is the component's SHA-256, 64 hexadecimal digits: \
             /plugins?sha256=$(sha256sum FILE | cut -d' ' -f1)",
        ));
    }
    let activate = parameters.flag("activate", true);
    let (plugin, is_new) = herder.upload_plugin(component, &sha256, activate).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(plugin)).into_response())
}

async fn activate(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    Body(activation): Body<Activation>,
) -> Result<Json<UploadedPlugin>, ApiError> {
    Ok(Json(herder.activate_plugin(&name, activation.version).await?))
}

async fn remove(
    State(herder): State<Worker>,
    Path((name, version)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    herder.delete_plugin(&name, &version).await?;
    Ok(StatusCode::NO_CONTENT)
}
