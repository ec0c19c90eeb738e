//! `/connectors` and `/connectors/{c}`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Body, Parameters, Path, flat_config, unreadable};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::{ConnectorInfo, ConnectorStatus, HerderError, Object, TargetState};

pub(super) fn routes() -> Routes {
    let listed = About::new("The names of all connectors, or all that is known of them")
        .query("expand", "`status`, `info`, or both by giving it twice")
        .answers::<Listed>(200);
    let created =
        About::new("Create a connector").takes::<NewConnector>().answers::<ConnectorInfo>(201);
    let one = "/connectors/{connector}";
    Routes::default()
        .on(Method::GET, "/connectors", list, listed)
        .on(Method::POST, "/connectors", create, created)
        .on(Method::GET, one, read, About::new("A connector").answers::<ConnectorInfo>(200))
        .on(Method::DELETE, one, delete, About::new("Delete a connector").answers_nothing(204))
}

/// A connector to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewConnector {
    /// Its name.
    name: Option<String>,
    /// Its configuration: flat options.
    config: Option<Object>,
    /// The state that it begins in (KIP-980).
    initial_state: Option<String>,
}

/// What `expand` asked for.
#[derive(Serialize, Default, JsonSchema)]
struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ConnectorStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<ConnectorInfo>,
}

/// Names, or connectors by name.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Listed {
    Names(Vec<String>),
    Expanded(BTreeMap<String, Expanded>),
}

async fn list(
    State(herder): State<Worker>,
    parameters: Parameters,
) -> Result<Json<Listed>, ApiError> {
    // What it cannot be expanded by is passed over, as in Kafka Connect.
    let wanted: Vec<&str> = parameters.all("expand").collect();
    let names = herder.connectors();
    if wanted.is_empty() {
        return Ok(Json(Listed::Names(names)));
    }
    let mut all = BTreeMap::new();
    for name in names {
        let mut expanded = Expanded::default();
        // One deleted in the meantime is left out, not an error.
        if wanted.contains(&"status") {
            match present(herder.status(&name))? {
                None => continue,
                status => expanded.status = status,
            }
        }
        if wanted.contains(&"info") {
            match present(herder.connector(&name))? {
                None => continue,
                info => expanded.info = info,
            }
        }
        all.insert(name, expanded);
    }
    Ok(Json(Listed::Expanded(all)))
}

fn present<T>(answer: Result<T, HerderError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(HerderError::NotFound(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

async fn create(
    State(herder): State<Worker>,
    Body(new): Body<NewConnector>,
) -> Result<Response, ApiError> {
    let name = new.name.unwrap_or_default().trim().to_owned();
    let config = new.config.ok_or_else(|| unreadable("it lacks `config`"))?;
    let initial_state = new.initial_state.as_deref().map(initial_state).transpose()?;
    let config = named(&name, flat_config(config)?)?;
    let info = herder.create_in(&name, config, initial_state).await?;
    Ok((StatusCode::CREATED, location(&name), Json(info)).into_response())
}

/// KIP-980's names of the states that a connector may begin in.
fn initial_state(name: &str) -> Result<TargetState, ApiError> {
    let states = [
        ("RUNNING", TargetState::Started),
        ("PAUSED", TargetState::Paused),
        ("STOPPED", TargetState::Stopped),
    ];
    let found = states.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let wrong =
        || unreadable(&format!("`initial_state` is RUNNING, PAUSED or STOPPED, not `{name}`"));
    found.map(|(_, state)| state).ok_or_else(wrong)
}

/// A connector's name goes into topics, groups and paths.
fn check_name(name: &str) -> Result<(), ApiError> {
    const NAME_CHARACTERS_MAX: usize = 200;
    if name.trim().is_empty() {
        return Err(ApiError::bad_request("the connector's name is empty"));
    }
    if name.chars().count() > NAME_CHARACTERS_MAX
        || name.chars().any(|c| c.is_control() || c == '/')
    {
        return Err(ApiError::bad_request(format!(
            "a connector's name has at most {NAME_CHARACTERS_MAX} characters, none of them `/` or a control character"
        )));
    }
    Ok(())
}

/// The configuration with `name` inside, which must be the connector's.
pub(super) fn named(
    name: &str,
    mut config: crate::worker::herder::ConnectorConfig,
) -> Result<crate::worker::herder::ConnectorConfig, ApiError> {
    check_name(name)?;
    match config.get("name") {
        Some(other) if other != name => Err(ApiError::bad_request(format!(
            "Connector name configuration ({other}) doesn't match connector name in the URL ({name})"
        ))),
        _ => {
            config.insert("name".to_owned(), name.to_owned());
            Ok(config)
        }
    }
}

/// Where a created connector is.
pub(super) fn location(name: &str) -> HeaderMap {
    let mut path = String::from("/connectors/");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    let value = HeaderValue::from_str(&path).expect("percent-encoded text is a header value");
    HeaderMap::from_iter([(header::LOCATION, value)])
}

async fn read(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<Json<ConnectorInfo>, ApiError> {
    Ok(Json(herder.connector(&name)?))
}

async fn delete(
    State(herder): State<Worker>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    herder.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
