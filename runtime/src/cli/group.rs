//! `longshore group`.

use clap::{Args, Subcommand};
use kafka_protocol::ResponseError;
use serde::Serialize;

use super::CliError;
use super::cluster::{Cluster, ClusterArgs};
use super::consent::Consent;
use super::output::{OutputArgs, columns, print};
use super::reset::{Reset, Scope};
use crate::kafka::admin::consumers::{GroupDetails, MemberDetails, Partitions};
use crate::kafka::admin::{GroupLag, GroupListing};
use crate::yaml::did_you_mean;

/// Groups of consumers and workers
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore group list
  longshore group describe connect-wordcount-write
  longshore group reset-offsets readers --topic orders --to-datetime 2026-01-31T12:00 --execute")]
pub(super) struct Group {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List groups
    #[command(after_help = "\
Example:
  longshore group list --output json
  longshore group list --state Empty --type classic")]
    List {
        /// In this state alone: Stable, Empty, ...; may be repeated
        #[arg(long, value_name = "STATE")]
        state: Vec<String>,
        /// Of this type alone: classic, consumer; may be repeated
        #[arg(long, value_name = "TYPE")]
        r#type: Vec<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show a group's members, and how far it has read
    #[command(after_help = "Example:\n  longshore group describe connect-wordcount-write")]
    Describe {
        /// The group
        group: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Set the offsets that a group goes on from; a dry run unless --execute is given
    #[command(after_help = super::reset::EXAMPLE)]
    ResetOffsets(Reset),
    /// Make a group forget the offsets of topics that it does not read any more
    #[command(
        after_help = "Example:\n  longshore group delete-offsets readers --topic orders:0,1 --yes"
    )]
    DeleteOffsets {
        /// The group
        group: String,
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        consent: Consent,
    },
    /// Delete groups without members, and their offsets
    #[command(after_help = "Example:\n  longshore group delete readers --yes")]
    Delete {
        /// The groups
        #[arg(required = true)]
        groups: Vec<String>,
        #[command(flatten)]
        consent: Consent,
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
    /// The member that reads it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_id: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    metadata: String,
}

/// What `describe` prints.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    group: GroupDetails,
    offsets: Vec<Position>,
}

impl Group {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        let cluster = Cluster::new(cluster)?;
        match self.action {
            Action::List { state, r#type, output } => {
                let mut groups = cluster.admin().list_groups().await?;
                let passes = |wanted: &[String], value: &str| {
                    wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(value))
                };
                groups.retain(|group| {
                    passes(&state, &group.state) && passes(&r#type, &group.group_type)
                });
                output.print(&groups, |groups| list(groups))
            }
            Action::Describe { group, output } => {
                output.print(&described(&cluster, &group).await?, describe)
            }
            Action::ResetOffsets(reset) => Box::pin(reset.run(&cluster)).await,
            Action::DeleteOffsets { group, scope, consent } => {
                consent.to(&format!("delete offsets of group `{group}` of {scope}"))?;
                let partitions = scope.partitions(&cluster, &group).await?;
                let outcomes = cluster.admin().delete_offsets(&group, &partitions).await?;
                let mut failed = false;
                for (partition, error) in outcomes {
                    match error {
                        None => print(&format!("deleted the offset of {partition}"))?,
                        Some(error) => {
                            failed = true;
                            let why = match error {
                                ResponseError::GroupSubscribedToTopic => {
                                    "a member of the group subscribes to the topic; stop it first"
                                        .to_owned()
                                }
                                other => other.to_string(),
                            };
                            print(&format!("kept the offset of {partition}: {why}"))?;
                        }
                    }
                }
                if failed { Err(CliError::failed("some offsets were not deleted")) } else { Ok(()) }
            }
            Action::Delete { groups, consent } => {
                let named = groups.iter().map(|group| format!("`{group}`"));
                let named = named.collect::<Vec<_>>().join(", ");
                consent.to(&format!("delete {named} with all committed offsets"))?;
                for group in groups {
                    cluster.admin().delete_group(&group).await?;
                    print(&format!("deleted {group}"))?;
                }
                Ok(())
            }
        }
    }
}

async fn described(cluster: &Cluster, id: &str) -> Result<Described, CliError> {
    let group = cluster.client().group_details(id).await?;
    let lags = cluster.admin().group_lag(id).await?;
    let mut offsets: Vec<Position> = lags.iter().map(|lag| position(lag, &group)).collect();
    offsets.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
    // Kafka answers for a group that it does not know, too.
    if group.state == "Dead" && offsets.is_empty() {
        let known = cluster.admin().list_groups().await?;
        let help = did_you_mean(id, known.iter().map(|group| group.group_id.as_str()));
        let help = help.unwrap_or_else(|| "the cluster has none yet".to_owned());
        return Err(CliError::failed(format!("there is no group `{id}`; {help}")));
    }
    Ok(Described { group, offsets })
}

