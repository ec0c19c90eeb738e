//! `longshore config`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::CliError;
use super::cluster::{Cluster, ClusterArgs};
use super::output::{OutputArgs, columns, print};
use crate::kafka::admin::configs::{ConfigChange, ConfigResource, SourcedConfig};
use crate::yaml::did_you_mean;

/// Configurations of topics, brokers and groups
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore config describe topic orders --all
  longshore config alter topic orders --add retention.ms=86400000 --delete segment.bytes
  longshore config alter topic orders --append cleanup.policy=compact
  longshore config describe broker 1 --all")]
pub(super) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show configurations with where they come from
    #[command(after_help = "\
Example:
  longshore config describe topic orders --all -o json

Without --all it shows what was set for the entity itself.")]
    Describe {
        #[command(flatten)]
        entity: Entity,
        /// Also what comes from brokers and defaults
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Set or delete configurations, all of them or none
    #[command(after_help = "\
Example:
  longshore config alter topic orders --add retention.ms=86400000 --add segment.bytes=1048576
  longshore config alter topic orders --append cleanup.policy=compact --delete retention.ms")]
    Alter {
        #[command(flatten)]
        entity: Entity,
        #[command(flatten)]
        changes: Changes,
    },
}

/// What has configurations.
#[derive(Debug, Clone, Args)]
struct Entity {
    /// What kind of thing
    #[arg(value_enum, value_name = "KIND")]
    kind: Kind,
    /// The topic, the group, or the broker's node.id; `default` for what all brokers have
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A topic
    #[value(alias = "topics")]
    Topic,
    /// A broker
    #[value(alias = "brokers")]
    Broker,
    /// A group
    #[value(alias = "groups")]
    Group,
}

/// Changes of configurations; `topic alter` has them too.
#[derive(Debug, Clone, Args)]
struct Changes {
    /// Set it
    #[arg(long, alias = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    add: Vec<(String, String)>,
    /// Take it back to what it is without
    #[arg(long, value_name = "NAME")]
    delete: Vec<String>,
    /// Add to a list
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    append: Vec<(String, String)>,
    /// Take out of a list
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    subtract: Vec<(String, String)>,
}

/// `NAME=VALUE`.
fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

impl Entity {
    fn resource(&self) -> Result<ConfigResource, CliError> {
        match (self.kind, self.name.as_str()) {
            (Kind::Topic, name) => Ok(ConfigResource::Topic(name.to_owned())),
            (Kind::Group, id) => Ok(ConfigResource::Group(id.to_owned())),
            (Kind::Broker, "default") => Ok(ConfigResource::BrokerDefault),
            (Kind::Broker, id) => id.parse().map(ConfigResource::Broker).map_err(|_| {
                CliError::usage(format!("`{id}` is no broker: write its node.id, or `default`"))
            }),
        }
    }
}

impl Changes {
    /// In Kafka's form; a name that is changed twice is a mistake.
    fn changes(self) -> Result<Vec<(String, ConfigChange)>, CliError> {
        let with = |pairs: Vec<(String, String)>, change: fn(String) -> ConfigChange| {
            pairs.into_iter().map(move |(name, value)| (name, change(value)))
        };
        let all: Vec<_> = with(self.add, ConfigChange::Set)
            .chain(self.delete.into_iter().map(|name| (name, ConfigChange::Delete)))
            .chain(with(self.append, ConfigChange::Append))
            .chain(with(self.subtract, ConfigChange::Subtract))
            .collect();
        if all.is_empty() {
            return Err(CliError::usage("name a change: --add, --delete, --append or --subtract"));
        }
        let mut seen = BTreeMap::new();
        for (name, change) in &all {
            if seen.insert(name, change).is_some() {
                return Err(CliError::usage(format!("`{name}` is changed twice")));
            }
        }
        Ok(all)
    }
}

/// What `describe` prints.
#[derive(Serialize)]
struct Described {
    entity: String,
    configs: Vec<SourcedConfig>,
}

