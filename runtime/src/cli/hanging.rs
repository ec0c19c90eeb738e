//! Transactions that no coordinator will end: open on a partition, but not
//! known to the coordinator as one that has the partition (KIP-664).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use serde::Serialize;

use super::cluster::Cluster;
use super::output::columns;
use super::{CliError, time};
use crate::kafka::TopicPartition;
use crate::kafka::admin::transactions::{ProducerState, TransactionDescription, TransactionFilter};

/// An open transaction that nobody ends.
#[derive(Serialize)]
pub(super) struct Hanging {
    topic: String,
    partition: i32,
    #[serde(flatten)]
    producer: ProducerState,
    /// The id that its producer has, if a coordinator knows one.
    transactional_id: Option<String>,
}

type Producers = Vec<(TopicPartition, ProducerState)>;

/// The producers of all topics, Kafka's own too: transactions commit offsets.
pub(super) async fn everywhere(cluster: &Cluster) -> Result<Producers, CliError> {
    let mut found = Vec::new();
    for topic in cluster.admin().list_topics().await? {
        let name: Arc<str> = topic.name.into();
        let numbers = topic.partitions.iter().map(|found| found.partition);
        let partitions: Vec<_> =
            numbers.map(|number| TopicPartition::new(name.clone(), number)).collect();
        match cluster.client().producers(&partitions).await {
            Ok(producers) => found.extend(producers),
            // It is being made or deleted.
            Err(error) if error.code() == Some(ResponseError::UnknownTopicOrPartition) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// The transactions of these producers that hang, without a record for `older_than`.
pub(super) async fn find(
    cluster: &Cluster,
    mut suspects: Producers,
    older_than: Duration,
) -> Result<Vec<Hanging>, CliError> {
    let latest_ms = time::now_ms().saturating_sub_unsigned(older_than.as_millis() as u64);
    suspects.retain(|(_, producer)| {
        producer.transaction_start.is_some() && producer.last_timestamp_ms <= latest_ms
    });
    let ids: BTreeSet<i64> = suspects.iter().map(|(_, producer)| producer.producer_id).collect();
    let owners = owners(cluster, ids.into_iter().collect()).await?;
    let hanging = suspects.into_iter().filter_map(|(partition, producer)| {
        let owner = owners.get(&producer.producer_id);
        if owner.is_some_and(|owner| will_end(owner, &partition, &producer)) {
            return None;
        }
        Some(Hanging {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            transactional_id: owner.map(|owner| owner.transactional_id.clone()),
            producer,
        })
    });
    Ok(hanging.collect())
}

/// The transactional ids of producers, as their coordinators know them.
async fn owners(
    cluster: &Cluster,
    producer_ids: Vec<i64>,
) -> Result<BTreeMap<i64, TransactionDescription>, CliError> {
    let mut owners = BTreeMap::new();
    // A filter without ids would list everything.
    if producer_ids.is_empty() {
        return Ok(owners);
    }
    let filter = TransactionFilter { producer_ids, ..Default::default() };
    for listed in cluster.client().list_transactions(&filter).await? {
        match cluster.client().describe_transaction(&listed.transactional_id).await {
            Ok(found) => {
                owners.insert(listed.producer_id, found);
            }
            // It expired between the two questions.
            Err(error) if error.code() == Some(ResponseError::TransactionalIdNotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(owners)
}

/// The transaction that a coordinator is going to end, if one has the open
/// transaction of this producer on the partition.
pub(super) async fn alive(
    cluster: &Cluster,
    partition: &TopicPartition,
    producer: &ProducerState,
) -> Result<Option<TransactionDescription>, CliError> {
    let mut owners = owners(cluster, vec![producer.producer_id]).await?;
    let owner = owners.remove(&producer.producer_id);
    Ok(owner.filter(|owner| will_end(owner, partition, producer)))
}

/// Whether the coordinator has a transaction of this producer with the partition
/// in it: then it is the one to end it, by a commit, an abort or its time-out.
fn will_end(
    owner: &TransactionDescription,
    partition: &TopicPartition,
    producer: &ProducerState,
) -> bool {
    !owner.is_over()
        && owner.producer_id == producer.producer_id
        && owner
            .partitions
            .get(&*partition.topic)
            .is_some_and(|numbers| numbers.contains(&partition.partition))
}

pub(super) fn table(found: &[Hanging]) -> String {
    if found.is_empty() {
        return "no transaction hangs\n".to_owned();
    }
    let header = [
        "TOPIC",
        "PARTITION",
        "START OFFSET",
        "PRODUCER ID",
        "EPOCH",
        "LAST RECORD",
        "TRANSACTIONAL ID",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for hanging in found {
        let producer = &hanging.producer;
        rows.push(vec![
            hanging.topic.clone(),
            hanging.partition.to_string(),
            producer.transaction_start.map_or_else(|| "-".to_owned(), |start| start.to_string()),
            producer.producer_id.to_string(),
            producer.producer_epoch.to_string(),
            time::shown(producer.last_timestamp_ms),
            hanging.transactional_id.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    let first = &found[0];
    let mut text = columns(&rows);
    text.push_str(&format!(
        "\nEnd the first with: longshore txn abort --topic {} --partition {} --start-offset {}\n",
        first.topic,
        first.partition,
        first.producer.transaction_start.unwrap_or_default()
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_its_coordinator_still_has_does_not_hang() {
        let producer = ProducerState {
            producer_id: 7,
            producer_epoch: 0,
            last_sequence: 0,
            last_timestamp_ms: 0,
            coordinator_epoch: None,
            transaction_start: Some(3),
        };
        let owner = |producer_id, partition: i32, state: &str| TransactionDescription {
            transactional_id: "id".to_owned(),
            coordinator: 1,
            producer_id,
            producer_epoch: 0,
            state: state.to_owned(),
            timeout_ms: 1,
            start_ms: Some(0),
            partitions: BTreeMap::from([("t".to_owned(), BTreeSet::from([partition]))]),
        };
        let partition = TopicPartition::new("t", 0);
        for state in ["Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"] {
            assert!(will_end(&owner(7, 0, state), &partition, &producer), "{state}");
        }
        assert!(!will_end(&owner(7, 1, "Ongoing"), &partition, &producer), "not this partition");
        assert!(!will_end(&owner(8, 0, "Ongoing"), &partition, &producer), "not this producer");
        assert!(!will_end(&owner(7, 0, "CompleteCommit"), &partition, &producer), "it is over");
    }
}
