//! `longshore topic`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::CliError;
use super::cluster::{Cluster, ClusterArgs};
use super::consent::Consent;
use super::output::{OutputArgs, columns, print};
use crate::kafka::Admin;
use crate::kafka::admin::configs::{ConfigChange, ConfigResource};
use crate::kafka::admin::{ConfigEntry, NewTopic, PartitionDescription, TopicDescription};
use crate::pipeline::options::TOPIC_CONFIGS;
use crate::yaml::did_you_mean;

/// Topics of the cluster
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore topic list
  longshore topic create orders --partitions 4 --config cleanup.policy=compact
  longshore topic describe orders
  longshore topic alter orders --partitions 8 --config retention.ms=86400000")]
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
        /// A topic that exists is no error
        #[arg(long)]
        if_not_exists: bool,
    },
    /// Show topics' partitions and configurations
    #[command(after_help = "\
Example:
  longshore topic describe orders --output json
  longshore topic describe --unavailable-partitions")]
    Describe {
        /// The topics; all of them when left out
        names: Vec<String>,
        /// Also configurations that nobody set
        #[arg(long)]
        all_configs: bool,
        /// Only partitions without a leader
        #[arg(long)]
        unavailable_partitions: bool,
        /// Only partitions with fewer replicas in sync than they have
        #[arg(long)]
        under_replicated_partitions: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Add partitions, set or delete configurations
    #[command(after_help = "\
Example:
  longshore topic alter orders --partitions 8
  longshore topic alter orders --config retention.ms=86400000 --delete-config segment.bytes

More partitions change where keys go from then on; there is no way back to fewer.
`longshore config alter topic` also adds to lists and takes out of them.")]
    Alter {
        /// The topic
        name: String,
        /// How many partitions it shall have
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// A configuration to set
        #[arg(long, value_name = "NAME=VALUE", value_parser = config)]
        config: Vec<(String, String)>,
        /// A configuration to take back to its default
        #[arg(long, value_name = "NAME")]
        delete_config: Vec<String>,
    },
    /// Delete a topic and all its records
    #[command(after_help = "Example:\n  longshore topic delete orders --yes")]
    Delete {
        /// The topic
        name: String,
        /// A topic that is not there is no error
        #[arg(long)]
        if_exists: bool,
        #[command(flatten)]
        consent: Consent,
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

/// What `describe` prints of a topic.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    topic: TopicDescription,
    configs: Vec<ConfigEntry>,
}

impl Topic {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        let cluster = Cluster::new(cluster)?;
        let admin = cluster.admin();
        match self.action {
            Action::List { internal, output } => {
                let mut topics = admin.list_topics().await?;
                topics.retain(|topic| internal || !topic.internal);
                output.print(&topics, |topics| list(topics))
            }
            Action::Create { name, partitions, replication_factor, config, if_not_exists } => {
                if if_not_exists && !admin.describe_topics(&[&name]).await?.is_empty() {
                    return print(&format!("{name} exists"));
                }
                let configs: BTreeMap<String, String> = config.into_iter().collect();
                let topic =
                    NewTopic { name: name.clone(), partitions, replication_factor, configs };
                admin.create_topic(&topic).await?;
                print(&format!("created {name}"))
            }
            Action::Describe {
                names,
                all_configs,
                unavailable_partitions,
                under_replicated_partitions,
                output,
            } => {
                let wanted = |partition: &PartitionDescription| {
                    let any = !unavailable_partitions && !under_replicated_partitions;
                    any || (unavailable_partitions && partition.leader.is_none())
                        || (under_replicated_partitions
                            && partition.isr.len() < partition.replicas.len())
                };
                let one = names.len() == 1;
                let mut all = Vec::new();
                for mut topic in chosen(admin, &names).await? {
                    topic.partitions.retain(wanted);
                    if topic.partitions.is_empty() {
                        continue;
                    }
                    let mut configs: Vec<ConfigEntry> =
                        admin.topic_configs(&topic.name).await?.into_values().collect();
                    configs.retain(|config| all_configs || !config.is_default);
                    all.push(Described { topic, configs });
                }
                // Who names one topic gets one object.
                match (one, all.pop()) {
                    (true, Some(topic)) => output.print(&topic, describe),
                    (_, last) => {
                        all.extend(last);
                        output.print(&all, |all| {
                            all.iter().map(titled).collect::<Vec<_>>().join("\n")
                        })
                    }
                }
            }
            Action::Alter { name, partitions, config, delete_config } => {
                existing(admin, &name).await?;
                let set = config.into_iter().map(|(name, value)| (name, ConfigChange::Set(value)));
                let deleted = delete_config.into_iter().map(|name| (name, ConfigChange::Delete));
                let changes: Vec<_> = set.chain(deleted).collect();
                if partitions.is_none() && changes.is_empty() {
                    let why = "name a change: --partitions, --config or --delete-config";
                    return Err(CliError::usage(why));
                }
                // What may be refused for a wrong value comes first.
                if !changes.is_empty() {
                    let resource = ConfigResource::Topic(name.clone());
                    cluster.client().alter_configs(&resource, &changes).await?;
                }
                if let Some(total) = partitions {
                    admin.create_partitions(&name, total).await?;
                }
                print(&format!("altered {name}"))
            }
            Action::Delete { name, if_exists, consent } => {
                consent.to(&format!("delete topic `{name}` with all its records"))?;
                if if_exists && admin.describe_topics(&[&name]).await?.is_empty() {
                    return print(&format!("there is no {name}"));
                }
                existing(admin, &name).await?;
                admin.delete_topic(&name).await?;
                print(&format!("deleted {name}"))
            }
        }
    }
}

/// The topics of these names, or all that are not Kafka's own.
async fn chosen(admin: &dyn Admin, names: &[String]) -> Result<Vec<TopicDescription>, CliError> {
    if names.is_empty() {
        let mut topics = admin.list_topics().await?;
        topics.retain(|topic| !topic.internal);
        return Ok(topics);
    }
    let mut topics = Vec::new();
    for name in names {
        topics.push(existing(admin, name).await?);
    }
    Ok(topics)
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

fn titled(described: &Described) -> String {
    format!("{}\n{}", described.topic.name, describe(described))
}

fn describe(described: &Described) -> String {
    let header = ["PARTITION", "LEADER", "REPLICAS", "ISR", "OFFLINE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let ids = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    for partition in &described.topic.partitions {
        rows.push(vec![
            partition.partition.to_string(),
            partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
            ids(&partition.replicas),
            ids(&partition.isr),
            ids(&partition.offline),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_without_a_leader_names_its_offline_replicas() {
        let partition = |partition, leader, isr: &[i32], offline: &[i32]| PartitionDescription {
            partition,
            leader,
            replicas: vec![1, 2],
            isr: isr.to_vec(),
            offline: offline.to_vec(),
        };
        let partitions =
            vec![partition(0, Some(1), &[1, 2], &[]), partition(1, None, &[2], &[1, 2])];
        let topic = TopicDescription { name: "t".to_owned(), internal: false, partitions };
        insta::assert_snapshot!(describe(&Described { topic, configs: Vec::new() }), @r"
        PARTITION  LEADER  REPLICAS  ISR  OFFLINE
        0          1       1,2       1,2
        1          none    1,2       2    1,2
        ");
    }
}
