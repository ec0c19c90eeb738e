//! From a checked pipeline to what a worker is given.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::check::DEFAULT_CONNECTION;
use super::model::{Allow, Connection, Driver, Kind, OneOrMany, Pipeline, Top, Verb};
use crate::worker::herder::ConnectorConfig;

/// A topic to create when it is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicDefinition {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas; the cluster's default when absent.
    #[serde(rename = "replication.factor", skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i16>,
    /// Kafka's topic configurations.
    pub configs: BTreeMap<String, String>,
}

/// A connector as `POST /connectors` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenderedConnector {
    /// `PIPELINE-CONNECTOR`.
    pub name: String,
    /// Its flat configuration.
    pub config: ConnectorConfig,
}

/// What a pipeline stands for.
#[derive(Debug, Clone, Serialize)]
pub struct Rendered {
    /// The pipeline's name.
    pub name: String,
    /// Topics to create, by name.
    pub topics: Vec<TopicDefinition>,
    /// Connections, with folders made absolute and connectors' full names.
    /// References to secrets are still references.
    pub connections: BTreeMap<String, Connection>,
    /// Connectors, each after those that feed it.
    pub connectors: Vec<RenderedConnector>,
    /// What to show at the end, with converters filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<Top>,
}

/// Renders a pipeline; relative folders are resolved against `current_folder`.
#[must_use]
pub fn render(pipeline: &Pipeline, current_folder: &Path) -> Rendered {
    let full = |name: &str| format!("{}-{name}", pipeline.name);
    let mut stages: Vec<StageConfig> = Vec::new();
    for (name, connector) in &pipeline.connectors {
        let mut config = flat(&connector.options);
        config.insert("connector.class".to_owned(), connector.class.clone());
        stages.push(StageConfig::new(full(name), config, connector.tasks_max, "topics", "topic"));
    }
    for (name, stream) in &pipeline.streams {
        let mut config = flat(&stream.options);
        config.insert("connector.class".to_owned(), stream.processor.clone());
        config.insert("topics".to_owned(), topics_of(&stream.from).join(","));
        config.insert("output.topic".to_owned(), stream.to.clone());
        stages.push(StageConfig::new(
            full(name),
            config,
            stream.tasks_max,
            "topics",
            "output.topic",
        ));
    }
    let topics: Vec<TopicDefinition> = pipeline
        .topics
        .iter()
        .map(|(name, topic)| {
            let topic = topic.clone().unwrap_or_default();
            TopicDefinition {
                name: name.clone(),
                partitions: topic.partitions.unwrap_or(1),
                replication_factor: topic.replication_factor,
                configs: flat(&topic.configs),
            }
        })
        .collect();
    let top = pipeline.run.as_ref().and_then(|run| run.top.clone());
    let top = top.map(|top| with_converters(top, &stages));
    Rendered {
        name: pipeline.name.clone(),
        topics,
        connections: connections(pipeline, current_folder),
        connectors: in_order(stages),
        top,
    }
}

struct StageConfig {
    name: String,
    config: ConnectorConfig,
    inputs: Vec<String>,
    pattern: Option<regex::Regex>,
    outputs: Vec<String>,
}

impl StageConfig {
    fn new(
        name: String,
        mut config: ConnectorConfig,
        tasks_max: Option<u32>,
        inputs: &str,
        output: &str,
    ) -> Self {
        config.insert("name".to_owned(), name.clone());
        if let Some(tasks_max) = tasks_max {
            config.insert("tasks.max".to_owned(), tasks_max.to_string());
        }
        let named = |key: &str| config.get(key).map(|names| split(names)).unwrap_or_default();
        let pattern = config
            .get("topics.regex")
            .and_then(|text| regex::Regex::new(&format!("^(?:{text})$")).ok());
        Self { inputs: named(inputs), pattern, outputs: named(output), name, config }
    }

    fn reads(&self, topic: &str) -> bool {
        self.inputs.iter().any(|input| input == topic)
            || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(topic))
    }
}

fn split(names: &str) -> Vec<String> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn topics_of(from: &OneOrMany) -> Vec<String> {
    split(&from.joined())
}

fn flat(options: &BTreeMap<String, super::model::Flat>) -> BTreeMap<String, String> {
    options.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect()
}

/// The converters of the topic's first reader, where the file says nothing.
fn with_converters(mut top: Top, stages: &[StageConfig]) -> Top {
    let of_reader = |option: &str| {
        stages
            .iter()
            .filter(|stage| stage.reads(&top.topic))
            .find_map(|stage| stage.config.get(option).cloned())
    };
    let key = of_reader("key.converter").unwrap_or_else(|| "string".to_owned());
    let value = of_reader("value.converter").unwrap_or_else(|| "long".to_owned());
    top.key_converter.get_or_insert(key);
    top.value_converter.get_or_insert(value);
    top
}

fn connections(pipeline: &Pipeline, current_folder: &Path) -> BTreeMap<String, Connection> {
    let mut connections = pipeline.connections.clone();
    connections.entry(DEFAULT_CONNECTION.to_owned()).or_insert_with(|| Connection {
        driver: Driver::Objects,
        kind: Kind::Local,
        root: Some(".".to_owned()),
        bucket: None,
        prefix: None,
        region: None,
        endpoint: None,
        path_style_access: None,
        access_key_id: None,
        secret_access_key: None,
        session_token: None,
        checksums: None,
        url: None,
        auth_type: None,
        connection_user: None,
        connection_password: None,
        api_key: None,
        bearer_token: None,
        oauth2_token_url: None,
        oauth2_client_id: None,
        oauth2_client_secret: None,
        oauth2_client_scope: None,
        oauth2_client_auth_mode: None,
        headers: None,
        ssl_ca_pem: None,
        ssl_certificate_pem: None,
        ssl_key_pem: None,
        connect_timeout_ms: None,
        request_timeout_ms: None,
        file: None,
        host: None,
        port: None,
        database: None,
        user: None,
        password: None,
        tls: None,
        ca: None,
        allow: Allow { connectors: vec!["*".to_owned()], verbs: vec![Verb::Read, Verb::Write] },
    });
    for connection in connections.values_mut() {
        // A reference is resolved on the host, and its folder is taken as it is.
        if let Some(root) = connection.root.as_mut().filter(|root| !root.starts_with("${")) {
            *root = absolute(current_folder, root);
        }
        for connector in &mut connection.allow.connectors {
            *connector = format!("{}-{connector}", pipeline.name);
        }
    }
    connections
}

/// An absolute path without `.` parts; `..` stays, for it may pass a link.
fn absolute(current_folder: &Path, root: &str) -> String {
    let joined: PathBuf = current_folder.join(root).components().collect();
    joined.display().to_string()
}

/// Each stage after those that feed it; by name where that leaves a choice. A
/// cycle, which checking has refused, would come last as it is.
fn in_order(mut stages: Vec<StageConfig>) -> Vec<RenderedConnector> {
    stages.sort_by(|one, other| one.name.cmp(&other.name));
    let mut ordered = Vec::with_capacity(stages.len());
    while !stages.is_empty() {
        let fed = |at: usize| {
            stages.iter().enumerate().any(|(other, stage)| {
                other != at && stage.outputs.iter().any(|topic| stages[at].reads(topic))
            })
        };
        let next = (0..stages.len()).find(|at| !fed(*at)).unwrap_or(0);
        let stage = stages.remove(next);
        ordered.push(RenderedConnector { name: stage.name, config: stage.config });
    }
    ordered
}
