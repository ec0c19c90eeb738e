//! `longshore txn`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use kafka_protocol::ResponseError;
use serde::Serialize;

use super::cluster::{Cluster, ClusterArgs};
use super::consent::Consent;
use super::output::{OutputArgs, columns, print};
use super::topic::existing;
use super::{CliError, hanging, time};
use crate::kafka::admin::transactions::{
    ProducerState, TransactionDescription, TransactionFilter, TransactionListing,
};
use crate::kafka::{Start, TopicPartition};
use crate::yaml::did_you_mean;

/// Transactions: which are open, which hang, and how to end them
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore txn list --state Ongoing --longer-than 15m
  longshore txn describe pay-1
  longshore txn abort --transactional-id pay-1 --yes
  longshore txn hanging --topic orders
  longshore txn abort --topic orders --partition 0 --start-offset 1234 --yes")]
pub(super) struct Txn {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List transactional ids
    #[command(
        after_help = "Example:\n  longshore txn list --state Ongoing --longer-than 15m -o json"
    )]
    List {
        /// In this state alone; may be repeated
        #[arg(long, value_enum, ignore_case = true, value_name = "STATE")]
        state: Vec<State>,
        /// With a transaction open for longer than this: 15m, 2h, PT15M
        #[arg(long, alias = "duration-filter", value_name = "DURATION", value_parser = time::duration)]
        longer_than: Option<Duration>,
        /// Of this producer alone; may be repeated
        #[arg(long, value_name = "ID")]
        producer_id: Vec<i64>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show a transactional id: its producer, its transaction, the partitions written
    #[command(after_help = "Example:\n  longshore txn describe pay-1 -o json")]
    Describe {
        /// The transactional id
        transactional_id: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show the producers that a partition remembers, and where their transactions begin
    #[command(after_help = "Example:\n  longshore txn producers --topic orders --partition 0")]
    Producers {
        /// The topic
        #[arg(long, value_name = "NAME")]
        topic: String,
        /// One partition; all of the topic when left out
        #[arg(long)]
        partition: Option<i32>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Find open transactions that no coordinator will end
    #[command(
        alias = "find-hanging",
        after_help = "\
Example:
  longshore txn hanging
  longshore txn hanging --topic orders --older-than 1h

A hanging transaction keeps the last stable offset where it is: read_committed readers wait for
ever, and the log is not compacted beyond it."
    )]
    Hanging {
        /// One topic; all of them when left out
        #[arg(long, value_name = "NAME")]
        topic: Option<String>,
        /// One partition of it
        #[arg(long, requires = "topic")]
        partition: Option<i32>,
        /// Without a record for longer than this; more than the broker's transaction.max.timeout.ms
        #[arg(
            long,
            alias = "max-transaction-timeout",
            value_name = "DURATION",
            value_parser = time::duration,
            default_value = "15m"
        )]
        older_than: Duration,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// End a transaction: fence its producer, or write an abort marker to one partition
    #[command(after_help = "\
Example:
  longshore txn abort --transactional-id pay-1 --yes
  longshore txn abort --topic orders --partition 0 --start-offset 1234 --yes

By --transactional-id whoever has the id is fenced (InitProducerId) and its open transaction is
aborted by the coordinator: the way for a producer that lives or came to harm.
By --topic, --partition and --start-offset an abort marker is written to the partition alone
(WriteTxnMarkers): for what `longshore txn hanging` finds. A transaction that its coordinator still
has is refused, since its other partitions would be left to a commit; --force ends it all the
same.")]
    Abort {
        /// The transactional id to fence
        #[arg(long, value_name = "ID", required_unless_present = "topic")]
        transactional_id: Option<String>,
        /// The topic of a hanging transaction
        #[arg(
            long,
            value_name = "NAME",
            conflicts_with = "transactional_id",
            requires_all = ["partition", "start_offset"]
        )]
        topic: Option<String>,
        /// Its partition
        #[arg(long, requires = "topic")]
        partition: Option<i32>,
        /// Its first offset, which `txn hanging` and `txn producers` tell
        #[arg(long, requires = "topic", value_name = "OFFSET")]
        start_offset: Option<i64>,
        /// End one that its coordinator still has, on this partition alone
        #[arg(long, requires = "start_offset")]
        force: bool,
        /// Do not ask first; needed where stdin is no terminal
        #[arg(short, long)]
        yes: bool,
    },
}