fn position(lag: &GroupLag, group: &GroupDetails) -> Position {
    let (topic, partition) = (&*lag.partition.topic, lag.partition.partition);
    let reads = |member: &&MemberDetails| {
        let numbers = member.partitions.as_ref().and_then(|partitions| partitions.get(topic));
        numbers.is_some_and(|numbers| numbers.contains(&partition))
    };
    Position {
        topic: topic.to_owned(),
        partition,
        committed: lag.committed,
        log_end: lag.log_end,
        lag: lag.lag(),
        member_id: group.members.iter().find(reads).map(|member| member.member_id.clone()),
        metadata: lag.metadata.clone(),
    }
}

fn list(groups: &[GroupListing]) -> String {
    let mut rows = vec![["GROUP", "TYPE", "PROTOCOL", "STATE"].map(str::to_owned).to_vec()];
    let known = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    for group in groups {
        rows.push(vec![
            group.group_id.clone(),
            known(&group.group_type),
            known(&group.protocol_type),
            known(&group.state),
        ]);
    }
    columns(&rows)
}

/// `orders(0,1) pays(2)`, as Kafka's tool writes assignments.
fn shown(partitions: &Partitions) -> String {
    let topics = partitions.iter().map(|(topic, numbers)| {
        let numbers: Vec<String> = numbers.iter().map(i32::to_string).collect();
        format!("{topic}({})", numbers.join(","))
    });
    let text = topics.collect::<Vec<_>>().join(" ");
    if text.is_empty() { "-".to_owned() } else { text }
}

fn describe(described: &Described) -> String {
    let group = &described.group;
    let mut text = format!(
        "{}: {} on node {}, {} group",
        group.group_id,
        group.state,
        group.coordinator,
        group.group_type.to_lowercase()
    );
    if let Some(epoch) = group.epoch {
        text.push_str(&format!(" of epoch {epoch}"));
    }
    if !group.assignor.is_empty() {
        text.push_str(&format!(", {}", group.assignor));
    }
    text.push('\n');
    if !group.members.is_empty() {
        let header = ["MEMBER", "CLIENT", "HOST", "INSTANCE", "PARTITIONS"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for member in &group.members {
            rows.push(vec![
                member.member_id.clone(),
                member.client_id.clone(),
                member.client_host.clone(),
                member.group_instance_id.clone().unwrap_or_else(|| "-".to_owned()),
                member.partitions.as_ref().map_or_else(|| "-".to_owned(), shown),
            ]);
        }
        text.push('\n');
        text.push_str(&columns(&rows));
    }
    if !described.offsets.is_empty() {
        let header = ["TOPIC", "PARTITION", "COMMITTED", "LOG END", "LAG", "MEMBER"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        let known = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
        for offset in &described.offsets {
            rows.push(vec![
                offset.topic.clone(),
                offset.partition.to_string(),
                offset.committed.to_string(),
                known(offset.log_end),
                known(offset.lag),
                offset.member_id.clone().unwrap_or_else(|| "-".to_owned()),
            ]);
        }
        text.push('\n');
        text.push_str(&columns(&rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::TopicPartition;

    #[test]
    fn a_description_tells_who_reads_what_and_how_far() {
        let member = MemberDetails {
            member_id: "m-1".to_owned(),
            group_instance_id: None,
            client_id: "app".to_owned(),
            client_host: "/10.0.0.1".to_owned(),
            epoch: Some(3),
            partitions: Some(Partitions::from([("orders".to_owned(), vec![0, 1])])),
            target: None,
        };
        let group = GroupDetails {
            group_id: "readers".to_owned(),
            group_type: "Consumer",
            state: "Stable".to_owned(),
            protocol_type: "consumer".to_owned(),
            assignor: "uniform".to_owned(),
            coordinator: 1,
            epoch: Some(3),
            members: vec![member],
        };
        let lag = |partition, log_end| GroupLag {
            partition: TopicPartition::new("orders", partition),
            committed: 40,
            metadata: String::new(),
            log_end,
        };
        let lags = [lag(1, Some(100)), lag(7, None)];
        let offsets = lags.iter().map(|lag| position(lag, &group)).collect();
        insta::assert_snapshot!(describe(&Described { group, offsets }), @r"
        readers: Stable on node 1, consumer group of epoch 3, uniform

        MEMBER  CLIENT  HOST       INSTANCE  PARTITIONS
        m-1     app     /10.0.0.1  -         orders(0,1)

        TOPIC   PARTITION  COMMITTED  LOG END  LAG  MEMBER
        orders  1          40         100      60   m-1
        orders  7          40         -        -    -
        ");
    }
}
