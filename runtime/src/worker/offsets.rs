//! A connector's offsets, read and changed from outside (KIP-875).

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;
use serde_json::{Value as Json, json};

use super::catch_up;
use super::compacted::Write;
use super::core::Core;
use super::herder::{
    ConnectorKind, ConnectorOffset, ConnectorOffsets, HerderError, Leadership, Object, TargetState,
};
use super::records;
use crate::kafka::{OffsetCommit, TopicPartition};
use crate::task::commits;

const TOPIC: &str = "kafka_topic";
const PARTITION: &str = "kafka_partition";
const OFFSET: &str = "kafka_offset";

/// How far a connector has come.
pub(super) async fn read(core: &Core, name: &str) -> Result<ConnectorOffsets, HerderError> {
    let offsets = match kind(core, name)? {
        ConnectorKind::Source => {
            core.logs.offset.read_to_stable().await?;
            let all = core.checkpoints.list(name, None, usize::MAX).into_iter();
            all.map(|(partition, offset)| ConnectorOffset {
                partition: object(&partition),
                offset: object(&offset),
            })
            .collect()
        }
        ConnectorKind::Sink | ConnectorKind::Processor => {
            let group = commits::group_of(name);
            let committed = core.clients.admin().committed_offsets(&group, None).await?;
            let by_partition: BTreeMap<_, _> = committed.into_iter().collect();
            let all = by_partition.into_iter();
            all.map(|(at, committed)| ConnectorOffset {
                partition: fields(json!({ TOPIC: &*at.topic, PARTITION: at.partition })),
                offset: fields(json!({ OFFSET: committed.offset })),
            })
            .collect()
        }
    };
    Ok(ConnectorOffsets { offsets })
}

/// How long to wait for a connector's tasks to stop, after it was stopped, and
/// then for what they saved to be readable.
const PATIENCE: Duration = Duration::from_secs(30);

/// Changes some offsets of a stopped connector.
pub(super) async fn alter(
    core: &Core,
    name: &str,
    offsets: ConnectorOffsets,
) -> Result<String, HerderError> {
    settle(core, name, PATIENCE).await?;
    change(core, name, async {
        match kind(core, name)? {
            ConnectorKind::Source => alter_source(core, name, offsets.offsets).await,
            ConnectorKind::Sink => alter_sink(core, name, offsets.offsets).await,
            ConnectorKind::Processor => Err(stateful(name)),
        }
    })
    .await?;
    Ok(done("altered"))
}

/// Forgets all offsets of a stopped connector.
pub(super) async fn reset(core: &Core, name: &str) -> Result<String, HerderError> {
    settle(core, name, PATIENCE).await?;
    change(core, name, async {
        match kind(core, name)? {
            ConnectorKind::Source => reset_source(core, name).await,
            ConnectorKind::Sink => reset_sink(core, name).await,
            ConnectorKind::Processor => Err(stateful(name)),
        }
    })
    .await?;
    Ok(done("reset"))
}

/// Kafka's words for a connector that has no `alterOffsets` of its own
/// (`Worker.completeModifyOffsetsCallback`): no plugin is asked.
fn done(changed: &str) -> String {
    format!(
        "The Connect framework-managed offsets for this connector have been {changed} \
         successfully. However, if this connector manages offsets externally, they will need to \
         be manually {changed} in the system that the connector uses."
    )
}

/// Returns once no worker has a task of a connector that was stopped and all that
/// a source's tasks saved is known here; an error when that takes too long. What
/// holds it up may be another connector's open transaction, so that nobody else
/// is kept waiting meanwhile.
pub(super) async fn settle(core: &Core, name: &str, patience: Duration) -> Result<(), HerderError> {
    check_leads(core)?;
    core.logs.config.read_to_end().await?;
    check_stopped(core, name)?;
    let mut led = core.led.subscribe();
    let released = led.wait_for(|led| led.leader != Leadership::Own || led.released(name));
    let _ = tokio::time::timeout(patience, released).await;
    check_released(core, name)?;
    if kind(core, name)? == ConnectorKind::Source {
        let admin = core.clients.admin();
        let read = catch_up::read_to_end(&core.logs.offset, &*admin, name, patience).await;
        read.map_err(|error| {
            HerderError::Internal(format!(
                "The offsets of connector {name} were not changed: {error}"
            ))
        })?;
    }
    Ok(())
}

