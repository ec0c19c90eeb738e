//! What may stand in a node's file beside the broker's own properties.

use std::fmt::Write as _;

use longshore_broker::config::{BROKER_KEYS, ConfigKind};
use serde_json::{Map, Value as Json, json};

use crate::pipeline::model;

/// A property that this crate reads.
pub(super) struct NodeKey {
    /// Kafka's name.
    pub(super) name: &'static str,
    /// Its type.
    pub(super) kind: ConfigKind,
    /// What it is when left out, in words where it has no single value.
    pub(super) default: &'static str,
    /// One sentence for people.
    pub(super) doc: &'static str,
}

const fn key(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    doc: &'static str,
) -> NodeKey {
    NodeKey { name, kind, default, doc }
}

use ConfigKind::{Boolean, Int, List, Long, String};

/// Properties of the process and of its worker. Those of the worker are Kafka
/// Connect's.
pub(super) const NODE_KEYS: &[NodeKey] = &[
    key(
        "process.roles",
        List,
        "broker,controller,worker",
        "What this process is: broker, controller, worker.",
    ),
    key(
        "controller.quorum.voters",
        List,
        "this node alone",
        "The controllers as ID@host:port; for now it can only name this node.",
    ),
    key(
        "bootstrap.servers",
        List,
        "this process's broker",
        "The cluster that the worker keeps its state and topics in.",
    ),
    key("group.id", String, "longshore", "The fleet of workers that this worker joins."),
    key(
        "rest.listeners",
        List,
        "http://127.0.0.1:8083",
        "Where REST listens, http://host:port or https://host:port; port 0 takes a free one.",
    ),
    key(
        "rest.advertised.listener",
        String,
        "the scheme of the first of rest.listeners",
        "How workers send requests on to each other, http or https: alike in the whole fleet.",
    ),
    key(
        "rest.advertised.host.name",
        String,
        "the host of rest.listeners",
        "The host that other workers and statuses name this worker by.",
    ),
    key(
        "rest.advertised.port",
        Int,
        "the port of rest.listeners",
        "The port that other workers and statuses name this worker by.",
    ),
    key(
        "admin.listeners",
        List,
        "rest.listeners",
        "Where /admin is served, if not with the rest; an empty list turns it off.",
    ),
    key(
        "rest.auth.basic.file",
        String,
        "none, everybody may send requests",
        "A file of USER=PASSWORD lines: who may send requests to REST by basic authentication.",
    ),
    key(
        "rest.auth.bearer.file",
        String,
        "none, everybody may send requests",
        "A file of NAME=TOKEN lines: who may send requests to REST by bearer tokens.",
    ),
    key(
        "rest.auth.readers",
        List,
        "none",
        "Those of these users and names of tokens who may only read.",
    ),
    key(
        "rest.auth.admins",
        List,
        "none",
        "Those of them who alone may upload, activate and delete plugins.",
    ),
    key(
        "access.control.allow.origin",
        List,
        "none",
        "Origins whose web pages may send requests to REST, https://host:port or *.",
    ),
    key("access.control.allow.methods", List, "GET, POST, HEAD", "What such pages may do."),
    key(
        "response.http.headers.config",
        String,
        "none",
        "Headers of every answer of REST, `set NAME: VALUE, add NAME: VALUE, setDate NAME: MILLISECONDS`.",
    ),
    key(
        "inter.worker.key.generation.algorithm",
        String,
        "HmacSHA256",
        "What the key is for that workers sign their requests to each other with.",
    ),
    key("inter.worker.key.size", Int, "that of the algorithm", "The key's size in bits."),
    key(
        "inter.worker.key.ttl.ms",
        Int,
        "3600000",
        "How old the key may grow before the leader makes another.",
    ),
    key(
        "inter.worker.signature.algorithm",
        String,
        "HmacSHA256",
        "How workers sign: HmacSHA256, HmacSHA384, HmacSHA512.",
    ),
    key(
        "inter.worker.verification.algorithms",
        List,
        "HmacSHA256",
        "The signatures of other workers that count.",
    ),
    key(
        "plugin.path",
        List,
        "plugins beside the executable, /usr/lib/longshore/plugins",
        "Folders of plugins (.wasm), searched in order.",
    ),
    key(
        "plugin.cache.dir",
        String,
        "longshore/compiled-plugins in the user's cache folder",
        "Where compiled plugins are kept: a folder that nobody else can write.",
    ),
    key("config.storage.topic", String, "connect-configs", "The topic of configurations."),
    key("config.storage.replication.factor", Int, "1", "Its replicas when it is created."),
    key("offset.storage.topic", String, "connect-offsets", "The topic of sources' offsets."),
    key("offset.storage.replication.factor", Int, "1", "Its replicas when it is created."),
    key("offset.storage.partitions", Int, "5", "Its partitions when it is created."),
    key("status.storage.topic", String, "connect-status", "The topic of states."),
    key("status.storage.replication.factor", Int, "1", "Its replicas when it is created."),
    key("status.storage.partitions", Int, "5", "Its partitions when it is created."),
    key(
        "plugin.upload.enable",
        Boolean,
        "false",
        "Whether requests may bring plugins: those of users that rest.auth.admins names, or on admin.listeners of their own.",
    ),
    key(
        "plugin.upload.replace.enable",
        Boolean,
        "false",
        "Whether such a plugin may take the place of one of the same name in plugin.path.",
    ),
    key(
        "connection.resources.enable",
        Boolean,
        "false",
        "Whether requests may define connections, within the bounds below.",
    ),
    key(
        "connection.resources.root.allowed.paths",
        List,
        "none",
        "Folders in and below which a local connection that a request defines may begin.",
    ),
    key(
        "connection.resources.file.allowed.paths",
        List,
        "none",
        "Files and folders that its references ${file:} and ${dir:} may name.",
    ),
    key(
        "connection.resources.env.allowlist.pattern",
        String,
        "none",
        "Variables that its references ${env:} may name: a regular expression for a whole name.",
    ),
    key("plugin.storage.topic", String, "connect-plugins", "The topic of uploaded plugins."),
    key("plugin.storage.replication.factor", Int, "1", "Its replicas when it is created."),
    key("offset.flush.interval.ms", Long, "5000", "How often a sink's offsets are committed."),
    key(
        "exactly.once.source.support",
        String,
        "enabled",
        "Whether sources write records and offsets in one transaction: disabled, preparing, enabled.",
    ),
    key(
        "topic.tracking.enable",
        Boolean,
        "true",
        "Whether the topics that connectors use are tracked, for GET /connectors/NAME/topics.",
    ),
    key(
        "topic.tracking.allow.reset",
        Boolean,
        "true",
        "Whether requests may make the fleet forget the topics that a connector used.",
    ),
    key(
        "session.timeout.ms",
        Int,
        "8000",
        "A worker unheard of for this long loses its tasks to the others.",
    ),
    key(
        "rebalance.timeout.ms",
        Int,
        "60000",
        "How long workers may take to give work up in a rebalance.",
    ),
    key(
        "scheduled.rebalance.max.delay.ms",
        Int,
        "3000",
        "How long the tasks of a worker that was stopped in order wait for its return; 0: not at all.",
    ),
    key("metadata.max.age.ms", Long, "5000", "How often new topics and partitions are looked for."),
];