/// Kafka's states of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    #[value(name = "Empty")]
    Empty,
    #[value(name = "Ongoing")]
    Ongoing,
    #[value(name = "PrepareCommit")]
    PrepareCommit,
    #[value(name = "PrepareAbort")]
    PrepareAbort,
    #[value(name = "CompleteCommit")]
    CompleteCommit,
    #[value(name = "CompleteAbort")]
    CompleteAbort,
    #[value(name = "Dead")]
    Dead,
    #[value(name = "PrepareEpochFence")]
    PrepareEpochFence,
}

/// A producer of a partition.
#[derive(Serialize)]
struct ProducerRow {
    topic: String,
    partition: i32,
    #[serde(flatten)]
    state: ProducerState,
}

impl Txn {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        let cluster = Cluster::new(cluster)?;
        match self.action {
            Action::List { state, longer_than, producer_id, output } => {
                let filter = TransactionFilter {
                    states: state.iter().map(|state| format!("{state:?}")).collect(),
                    producer_ids: producer_id,
                    longer_than,
                };
                let found = cluster.client().list_transactions(&filter).await?;
                output.print(&found, |found| list(found))
            }
            Action::Describe { transactional_id, output } => {
                let found = known(&cluster, &transactional_id).await?;
                output.print(&found, |found| describe(found, time::now_ms()))
            }
            Action::Producers { topic, partition, output } => {
                let partitions = partitions(&cluster, &topic, partition).await?;
                let found = cluster.client().producers(&partitions).await?;
                let rows = found.into_iter().map(|(partition, state)| ProducerRow {
                    topic: partition.topic.to_string(),
                    partition: partition.partition,
                    state,
                });
                output.print(&rows.collect::<Vec<_>>(), |rows| producers(rows))
            }
            Action::Hanging { topic, partition, older_than, output } => {
                let producers = match topic {
                    Some(topic) => {
                        let partitions = partitions(&cluster, &topic, partition).await?;
                        cluster.client().producers(&partitions).await?
                    }
                    None => hanging::everywhere(&cluster).await?,
                };
                let found = hanging::find(&cluster, producers, older_than).await?;
                output.print(&found, |found| hanging::table(found))
            }
            Action::Abort { transactional_id: Some(id), yes, .. } => {
                let what = format!("fence the producer of `{id}` and abort its open transaction");
                Consent::of(yes).to(&what)?;
                fence(&cluster, &id).await
            }
            Action::Abort { topic, partition, start_offset, force, yes, .. } => {
                let (Some(topic), Some(partition), Some(start)) = (topic, partition, start_offset)
                else {
                    let why = "name --transactional-id, or --topic, --partition and --start-offset";
                    return Err(CliError::usage(why));
                };
                let what =
                    format!("abort the transaction at offset {start} of {topic}-{partition}");
                Consent::of(yes).to(&what)?;
                abort(&cluster, &topic, partition, start, force).await
            }
        }
    }
}

/// A transactional id, or an error that names the nearest.
async fn known(cluster: &Cluster, id: &str) -> Result<TransactionDescription, CliError> {
    let error = match cluster.client().describe_transaction(id).await {
        Err(error) if error.code() == Some(ResponseError::TransactionalIdNotFound) => error,
        found => return Ok(found?),
    };
    let all = cluster.client().list_transactions(&TransactionFilter::default()).await;
    let all = all.unwrap_or_default();
    let names = all.iter().map(|listed| listed.transactional_id.as_str());
    let help =
        did_you_mean(id, names).unwrap_or_else(|| "`longshore txn list` shows them".to_owned());
    Err(CliError::failed(format!("{}; {help}", CliError::from(error))))
}