impl Config {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        match self.action {
            Action::Describe { entity, all, output } => {
                let resource = entity.resource()?;
                let cluster = Cluster::new(cluster)?;
                known(&cluster, &resource).await?;
                let mut configs = cluster.client().describe_configs(&resource).await?;
                configs.retain(|config| all || config.source.is_own(&resource));
                output.print(&Described { entity: resource.to_string(), configs }, table)
            }
            Action::Alter { entity, changes } => {
                let resource = entity.resource()?;
                let changes = changes.changes()?;
                let cluster = Cluster::new(cluster)?;
                known(&cluster, &resource).await?;
                known_names(&cluster, &resource, &changes).await?;
                cluster.client().alter_configs(&resource, &changes).await?;
                print(&format!("changed {resource}"))
            }
        }
    }
}

/// A topic that is not there is told with the nearest that is.
async fn known(cluster: &Cluster, resource: &ConfigResource) -> Result<(), CliError> {
    match resource {
        ConfigResource::Topic(name) => {
            super::topic::existing(cluster.admin(), name).await.map(drop)
        }
        ConfigResource::Broker(id) => {
            let brokers = cluster.admin().describe_cluster().await?.brokers;
            if brokers.iter().any(|broker| broker.node_id == *id) {
                return Ok(());
            }
            let ids: Vec<String> =
                brokers.iter().map(|broker| broker.node_id.to_string()).collect();
            let why = format!("there is no broker {id}; there are {}", ids.join(", "));
            Err(CliError::failed(why))
        }
        ConfigResource::BrokerDefault | ConfigResource::Group(_) => Ok(()),
    }
}

/// The cluster says which names it knows; the nearest helps with a misspelt one.
async fn known_names(
    cluster: &Cluster,
    resource: &ConfigResource,
    changes: &[(String, ConfigChange)],
) -> Result<(), CliError> {
    let known = cluster.client().describe_configs(resource).await?;
    // Of what all brokers have, only what was set is listed.
    if matches!(resource, ConfigResource::BrokerDefault) || known.is_empty() {
        return Ok(());
    }
    for (name, _) in changes {
        if !known.iter().any(|config| config.name == *name)
            && let Some(help) = did_you_mean(name, known.iter().map(|config| config.name.as_str()))
        {
            return Err(CliError::failed(format!(
                "{resource} has no configuration `{name}`; {help}"
            )));
        }
    }
    Ok(())
}

fn table(described: &Described) -> String {
    if described.configs.is_empty() {
        return format!(
            "nothing was set for {}; --all shows what it has all the same\n",
            described.entity
        );
    }
    let mut rows = vec![["CONFIGURATION", "VALUE", "SOURCE"].map(str::to_owned).to_vec()];
    for config in &described.configs {
        let value = match (&config.value, config.sensitive) {
            (_, true) => "[hidden]".to_owned(),
            (None, false) => "-".to_owned(),
            (Some(value), false) => value.clone(),
        };
        let read_only = if config.read_only { " (read-only)" } else { "" };
        rows.push(vec![config.name.clone(), value, format!("{}{read_only}", config.source.name())]);
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        changes: Changes,
    }

    fn changes(line: &str) -> Result<Vec<(String, ConfigChange)>, String> {
        let parsed = Line::try_parse_from(format!("alter {line}").split(' '))
            .map_err(|error| error.to_string())?;
        parsed.changes.changes().map_err(|error| error.to_string())
    }

    #[test]
    fn each_flag_is_its_operation() {
        let all = changes("--add a=1=2 --delete b --append c=x --subtract d=y").unwrap();
        let text = |text: &str| text.to_owned();
        let expected = [
            (text("a"), ConfigChange::Set(text("1=2"))),
            (text("b"), ConfigChange::Delete),
            (text("c"), ConfigChange::Append(text("x"))),
            (text("d"), ConfigChange::Subtract(text("y"))),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn no_change_and_a_change_made_twice_are_mistakes() {
        assert!(changes("--add a=1 --delete a").unwrap_err().contains("`a` is changed twice"));
        assert!(changes("--add a").is_err());
        let parsed = Line::try_parse_from(["alter"]).unwrap();
        assert!(parsed.changes.changes().is_err());
    }
}
