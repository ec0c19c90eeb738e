//! `longshore topic`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::CliError;
use super::cluster::Cluster;
use super::output::{OutputArgs, columns, print};
use crate::kafka::Admin;
use crate::kafka::admin::{ConfigEntry, NewTopic, TopicDescription};
use crate::pipeline::options::TOPIC_CONFIGS;
use crate::yaml::did_you_mean;

/// Topics of the cluster
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore topic list
  longshore topic create orders --partitions 4 --config cleanup.policy=compact
  longshore topic describe orders")]
pub(super) struct Topic {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List topics
    #[command(after_help = "Example:\n  longshore topic list --output json")]
    List {
        /// Also Kafka's own, such as __consumer_offsets
        #[arg(long)]
        internal: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Create a topic
    #[command(
        after_help = "Example:\n  longshore topic create orders --partitions 4 --config retention.ms=86400000"
    )]
    Create {
        /// The topic
        name: String,
        /// How many partitions; the broker's num.partitions when left out
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// How many replicas; the broker's default.replication.factor when left out
        #[arg(long, value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: Option<i16>,
        /// A Kafka topic configuration
        #[arg(long, value_name = "NAME=VALUE", value_parser = config)]
        config: Vec<(String, String)>,
    },
    /// Show a topic's partitions and configurations
    #[command(after_help = "Example:\n  longshore topic describe orders --output json")]
    Describe {
        /// The topic
        name: String,
        /// Also configurations that nobody set
        #[arg(long)]
        all_configs: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Delete a topic and all its records
    #[command(after_help = "Example:\n  longshore topic delete orders")]
    Delete {
        /// The topic
        name: String,
    },
}

/// `NAME=VALUE` of a topic configuration that Kafka has.
fn config(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if TOPIC_CONFIGS.contains(&name) {
        return Ok((name.to_owned(), value.to_owned()));
    }
    let help = did_you_mean(name, TOPIC_CONFIGS).unwrap_or_default();
    Err(format!("`{name}` is no configuration of a topic; {help}"))
}

/// What `describe` prints.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    topic: TopicDescription,
    configs: Vec<ConfigEntry>,
}

impl Topic {
    pub(super) async fn run(self, bootstrap_server: &str) -> Result<(), CliError> {
        let cluster = Cluster::new(bootstrap_server)?;
        let admin = cluster.admin();
        match self.action {
            Action::List { internal, output } => {
                let mut topics = admin.list_topics().await?;
                topics.retain(|topic| internal || !topic.internal);
                output.print(&topics, |topics| list(topics))
            }
            Action::Create { name, partitions, replication_factor, config } => {
                let configs: BTreeMap<String, String> = config.into_iter().collect();
                let topic =
                    NewTopic { name: name.clone(), partitions, replication_factor, configs };
                admin.create_topic(&topic).await?;
                print(&format!("created {name}"))
            }
            Action::Describe { name, all_configs, output } => {
                let topic = existing(admin, &name).await?;
                let mut configs: Vec<ConfigEntry> =
                    admin.topic_configs(&name).await?.into_values().collect();
                configs.retain(|config| all_configs || !config.is_default);
                output.print(&Described { topic, configs }, describe)
            }
            Action::Delete { name } => {
                existing(admin, &name).await?;
                admin.delete_topic(&name).await?;
                print(&format!("deleted {name}"))
            }
        }
    }
}

/// A topic, or an error that names the nearest.
pub(super) async fn existing(admin: &dyn Admin, name: &str) -> Result<TopicDescription, CliError> {
    if let Some(topic) = admin.describe_topics(&[name]).await?.remove(name) {
        return Ok(topic);
    }
    let topics = admin.list_topics().await?;
    let help = did_you_mean(name, topics.iter().map(|topic| topic.name.as_str()));
    let help = help.unwrap_or_else(|| "the cluster has none yet".to_owned());
    Err(CliError::failed(format!("there is no topic `{name}`; {help}")))
}

fn list(topics: &[TopicDescription]) -> String {
    let mut rows = vec![vec!["NAME".to_owned(), "PARTITIONS".to_owned(), "REPLICAS".to_owned()]];
    for topic in topics {
        let replicas = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        rows.push(vec![
            topic.name.clone(),
            topic.partitions.len().to_string(),
            replicas.to_string(),
        ]);
    }
    columns(&rows)
}

fn describe(described: &Described) -> String {
    let header = ["PARTITION", "LEADER", "REPLICAS", "ISR"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let ids = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    for partition in &described.topic.partitions {
        rows.push(vec![
            partition.partition.to_string(),
            partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
            ids(&partition.replicas),
            ids(&partition.isr),
        ]);
    }
    let mut text = columns(&rows);
    if !described.configs.is_empty() {
        text.push('\n');
        let mut rows = vec![vec!["CONFIGURATION".to_owned(), "VALUE".to_owned()]];
        for config in &described.configs {
            rows.push(vec![config.name.clone(), config.value.clone().unwrap_or_default()]);
        }
        text.push_str(&columns(&rows));
    }
    text
}