/// Does `work`, which changes a connector's offsets, if nobody else writes them: no
/// task of it runs, none is dealt out before this returns, and the work is done
/// only while this worker's lease holds, since it leads no longer than that.
async fn change(
    core: &Core,
    name: &str,
    work: impl Future<Output = Result<(), HerderError>>,
) -> Result<(), HerderError> {
    let _dealing = core.dealing.lock().await;
    core.logs.config.read_to_end().await?;
    check_stopped(core, name)?;
    check_released(core, name)?;
    let held = core.writes().hold(work).await;
    held.map_err(|over| {
        HerderError::Conflict(format!(
            "The offsets of connector {name} may not all have been changed: {over}. Send the \
             request again"
        ))
    })?
}

fn kind(core: &Core, name: &str) -> Result<ConnectorKind, HerderError> {
    core.kind_of(name).ok_or_else(|| {
        HerderError::Internal(format!(
            "the plugin of connector {name} is gone, so nobody knows what its offsets are"
        ))
    })
}

/// A processor's state says what it has counted: with other offsets it would
/// count twice, or not at all.
fn stateful(name: &str) -> HerderError {
    HerderError::BadRequest(format!(
        "Connector {name} is a processor, whose state belongs to its offsets: they are not changed \
         alone. To begin anew, create it under another name"
    ))
}

/// Only the leader knows who has which task (`modifyConnectorOffsetsChecks` of
/// Kafka's `DistributedHerder`).
fn check_leads(core: &Core) -> Result<(), HerderError> {
    match &core.led.borrow().leader {
        Leadership::Own => Ok(()),
        Leadership::Of(leader) => Err(HerderError::Conflict(format!(
            "Only the leader can process external offsets modification requests: send it to \
             {leader}"
        ))),
        Leadership::Unknown => Err(HerderError::Conflict(
            "Cannot complete request momentarily due to no known leader, likely because a \
             rebalance was underway. Send it again"
                .to_owned(),
        )),
    }
}

/// Every worker has said that it let go of the connector's tasks.
fn check_released(core: &Core, name: &str) -> Result<(), HerderError> {
    check_leads(core)?;
    match core.led.borrow().released(name) {
        true => Ok(()),
        false => Err(HerderError::Conflict(
            "Request cannot be completed because a rebalance is expected: the connector's tasks \
             have not all stopped yet"
                .to_owned(),
        )),
    }
}

fn check_stopped(core: &Core, name: &str) -> Result<(), HerderError> {
    let target = core.configs.read().expect("no holder panics").get(name).map(|entry| entry.target);
    match target {
        None => Err(HerderError::NotFound(format!("Connector {name} not found"))),
        Some(TargetState::Stopped) => Ok(()),
        Some(TargetState::Started | TargetState::Paused) => Err(HerderError::BadRequest(format!(
            "Connectors must be in the STOPPED state before their offsets can be modified. This \
             can be done for the specified connector by issuing a 'PUT' request to the \
             '/connectors/{name}/stop' endpoint"
        ))),
    }
}

/// Whoever looks at the offsets reads what is written here: to wait for it might
/// be to wait for another's transaction.
async fn write(core: &Core, writes: &[Write]) -> Result<(), HerderError> {
    if !writes.is_empty() {
        core.logs.offset.write(writes).await?;
    }
    Ok(())
}

/// What is saved of a connector's partitions, with what was changed from outside
/// since all was read.
async fn known(core: &Core, name: &str) -> Result<Vec<(String, String)>, HerderError> {
    core.logs.offset.read_to_stable().await?;
    Ok(core.checkpoints.list(name, None, usize::MAX))
}

async fn reset_source(core: &Core, name: &str) -> Result<(), HerderError> {
    let all = known(core, name).await?.into_iter();
    let gone = |partition: String| (records::offset_key(name, &partition), None);
    let writes: Vec<Write> = all.map(|(partition, _)| gone(partition)).collect();
    write(core, &writes).await
}

