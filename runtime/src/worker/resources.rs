//! What REST and the command line ask of a fleet's connections and pipelines:
//! named resources with versions, in the config topic beside the connectors.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::herder::{ConnectorKind, HerderError, Object};

/// What a name of a connection or pipeline looks like, in words.
pub const NAME_RULE: &str =
    "has 1 to 200 characters, each an ASCII letter, a digit, `.`, `_` or `-`";

/// Whether a connection or pipeline may have this name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=200).contains(&name.len()) && name.bytes().all(legal) && !matches!(name, "." | "..")
}

/// What whoever changes a resource takes it to be: `If-Match` and
/// `If-None-Match` of RFC 9110.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    #[default]
    Any,
    /// Not there.
    Absent,
    /// There, in whichever version.
    Present,
    /// One of the versions with these tags.
    Tags(Vec<String>),
}

/// Where a connection is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// In the config topic, for every worker.
    Fleet,
    /// In the file of the worker that was asked: other workers may have others.
    Worker,
}

/// `GET /connections/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionInfo {
    /// Its name.
    pub name: String,
    /// Its version; none of one in a worker's file.
    pub version: Option<u64>,
    /// Where it is defined.
    pub origin: Origin,
    /// Driver, settings and `allow`: references to secrets as they are, and no
    /// secret.
    pub definition: Object,
    /// The connectors whose options name it.
    pub used_by: BTreeSet<String>,
    /// What names this version in `If-Match`.
    #[serde(skip)]
    pub etag: String,
}

/// What a pipeline stands for: the names of what it made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineParts {
    /// Its topics.
    pub topics: BTreeSet<String>,
    /// Its connections.
    pub connections: BTreeSet<String>,
    /// Its connectors, by their full names.
    pub connectors: BTreeSet<String>,
}

/// `GET /pipelines/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PipelineInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// What it stands for.
    pub definition: PipelineParts,
    /// What names this version in `If-Match`.
    #[serde(skip)]
    pub etag: String,
}

/// One version of a plugin that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginVersion {
    /// The version.
    pub version: String,
    /// Its role.
    #[serde(rename = "type")]
    pub kind: ConnectorKind,
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Uploads are numbered: the larger came later.
    pub upload: u64,
    /// The connectors that run it, or are going to.
    pub used_by: Vec<String>,
}

/// `GET /plugins/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadedPlugin {
    /// What `connector.class` names.
    pub name: String,
    /// The version that connectors have which name none; `None`: that of each
    /// worker's plugin path.
    pub active: Option<String>,
    /// All versions, the last upload first.
    pub versions: Vec<PluginVersion>,
}

/// The fleet's resources. Changes are answered once they are durable.
#[async_trait]
pub trait Resources {
    /// All connections, by name; of two by one name the one that counts.
    fn connections(&self) -> Vec<ConnectionInfo>;
    /// Creates or changes a connection; true when it was created.
    async fn put_connection(
        &self,
        name: &str,
        definition: Object,
        expected: Expected,
    ) -> Result<(ConnectionInfo, bool), HerderError>;
    /// Deletes a connection that no connector names.
    async fn delete_connection(&self, name: &str, expected: Expected) -> Result<(), HerderError>;
    /// All pipelines that were applied, by name.
    fn pipelines(&self) -> Vec<PipelineInfo>;
    /// Notes what a pipeline stands for; true when it was not known.
    async fn put_pipeline(
        &self,
        name: &str,
        parts: PipelineParts,
        expected: Expected,
    ) -> Result<(PipelineInfo, bool), HerderError>;
    /// Forgets a pipeline. What it made stays.
    async fn delete_pipeline(&self, name: &str, expected: Expected) -> Result<(), HerderError>;
    /// All plugins that were uploaded, by name.
    fn uploaded_plugins(&self) -> Vec<UploadedPlugin>;
    /// Takes a component with this SHA-256; true when its version is new.
    async fn upload_plugin(
        &self,
        component: Bytes,
        sha256: &str,
        activate: bool,
    ) -> Result<(UploadedPlugin, bool), HerderError>;
    /// Makes another version active, or with `None` the workers' own.
    async fn activate_plugin(
        &self,
        name: &str,
        version: Option<String>,
    ) -> Result<UploadedPlugin, HerderError>;
    /// Deletes a version that nothing uses.
    async fn delete_plugin(&self, name: &str, version: &str) -> Result<(), HerderError>;
}

impl Expected {
    /// Refuses what is not as it was expected. `etag` is that of what is there.
    pub(crate) fn check(&self, what: &str, etag: Option<&str>) -> Result<(), HerderError> {
        let wrong = |message| Err(HerderError::Precondition(message));
        match (self, etag) {
            (Self::Any, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Tags(tags), Some(etag)) if tags.iter().any(|tag| tag == etag) => Ok(()),
            (Self::Absent, Some(_)) => wrong(format!("{what} is there already")),
            (Self::Tags(_), Some(etag)) => wrong(format!(
                "{what} was changed meanwhile: its ETag is \"{etag}\". Read it again, and change that"
            )),
            (Self::Present | Self::Tags(_), None) => wrong(format!("{what} is not there")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere() {
        for name in ["a", "a-1_b.C", &"x".repeat(200)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a b", "ü", "a\n", &"x".repeat(201)] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn what_is_expected_otherwise_is_refused() {
        let check = |expected: Expected, etag| expected.check("it", etag).is_ok();
        let tags = || Expected::Tags(vec!["1-a".to_owned(), "2-b".to_owned()]);
        assert!(check(Expected::Any, None) && check(Expected::Any, Some("1-a")));
        assert!(check(Expected::Absent, None) && !check(Expected::Absent, Some("1-a")));
        assert!(!check(Expected::Present, None) && check(Expected::Present, Some("1-a")));
        assert!(check(tags(), Some("2-b")) && !check(tags(), Some("3-b")) && !check(tags(), None));
    }
}
