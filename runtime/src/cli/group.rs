//! `longshore group`.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::CliError;
use super::cluster::Cluster;
use super::output::{OutputArgs, columns};
use crate::kafka::admin::{GroupDescription, GroupLag, GroupListing};
use crate::yaml::did_you_mean;

/// Groups of consumers and workers
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore group list
  longshore group describe connect-wordcount-write")]
pub(super) struct Group {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List groups
    #[command(after_help = "Example:\n  longshore group list --output json")]
    List(OutputArgs),
    /// Show a group's members, and how far it has read
    #[command(after_help = "Example:\n  longshore group describe connect-wordcount-write")]
    Describe {
        /// The group
        group: String,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// How far a group has read a partition.
#[derive(Serialize)]
struct Position {
    topic: String,
    partition: i32,
    committed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_end: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<i64>,
}

/// What `describe` prints.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    group: GroupDescription,
    offsets: Vec<Position>,
}

impl Group {
    pub(super) async fn run(self, bootstrap_server: &str) -> Result<(), CliError> {
        let cluster = Cluster::new(bootstrap_server)?;
        let admin = cluster.admin();
        match self.action {
            Action::List(output) => {
                let groups = admin.list_groups().await?;
                output.print(&groups, |groups| list(groups))
            }
            Action::Describe { group: id, output } => {
                let group = admin.describe_group(&id).await?;
                let mut offsets: Vec<Position> =
                    admin.group_lag(&id).await?.iter().map(position).collect();
                offsets.sort_by(|one, other| {
                    (&one.topic, one.partition).cmp(&(&other.topic, other.partition))
                });
                // Kafka answers for a group that it does not know, too.
                if group.state == "Dead" && offsets.is_empty() {
                    let known = admin.list_groups().await?;
                    let names = known.iter().map(|group| group.group_id.as_str());
                    let help = did_you_mean(&id, names);
                    let help = help.unwrap_or_else(|| "the cluster has none yet".to_owned());
                    return Err(CliError::failed(format!("there is no group `{id}`; {help}")));
                }
                output.print(&Described { group, offsets }, describe)
            }
        }
    }
}

fn position(lag: &GroupLag) -> Position {
    Position {
        topic: lag.partition.topic.to_string(),
        partition: lag.partition.partition,
        committed: lag.committed,
        log_end: lag.log_end,
        lag: lag.lag(),
    }
}

fn list(groups: &[GroupListing]) -> String {
    let mut rows = vec![["GROUP", "TYPE", "STATE"].map(str::to_owned).to_vec()];
    for group in groups {
        let kind = if group.protocol_type.is_empty() { "-" } else { &group.protocol_type };
        rows.push(vec![group.group_id.clone(), kind.to_owned(), group.state.clone()]);
    }
    columns(&rows)
}

fn describe(described: &Described) -> String {
    let group = &described.group;
    let mut text = format!("{}: {} on node {}\n", group.group_id, group.state, group.coordinator);
    if !group.members.is_empty() {
        let mut rows = vec![["MEMBER", "CLIENT", "HOST"].map(str::to_owned).to_vec()];
        for member in &group.members {
            let row = [&member.member_id, &member.client_id, &member.client_host];
            rows.push(row.map(Clone::clone).to_vec());
        }
        text.push('\n');
        text.push_str(&columns(&rows));
    }
    if !described.offsets.is_empty() {
        let header = ["TOPIC", "PARTITION", "COMMITTED", "LOG END", "LAG"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        let known = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
        for offset in &described.offsets {
            rows.push(vec![
                offset.topic.clone(),
                offset.partition.to_string(),
                offset.committed.to_string(),
                known(offset.log_end),
                known(offset.lag),
            ]);
        }
        text.push('\n');
        text.push_str(&columns(&rows));
    }
    text
}