async fn reset_sink(core: &Core, name: &str) -> Result<(), HerderError> {
    check_unkept(core, name, None).await?;
    match core.clients.admin().delete_group(&commits::group_of(name)).await {
        // It was reset before, or never read anything.
        Err(error) if error.code() == Some(ResponseError::GroupIdNotFound) => Ok(()),
        deleted => Ok(deleted?),
    }
}

/// The same partition must be the same key for the cleaner and for the plugin,
/// so a partition that is known keeps its spelling.
async fn alter_source(
    core: &Core,
    name: &str,
    offsets: Vec<ConnectorOffset>,
) -> Result<(), HerderError> {
    let known = known(core, name).await?;
    let mut writes: Vec<Write> = Vec::with_capacity(offsets.len());
    for ConnectorOffset { partition, offset } in offsets {
        let partition = partition
            .ok_or_else(|| HerderError::Internal("Partition objects cannot be null".to_owned()))?;
        let spelt = known.iter().find(|(known, _)| object(known).as_ref() == Some(&partition));
        let spelt = spelt.map_or_else(|| Json::Object(partition).to_string(), |(it, _)| it.clone());
        let offset = offset.map(|offset| Json::Object(offset).to_string().into_bytes());
        writes.push((records::offset_key(name, &spelt), offset));
    }
    write(core, &writes).await
}

