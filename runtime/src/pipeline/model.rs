//! What may stand in a pipeline's file. The JSON Schema for editors is made
//! from these types, and the file is checked against that same schema.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// A scalar of a flat configuration: YAML's string, number or boolean, kept as
/// the string that Kafka Connect would be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Flat(pub String);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            value @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => {
                Ok(Self(value.to_string()))
            }
            other => Err(serde::de::Error::custom(format!(
                "expected a string, a number, true or false, found {other}"
            ))),
        }
    }
}

impl JsonSchema for Flat {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Flat".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// What names of pipelines, topics, connections and connectors look like.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9._-]{1,200}$";

/// A pipeline: topics, connections, connectors and stream stages, under one
/// name that goes before the names of its connectors.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The pipeline's name: its connectors are called `NAME-CONNECTOR`.
    #[schemars(pattern(r"^[A-Za-z0-9._-]{1,100}$"))]
    pub name: String,
    /// Topics that the pipeline creates when they are missing.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "pattern": NAME_PATTERN }))]
    pub topics: BTreeMap<String, Option<Topic>>,
    /// Named, credentialed uses of drivers. `files`, the objects driver rooted
    /// at the current folder, is there unless it is defined here.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "pattern": NAME_PATTERN }))]
    pub connections: BTreeMap<String, Connection>,
    /// Sources and sinks, each a flat Kafka Connect configuration.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "pattern": NAME_PATTERN }))]
    pub connectors: BTreeMap<String, Connector>,
    /// Processors: stages from topics to a topic.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "pattern": NAME_PATTERN }))]
    pub streams: BTreeMap<String, Stream>,
    /// What `longshore run` shows at the end.
    #[serde(default)]
    pub run: Option<Run>,
}

/// A topic, with Kafka's own configuration names beside these two.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Topic {
    /// How many partitions (1 when left out).
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    pub partitions: Option<i32>,
    /// How many replicas (the cluster's default when left out).
    #[serde(default, rename = "replication.factor")]
    #[schemars(range(min = 1, max = 100))]
    pub replication_factor: Option<i16>,
    /// Kafka's topic configurations, such as `cleanup.policy`.
    #[serde(flatten)]
    pub configs: BTreeMap<String, Flat>,
}

/// A driver's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Driver {
    /// HTTP servers.
    Http,
    /// Files and objects.
    Objects,
    /// Search engines.
    Search,
    /// Topics of SNS.
    Sns,
    /// Databases.
    Sql,
    /// Queues of SQS.
    Sqs,
}

/// The kind of system that a driver speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Kind {
    /// `objects`: a folder of this machine.
    Local,
    /// `objects`: a bucket of S3.
    S3,
    /// `http`: any HTTP server.
    Http,
    /// `search`: Elasticsearch or OpenSearch.
    Elasticsearch,
    /// `sql`: PostgreSQL.
    Postgresql,
    /// `sql`: MySQL.
    Mysql,
    /// `sql`: MariaDB.
    Mariadb,
    /// `sql`: a file of SQLite.
    Sqlite,
    /// `sns`: the topics of an account in a region.
    Sns,
    /// `sqs`: the queues of an account in a region.
    Sqs,
}