/// The one key that holds a block: connections, as a pipeline defines them.
pub(super) const CONNECTIONS: &str = "connections";
const CONNECTIONS_DOC: &str = "Named, credentialed uses of drivers, for the worker's connectors.";

/// What the broker's properties for a single listener begin with.
pub(super) const LISTENER_PREFIX: &str = "listener.name.";
const LISTENER_DOC: &str = "A property of one listener, listener.name.NAME.PROPERTY.";

/// What the properties of the worker's own Kafka clients begin with: beside a
/// broker, which has some of the same names, they must be told apart.
pub(super) const CLIENT_PREFIX: &str = "worker.client.";
const CLIENT_DOC: &str = "How the worker reaches its cluster: worker.client.security.protocol, \
    sasl.mechanism, sasl.jaas.config or sasl.username and sasl.password, ssl.ca.location, \
    ssl.certificate.location, ssl.key.location (PEM).";

/// What TLS properties of the REST listeners begin with, and of the admin listeners'.
pub(super) const REST_TLS_PREFIX: &str = "listeners.https.";
pub(super) const ADMIN_TLS_PREFIX: &str = "admin.listeners.https.";
const REST_TLS_DOC: &str = "TLS of REST listeners: ssl.keystore.location (PEM, certificate chain \
    and private key), ssl.truststore.location, ssl.client.auth (none, requested, required), \
    ssl.enabled.protocols.";

/// The JSON Schema of a node's file.
pub fn schema() -> Json {
    let mut properties = Map::new();
    let mut add = |name: &str, kind, default: Option<&str>, doc: &str| {
        properties.insert(name.to_owned(), property(kind, default, doc));
    };
    for key in NODE_KEYS {
        add(key.name, key.kind, Some(key.default), key.doc);
    }
    for key in BROKER_KEYS {
        add(key.name, key.kind, key.default, key.doc);
    }
    let mut pipeline = model::schema();
    let mut connections = pipeline["properties"][CONNECTIONS].take();
    connections["description"] = CONNECTIONS_DOC.into();
    properties.insert(CONNECTIONS.to_owned(), connections);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Longshore node",
        "type": "object",
        "properties": properties,
        "patternProperties": {
            r"^listener\.name\.": { "description": LISTENER_DOC },
            r"^(admin\.)?listeners\.https\.": { "type": ["string", "boolean"], "description": REST_TLS_DOC },
            r"^worker\.client\.": { "type": ["string", "boolean"], "description": CLIENT_DOC },
        },
        "additionalProperties": false,
        "$defs": pipeline["$defs"].take(),
    })
}

fn property(kind: ConfigKind, default: Option<&str>, doc: &str) -> Json {
    let types = match kind {
        ConfigKind::Boolean => json!(["boolean", "string"]),
        ConfigKind::Int | ConfigKind::Long => json!(["integer", "string"]),
        ConfigKind::Double => json!(["number", "string"]),
        ConfigKind::List => json!(["string", "number", "array"]),
        _ => json!(["string", "number", "boolean"]),
    };
    let doc = match default {
        Some(default) => format!("{doc} Default: {default}."),
        None => doc.to_owned(),
    };
    json!({ "type": types, "items": { "type": ["string", "number"] }, "description": doc })
}

/// All properties with their defaults, one a line, for `--help`.
pub fn table() -> std::string::String {
    let mut text = std::string::String::new();
    let mut row = |name: &str, default: &str, doc: &str| {
        writeln!(text, "  {name} [{default}]\n      {doc}").expect("a string takes all");
    };
    for key in NODE_KEYS {
        row(key.name, key.default, key.doc);
    }
    row(CONNECTIONS, "none", CONNECTIONS_DOC);
    row("worker.client.PROPERTY", "none, PLAINTEXT", CLIENT_DOC);
    row("listeners.https.PROPERTY", "none", REST_TLS_DOC);
    row("admin.listeners.https.PROPERTY", "none", "The same of admin.listeners.");
    for key in BROKER_KEYS {
        row(key.name, key.default.unwrap_or("as its topic's key"), key.doc);
    }
    text
}