/// The partitions of a topic, or one of them.
async fn partitions(
    cluster: &Cluster,
    topic: &str,
    partition: Option<i32>,
) -> Result<Vec<TopicPartition>, CliError> {
    let found = existing(cluster.admin(), topic).await?;
    let numbers = found.partitions.iter().map(|found| found.partition);
    let wanted: Vec<TopicPartition> = numbers
        .filter(|number| partition.is_none_or(|wanted| wanted == *number))
        .map(|number| TopicPartition::new(topic, number))
        .collect();
    if wanted.is_empty() {
        let last = found.partitions.len().saturating_sub(1);
        let wanted = partition.unwrap_or_default();
        return Err(CliError::failed(format!(
            "`{topic}` has partitions 0 to {last}, not {wanted}"
        )));
    }
    Ok(wanted)
}

/// Fencing an id that nobody has would make it, so it must be known.
async fn fence(cluster: &Cluster, id: &str) -> Result<(), CliError> {
    let found = known(cluster, id).await?;
    let fenced = cluster.client().fence(id, found.timeout_ms).await?;
    print(&format!(
        "fenced `{id}`: its producer {} had epoch {}, now it is {}; {}",
        found.producer_id,
        found.producer_epoch,
        fenced.epoch,
        outcome(fenced.ended.as_deref())
    ))
}

/// What became of the transaction of a fenced id, by the state that it was in
/// while it was ended. When it began says nothing: Kafka keeps that after the end.
fn outcome(ended: Option<&str>) -> &'static str {
    match ended {
        None => "no transaction was open",
        Some("PrepareCommit" | "CompleteCommit") => {
            "its transaction was being committed, and is committed"
        }
        Some(_) => "its transaction was aborted",
    }
}

async fn abort(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    start: i64,
    force: bool,
) -> Result<(), CliError> {
    let partition = partitions(cluster, topic, Some(partition)).await?.remove(0);
    let found = open_at(cluster, &partition, start).await?;
    if !force && let Some(owner) = hanging::alive(cluster, &partition, &found).await? {
        return Err(CliError::failed(is_alive(&partition, start, &owner)));
    }
    // One that ended between the two questions looked like one that hangs: the
    // marker would end the next.
    let producer = open_at(cluster, &partition, start).await?;
    cluster.client().abort_hanging(&partition, &producer).await?;
    print(&format!(
        "aborted the transaction of producer {} that began at offset {start} of {partition}",
        producer.producer_id
    ))
}

/// Why a transaction is left to its coordinator.
fn is_alive(partition: &TopicPartition, start: i64, owner: &TransactionDescription) -> String {
    let (id, state) = (&owner.transactional_id, owner.state.as_str());
    let remedy = if state == "Ongoing" {
        format!("`longshore txn abort --transactional-id {id}` aborts it on all its partitions")
    } else {
        "its coordinator is writing the markers".to_owned()
    };
    format!(
        "the transaction at offset {start} of {partition} does not hang: it is {state} at the \
         coordinator of `{id}`; {remedy}, --force ends it on this partition alone"
    )
}

/// The producer whose open transaction begins at an offset.
async fn open_at(
    cluster: &Cluster,
    partition: &TopicPartition,
    start: i64,
) -> Result<ProducerState, CliError> {
    let mut producers = cluster.client().producers(std::slice::from_ref(partition)).await?;
    let open = producers.iter().position(|(_, state)| state.transaction_start == Some(start));
    if let Some(open) = open {
        return Ok(producers.swap_remove(open).1);
    }
    let mut open: Vec<i64> =
        producers.iter().filter_map(|(_, state)| state.transaction_start).collect();
    open.sort_unstable();
    let ends = cluster.admin().list_offsets(&[(partition.clone(), Start::Latest)]).await?;
    let there = decided(start, &open, ends.get(partition).copied());
    Err(CliError::failed(format!(
        "no open transaction begins at offset {start} of {partition}; {there}"
    )))
}

/// What there is at an offset where no open transaction begins.
fn decided(start: i64, open: &[i64], end: Option<i64>) -> String {
    let all: Vec<String> = open.iter().map(i64::to_string).collect();
    let all = if all.is_empty() {
        "none is open".to_owned()
    } else {
        format!("open are those at {}", all.join(", "))
    };
    match end {
        Some(end) if start >= end => format!("the log ends at {end}, and {all}"),
        // In the middle of an open transaction, perhaps.
        _ if open.iter().any(|at| *at < start) => all,
        _ => format!("what is there is committed, aborted or was in no transaction, and {all}"),
    }
}