/// A named use of a driver. References such as `${env:NAME}` may stand here
/// and nowhere else.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The driver: `http`, `objects`, `search`, `sns`, `sql` or `sqs`.
    pub driver: Driver,
    /// What the driver speaks to: `http` of `http`, `local` or `s3` of `objects`,
    /// `elasticsearch` of `search`, `postgresql`, `mysql`, `mariadb` or `sqlite` of `sql`,
    /// `sns` of `sns`, `sqs` of `sqs`.
    pub kind: Kind,
    /// `local` and `sqlite`: the folder that nothing escapes; relative to the current
    /// folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub root: Option<String>,
    /// `s3`: the bucket's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub bucket: Option<String>,
    /// `s3`: the folder of the bucket that nothing escapes (all of it when left out).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `s3`, `sns`, `sqs`: the region that requests are signed for (`us-east-1` when left out).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `s3`, `sns`, `sqs`: `https://host:port` of a server other than AWS's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// `s3`: the bucket's name stands in the path and not in the host's name (so it is with
    /// an `endpoint`, when left out).
    #[serde(default, rename = "path.style.access", skip_serializing_if = "Option::is_none")]
    pub path_style_access: Option<bool>,
    /// `s3`, `sns`, `sqs`: whose requests they are (those of `s3` not signed when left out).
    #[serde(default, rename = "access.key.id", skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// `s3`, `sns`, `sqs`: what signs them: a reference to it.
    #[serde(default, rename = "secret.access.key", skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// `s3`, `sns`, `sqs`: what temporary credentials have as well: a reference to it.
    #[serde(default, rename = "session.token", skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// `s3`: which requests carry a checksum: `when-supported` or `when-required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<String>,
    /// `http` and `elasticsearch`: what all requests are beneath, `https://host:port/path/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `http` and `elasticsearch`: how requests say whose they are: `none`, `basic`; of
    /// `http` also `bearer` or `oauth2`, of `elasticsearch` `api-key`.
    #[serde(default, rename = "auth.type", skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<String>,
    /// `http` and `elasticsearch`: the user, for `basic`.
    #[serde(default, rename = "connection.user", skip_serializing_if = "Option::is_none")]
    pub connection_user: Option<String>,
    /// `http` and `elasticsearch`: the user's password: a reference to it.
    #[serde(default, rename = "connection.password", skip_serializing_if = "Option::is_none")]
    pub connection_password: Option<String>,
    /// `elasticsearch`: the key, for `api-key`: a reference to it.
    #[serde(default, rename = "api.key", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// `http`: the token, for `bearer`: a reference to it.
    #[serde(default, rename = "bearer.token", skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<String>,
    /// `http`: where tokens are had, for `oauth2`.
    #[serde(default, rename = "oauth2.token.url", skip_serializing_if = "Option::is_none")]
    pub oauth2_token_url: Option<String>,
    /// `http`: who asks for them.
    #[serde(default, rename = "oauth2.client.id", skip_serializing_if = "Option::is_none")]
    pub oauth2_client_id: Option<String>,
    /// `http`: the client's secret: a reference to it.
    #[serde(default, rename = "oauth2.client.secret", skip_serializing_if = "Option::is_none")]
    pub oauth2_client_secret: Option<String>,
    /// `http`: what the token is to allow.
    #[serde(default, rename = "oauth2.client.scope", skip_serializing_if = "Option::is_none")]
    pub oauth2_client_scope: Option<String>,
    /// `http`: where id and secret stand: `header` or `body`.
    #[serde(default, rename = "oauth2.client.auth.mode", skip_serializing_if = "Option::is_none")]
    pub oauth2_client_auth_mode: Option<String>,
    /// `http`: headers of every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// `http` and `elasticsearch`: the authorities of the server's certificate, as PEM
    /// (`http`: the system's when left out; `elasticsearch`: beside Mozilla's).
    #[serde(default, rename = "ssl.ca.pem", skip_serializing_if = "Option::is_none")]
    pub ssl_ca_pem: Option<String>,
    /// `http`: the certificate that the client shows, as PEM.
    #[serde(default, rename = "ssl.certificate.pem", skip_serializing_if = "Option::is_none")]
    pub ssl_certificate_pem: Option<String>,
    /// `http`: its key, as PEM: a reference to it.
    #[serde(default, rename = "ssl.key.pem", skip_serializing_if = "Option::is_none")]
    pub ssl_key_pem: Option<String>,
    /// `http`: how long a connection may take (5000 when left out).
    #[serde(default, rename = "connect.timeout.ms", skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ms: Option<u64>,
    /// `http` and `elasticsearch`: how long a request may take (10000 when left out).
    #[serde(default, rename = "request.timeout.ms", skip_serializing_if = "Option::is_none")]
    pub request_timeout_ms: Option<u64>,
    /// `sqlite`: the file's name in its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A server's name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A server's port (its system's own when left out).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Flat>,
    /// A server's database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's password: a reference to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// How a connection to a server is protected: `disable`, `prefer`, `require`,
    /// `verify-ca`, `verify-full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// The certificates that the server's is signed by, a PEM file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Who may use it, and for what.
    pub allow: Allow,
}

/// Who may use a connection, and for what.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Connectors of this pipeline, by name or pattern (`*`).
    #[schemars(length(min = 1))]
    pub connectors: Vec<String>,
    /// What they may do: `read`, `write`.
    #[schemars(length(min = 1))]
    pub verbs: Vec<Verb>,
}

/// What a connector does through a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Verb {
    /// List and read.
    Read,
    /// Create and delete, which includes reading.
    Write,
}

impl Verb {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A source or sink: a flat Kafka Connect configuration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Connector {
    /// The plugin, such as `file-source`.
    #[serde(rename = "connector.class")]
    pub class: String,
    /// At most so many tasks.
    #[serde(default, rename = "tasks.max", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub tasks_max: Option<u32>,
    /// The plugin's options and the worker's.
    #[serde(flatten)]
    pub options: BTreeMap<String, Flat>,
}

/// A processor between topics.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Stream {
    /// The plugin, such as `split-words`.
    pub processor: String,
    /// The topic or topics that it reads.
    pub from: OneOrMany,
    /// The topic that it writes.
    pub to: String,
    /// At most so many tasks.
    #[serde(default, rename = "tasks.max", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub tasks_max: Option<u32>,
    /// The plugin's options and the worker's.
    #[serde(flatten)]
    pub options: BTreeMap<String, Flat>,
}

/// One name or a list of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneOrMany {
    /// One, or several with commas between.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them with commas between, as `topics` has it.
    #[must_use]
    pub fn joined(&self) -> String {
        match self {
            Self::One(one) => one.clone(),
            Self::Many(many) => many.join(","),
        }
    }
}

/// What `longshore run` shows at the end.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The keys with the largest values of a topic.
    #[serde(default)]
    pub top: Option<Top>,
}

/// The keys with the largest values of a topic.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// The topic: the last value of each key counts.
    pub topic: String,
    /// How many keys (10 when left out).
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub count: usize,
    /// How keys are read; `string` when left out.
    #[serde(default, rename = "key.converter")]
    pub key_converter: Option<String>,
    /// How values are read; `long` when left out.
    #[serde(default, rename = "value.converter")]
    pub value_converter: Option<String>,
}

const fn ten() -> usize {
    10
}

/// The JSON Schema of a pipeline's file.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Pipeline);
    schema.insert("title".to_owned(), "Longshore pipeline".into());
    schema.to_value()
}
