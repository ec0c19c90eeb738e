//! What is asked of a registry and answered by it, in JSON.

use serde::{Deserialize, Serialize};

/// The format of a schema, by the registry's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SchemaKind {
    /// Avro, which also stands where nothing is said.
    #[default]
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol buffers.
    Protobuf,
    /// One that is not known here.
    #[serde(other)]
    Other,
}

/// A schema that another one names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// What it is called there.
    pub name: String,
    /// Where it is registered.
    pub subject: String,
    /// The version of it that is meant.
    pub version: i32,
}

/// A schema by its id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// Its text.
    pub schema: String,
    /// Its format.
    #[serde(rename = "schemaType", default)]
    pub kind: SchemaKind,
    /// The schemas that it names.
    #[serde(default)]
    pub references: Vec<Reference>,
}

/// A schema as a version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// The schema's id.
    pub id: u32,
    /// The version's number.
    #[serde(default)]
    pub version: i32,
    /// The schema itself.
    #[serde(flatten)]
    pub found: Found,
}

/// A schema to be registered or looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submitted<'a> {
    /// Its text.
    pub schema: &'a str,
    /// Its format.
    #[serde(rename = "schemaType")]
    pub kind: SchemaKind,
}

/// The id of a schema that was registered.
#[derive(Debug, Deserialize)]
pub(super) struct Id {
    pub(super) id: u32,
}

/// What a registry says when it refuses.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) error_code: u32,
    pub(super) message: String,
}
