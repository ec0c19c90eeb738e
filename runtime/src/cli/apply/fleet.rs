//! What the fleet has, and what it says of the files.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::CliError;
use super::super::cluster::Cluster;
use super::super::rest::{Condition, Rest};
use super::files::{Files, PipelineFile};
use crate::kafka::Admin;
use crate::pipeline::compare::{Fleet, FleetTopic, Wanted};
use crate::pipeline::render::RenderedConnector;
use crate::worker::definitions::ConfigInfos;
use crate::worker::resources::{ConnectionInfo, Origin, PipelineInfo};
use crate::yaml::{Problem, did_you_mean};

/// A fleet and its cluster.
pub(super) struct FleetClient {
    pub(super) rest: Rest,
    cluster: Cluster,
}

#[derive(Deserialize)]
struct Root {
    kafka_cluster_id: String,
}

/// Kinds of plugins that a connector can be of.
const CONNECTORS: [&str; 3] = ["source", "sink", "processor"];

/// A plugin of the worker, or a converter or transform that it has itself.
#[derive(Deserialize)]
struct Listed {
    class: String,
    #[serde(rename = "type")]
    kind: String,
}

impl FleetClient {
    pub(super) fn new(rest: Rest, cluster: Cluster) -> Self {
        Self { rest, cluster }
    }

    pub(super) fn admin(&self) -> &dyn Admin {
        self.cluster.admin()
    }

    /// What the fleet's plugins say of every connector, before anything is changed.
    pub(super) async fn check(&self, files: &Files) -> Result<(), CliError> {
        let plugins: Vec<Listed> = self.rest.get("/connector-plugins?connectorsOnly=false").await?;
        let runs = |plugin: &&Listed| CONNECTORS.contains(&plugin.kind.as_str());
        let classes: Vec<&str> = plugins.iter().filter(runs).map(|it| it.class.as_str()).collect();
        let mut problems = Vec::new();
        for (at, file) in files.all.iter().enumerate() {
            for connector in &file.rendered.connectors {
                let wrong = self.wrong(file, connector, &classes).await?;
                problems.extend(wrong.into_iter().map(|problem| (at, problem)));
            }
        }
        files.tell(problems)
    }

    async fn wrong(
        &self,
        file: &PipelineFile,
        connector: &RenderedConnector,
        classes: &[&str],
    ) -> Result<Vec<Problem>, CliError> {
        let (section, key) = file.stage(&connector.name);
        let class = connector.config.get("connector.class").map(String::as_str).unwrap_or_default();
        if !classes.contains(&class) {
            let path = [section, key, option(section, "connector.class")];
            let message = format!("the fleet has no plugin `{class}`");
            let help = did_you_mean(class, classes.iter().copied());
            return Ok(vec![file.problem(&path, message, "unknown").help(help)]);
        }
        let path = format!("/connector-plugins/{}/config/validate", Rest::segment(class));
        let answer = self.rest.change(&path, &json!(connector.config), Condition::None).await?;
        let infos: ConfigInfos = serde_json::from_value(answer)
            .map_err(|error| CliError::failed(format!("the worker's answer: {error}")))?;
        let mut problems = Vec::new();
        for info in infos.configs {
            let path = [section, key, option(section, &info.value.name)];
            for error in &info.value.errors {
                problems.push(file.problem(&path, error.clone(), "the fleet refuses it"));
            }
        }
        Ok(problems)
    }

    /// What there is of what is wanted, and what was applied before.
    pub(super) async fn read(&self, wanted: &Wanted) -> Result<Fleet, CliError> {
        let connections: Vec<ConnectionInfo> = self.rest.get("/connections").await?;
        let connectors: BTreeMap<String, Json> = self.rest.get("/connectors?expand=info").await?;
        let pipelines: Vec<PipelineInfo> = self.rest.get("/pipelines").await?;
        let config = |info: &Json| info.pointer("/info/config").cloned().unwrap_or_default();
        let (own, fleets): (Vec<_>, Vec<_>) =
            connections.into_iter().partition(|info| info.origin == Origin::Worker);
        Ok(Fleet {
            topics: self.topics(wanted).await?,
            connections: fleets
                .into_iter()
                .map(|info| (info.name, Json::Object(info.definition)))
                .collect(),
            own_connections: own.into_iter().map(|info| info.name).collect(),
            connectors: connectors.iter().map(|(name, it)| (name.clone(), config(it))).collect(),
            pipelines: pipelines.into_iter().map(|info| (info.name, info.definition)).collect(),
        })
    }

    async fn topics(&self, wanted: &Wanted) -> Result<BTreeMap<String, FleetTopic>, CliError> {
        let mut topics = BTreeMap::new();
        if wanted.topics.is_empty() {
            return Ok(topics);
        }
        self.check_cluster().await?;
        let names: Vec<&str> = wanted.topics.keys().map(String::as_str).collect();
        for (name, topic) in self.admin().describe_topics(&names).await? {
            let configs = self.admin().topic_configs(&name).await?.into_iter();
            let replicas = topic.partitions.first().map_or(0, |first| first.replicas.len());
            let there = FleetTopic {
                partitions: topic.partitions.len() as i32,
                replication_factor: replicas as i16,
                configs: configs.filter_map(|(name, entry)| Some((name, entry.value?))).collect(),
            };
            topics.insert(name, there);
        }
        Ok(topics)
    }

    /// Topics made on another cluster would be of no use to the workers.
    async fn check_cluster(&self) -> Result<(), CliError> {
        let root: Root = self.rest.get("/").await?;
        let described = self.admin().describe_cluster().await?;
        match described.cluster_id {
            Some(id) if id != root.kafka_cluster_id => Err(CliError::failed(format!(
                "the cluster at --bootstrap-server is {id}, and that of the workers at --rest-url \
                 is {}: name one and the same",
                root.kafka_cluster_id
            ))),
            _ => Ok(()),
        }
    }
}

/// What an option is called in its section of a file.
fn option<'a>(section: &str, option: &'a str) -> &'a str {
    match (section, option) {
        ("streams", "connector.class") => "processor",
        ("streams", "topics") => "from",
        ("streams", "output.topic") => "to",
        (_, other) => other,
    }
}