fn list(found: &[TransactionListing]) -> String {
    let header = ["TRANSACTIONAL ID", "COORDINATOR", "PRODUCER ID", "STATE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for listed in found {
        rows.push(vec![
            listed.transactional_id.clone(),
            listed.coordinator.to_string(),
            listed.producer_id.to_string(),
            listed.state.clone(),
        ]);
    }
    columns(&rows)
}

fn describe(found: &TransactionDescription, now_ms: i64) -> String {
    let mut text = format!(
        "{}: {} on node {}\nproducer {} with epoch {}, transaction.timeout.ms {}\n",
        found.transactional_id,
        found.state,
        found.coordinator,
        found.producer_id,
        found.producer_epoch,
        found.timeout_ms
    );
    if let Some(start) = found.start_ms.filter(|_| !found.is_over()) {
        let seconds = (now_ms - start).max(0) / 1000;
        text.push_str(&format!("open since {}, {seconds} s\n", time::shown(start)));
    }
    if !found.partitions.is_empty() {
        let mut rows = vec![["TOPIC", "PARTITIONS"].map(str::to_owned).to_vec()];
        for (topic, partitions) in &found.partitions {
            let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
            rows.push(vec![topic.clone(), numbers.join(",")]);
        }
        text.push('\n');
        text.push_str(&columns(&rows));
    }
    text
}

fn producers(rows: &[ProducerRow]) -> String {
    let header = [
        "TOPIC",
        "PARTITION",
        "PRODUCER ID",
        "EPOCH",
        "LAST SEQUENCE",
        "LAST RECORD",
        "COORDINATOR EPOCH",
        "TRANSACTION START",
    ];
    let mut table = vec![header.map(str::to_owned).to_vec()];
    let known = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    for row in rows {
        let state = &row.state;
        table.push(vec![
            row.topic.clone(),
            row.partition.to_string(),
            state.producer_id.to_string(),
            state.producer_epoch.to_string(),
            state.last_sequence.to_string(),
            time::shown(state.last_timestamp_ms),
            known(state.coordinator_epoch.map(i64::from)),
            known(state.transaction_start),
        ]);
    }
    columns(&table)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn what_is_decided_already_is_told_so() {
        assert_eq!(decided(1, &[0], Some(5)), "open are those at 0");
        assert_eq!(decided(9, &[], Some(5)), "the log ends at 5, and none is open");
        let over = "what is there is committed, aborted or was in no transaction, and ";
        assert_eq!(decided(0, &[], Some(5)), format!("{over}none is open"));
        assert_eq!(decided(0, &[3], Some(5)), format!("{over}open are those at 3"));
    }

    #[test]
    fn what_became_of_a_transaction_is_told_by_its_state_alone() {
        assert_eq!(outcome(None), "no transaction was open");
        assert_eq!(outcome(Some("PrepareAbort")), "its transaction was aborted");
        assert!(outcome(Some("CompleteCommit")).ends_with("is committed"));
    }

    #[test]
    fn a_description_tells_who_has_the_id_since_when_and_what_was_written() {
        let found = TransactionDescription {
            transactional_id: "pay-1".to_owned(),
            coordinator: 1,
            producer_id: 7,
            producer_epoch: 2,
            state: "Ongoing".to_owned(),
            timeout_ms: 60_000,
            start_ms: Some(1_700_000_000_000),
            partitions: BTreeMap::from([("orders".to_owned(), BTreeSet::from([0, 3]))]),
        };
        insta::assert_snapshot!(describe(&found, 1_700_000_090_500), @r"
        pay-1: Ongoing on node 1
        producer 7 with epoch 2, transaction.timeout.ms 60000
        open since 2023-11-14T22:13:20.000Z, 90 s

        TOPIC   PARTITIONS
        orders  0,3
        ");
        let over = TransactionDescription {
            state: "CompleteCommit".to_owned(),
            partitions: BTreeMap::new(),
            ..found
        };
        assert!(!describe(&over, 1_700_000_090_500).contains("open since"), "it is over");
    }
}