async fn alter_sink(
    core: &Core,
    name: &str,
    offsets: Vec<ConnectorOffset>,
) -> Result<(), HerderError> {
    let mut commits: Vec<OffsetCommit> = Vec::new();
    let mut forgotten = Vec::new();
    for offset in &offsets {
        let (at, offset) = sink_offset(offset).map_err(HerderError::BadRequest)?;
        match offset {
            Some(offset) if offset < 0 => {
                return Err(HerderError::Internal(format!("Invalid negative offset {offset}")));
            }
            Some(offset) => {
                commits.push(commits::commit_by_hand(&at, offset, &core.config.group_id));
            }
            None => forgotten.push(at),
        }
    }
    let (admin, group) = (core.clients.admin(), commits::group_of(name));
    let changed = commits.iter().map(|commit| &commit.partition).chain(&forgotten);
    let changed: Vec<_> = changed.cloned().collect();
    check_unkept(core, name, Some(&changed)).await?;
    check_exist(core, &commits).await?;
    admin.commit_offsets(&group, &commits).await?;
    if !forgotten.is_empty() {
        for (at, refused) in admin.delete_offsets(&group, &forgotten).await? {
            match refused {
                // What was never committed is forgotten already.
                None | Some(ResponseError::UnknownTopicOrPartition) => {}
                Some(error) => {
                    return Err(HerderError::Internal(format!(
                        "Failed to alter consumer group offsets for connector {name}: {at}: {error}"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// A sink that keeps its position with its data goes on there, whatever its group has:
/// a change of the group's offsets would be passed over. `None`: all are to change.
async fn check_unkept(
    core: &Core,
    name: &str,
    changed: Option<&[TopicPartition]>,
) -> Result<(), HerderError> {
    let group = commits::group_of(name);
    let committed = core.clients.admin().committed_offsets(&group, None).await?;
    let meant = |at: &TopicPartition| changed.is_none_or(|changed| changed.contains(at));
    let kept = committed.iter().find(|(at, offset)| meant(at) && commits::is_kept(offset));
    match kept {
        None => Ok(()),
        Some((at, _)) => Err(HerderError::BadRequest(format!(
            "Connector {name} keeps its position in {at} with its data, and goes on from there: \
             change it in the system that the connector writes to"
        ))),
    }
}

/// An offset of a partition that is not there would lie in wait until it is.
async fn check_exist(core: &Core, commits: &[OffsetCommit]) -> Result<(), HerderError> {
    let mut names: Vec<&str> = commits.iter().map(|commit| &*commit.partition.topic).collect();
    names.sort_unstable();
    names.dedup();
    let topics = core.clients.admin().describe_topics(&names).await?;
    let is_there = |at: &TopicPartition| {
        let topic = topics.get(&*at.topic);
        topic.is_some_and(|topic| topic.partitions.iter().any(|it| it.partition == at.partition))
    };
    match commits.iter().find(|commit| !is_there(&commit.partition)) {
        None => Ok(()),
        Some(OffsetCommit { partition, .. }) => Err(HerderError::Internal(format!(
            "Failed to alter consumer group offsets: there is no partition {partition}"
        ))),
    }
}

/// A sink's offset, as `SinkUtils.parseSinkConnectorOffsets` takes it: numbers
/// may be strings.
fn sink_offset(offset: &ConnectorOffset) -> Result<(TopicPartition, Option<i64>), String> {
    let partition = offset.partition.as_ref().ok_or_else(|| {
        "The partition for a sink connector offset cannot be null or missing".to_owned()
    })?;
    let (Some(topic), Some(number)) = (partition.get(TOPIC), partition.get(PARTITION)) else {
        return Err(format!(
            "The partition for a sink connector offset must contain the keys '{TOPIC}' and \
             '{PARTITION}'"
        ));
    };
    if topic.is_null() {
        return Err("Kafka topic names must be valid strings and may not be null".to_owned());
    }
    if number.is_null() {
        return Err("Kafka partitions must be valid numbers and may not be null".to_owned());
    }
    let number = text(number).parse::<i32>().map_err(|_| {
        format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{}'. \
             Partition values for sink connectors need to be integers.",
            text(number)
        )
    })?;
    let at = TopicPartition::new(text(topic), number);
    let Some(offset) = &offset.offset else { return Ok((at, None)) };
    let offset = offset.get(OFFSET).ok_or_else(|| {
        format!(
            "The offset for a sink connector should either be null or contain the key '{OFFSET}'"
        )
    })?;
    let offset = text(offset).parse::<i64>().map_err(|_| {
        format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{}'. \
             Offset values for sink connectors need to be integers.",
            text(offset)
        )
    })?;
    Ok((at, Some(offset)))
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn object(text: &str) -> Option<Object> {
    serde_json::from_str(text).ok()
}

fn fields(value: Json) -> Option<Object> {
    match value {
        Json::Object(fields) => Some(fields),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(partition: Json, offset: Json) -> Result<(TopicPartition, Option<i64>), String> {
        sink_offset(&ConnectorOffset { partition: fields(partition), offset: fields(offset) })
    }

    #[test]
    fn a_sinks_numbers_may_be_strings_and_a_null_offset_takes_it_away() {
        let at = TopicPartition::new("t", 3);
        let number = parsed(json!({ TOPIC: "t", PARTITION: 3 }), json!({ OFFSET: 7 }));
        assert_eq!(number, Ok((at.clone(), Some(7))));
        let string = parsed(json!({ TOPIC: "t", PARTITION: "3" }), json!({ OFFSET: "7" }));
        assert_eq!(string, Ok((at.clone(), Some(7))));
        assert_eq!(parsed(json!({ TOPIC: "t", PARTITION: 3 }), Json::Null), Ok((at, None)));
    }

    #[test]
    fn a_sinks_offset_that_is_none_says_what_it_lacks() {
        for (partition, offset, part) in [
            (Json::Null, json!({ OFFSET: 1 }), "null or missing"),
            (json!({ TOPIC: "t" }), json!({ OFFSET: 1 }), PARTITION),
            (json!({ TOPIC: null, PARTITION: 1 }), json!({ OFFSET: 1 }), "topic names"),
            (json!({ TOPIC: "t", PARTITION: null }), json!({ OFFSET: 1 }), "valid numbers"),
            (json!({ TOPIC: "t", PARTITION: "x" }), json!({ OFFSET: 1 }), "'x'"),
            (json!({ TOPIC: "t", PARTITION: 1 }), json!({ "position": 1 }), OFFSET),
            (json!({ TOPIC: "t", PARTITION: 1 }), json!({ OFFSET: 1.5 }), "'1.5'"),
        ] {
            let error = parsed(partition, offset).unwrap_err();
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}
