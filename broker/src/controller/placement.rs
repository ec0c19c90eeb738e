//! Decisions about leaders and replicas.
//!
//! With one replica a partition is where it must be, so what administrators ask
//! for leads to no record; what is left to decide is how to say so.

use super::{
    ClusterImage, ControllerError, MetadataRecord, OutlivedEpoch, PartitionImage, PartitionRecord,
    TopicRef, plan,
};

/// Which replica an election is to bring to the lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElectionType {
    /// The first of the replicas.
    Preferred,
    /// Any that lives, if none in sync does.
    Unclean,
}

/// Why no election is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ElectionRefusal {
    #[error("there is no such partition")]
    UnknownPartition,
    #[error("the partition has the leader that it should have")]
    NotNeeded,
    #[error("the preferred leader is not available")]
    PreferredLeaderNotAvailable,
    #[error("no replica is available to lead")]
    EligibleLeadersNotAvailable,
}

/// Whether an election would change anything. One replica leaves nobody else
/// to elect, so the answer is always a refusal.
pub(crate) fn judge_election(
    image: &ClusterImage,
    topic: &str,
    partition: i32,
    election: ElectionType,
) -> ElectionRefusal {
    let Some(partition) = find(image, topic, partition) else {
        return ElectionRefusal::UnknownPartition;
    };
    match election {
        ElectionType::Preferred if partition.replicas.first() == Some(&partition.leader) => {
            ElectionRefusal::NotNeeded
        }
        ElectionType::Preferred => ElectionRefusal::PreferredLeaderNotAvailable,
        ElectionType::Unclean if partition.leader >= 0 => ElectionRefusal::NotNeeded,
        ElectionType::Unclean => ElectionRefusal::EligibleLeadersNotAvailable,
    }
}

/// Whether a partition may have these replicas; `None` cancels what is under way.
pub(crate) fn judge_reassignment(
    image: &ClusterImage,
    topic: &str,
    partition: i32,
    replicas: Option<&[i32]>,
) -> Result<(), ControllerError> {
    let unknown = || ControllerError::UnknownTopic { topic: TopicRef::Name(topic.to_owned()) };
    let present = find(image, topic, partition).ok_or_else(unknown)?;
    let Some(replicas) = replicas else {
        return Err(ControllerError::NoReassignment { topic: topic.to_owned(), partition });
    };
    plan::check_replicas(image, [&replicas.to_vec()].into_iter())?;
    if replicas != present.replicas {
        let reason = format!(
            "partition {partition} of topic `{topic}` cannot be moved from {:?} to {replicas:?}: \
             partitions are not replicated",
            present.replicas
        );
        return Err(ControllerError::InvalidAssignment { reason });
    }
    Ok(())
}

/// The same leaders in new epochs. Partitions that are gone are left out.
pub(super) fn begin_leader_epochs(
    image: &ClusterImage,
    outlived: &[OutlivedEpoch],
) -> Vec<MetadataRecord> {
    let next = |outlived: &OutlivedEpoch| {
        let topic = image.topic_by_id(outlived.topic_id)?;
        let present = topic.partitions.get(usize::try_from(outlived.partition).ok()?)?;
        Some(MetadataRecord::Partition(PartitionRecord {
            topic_id: outlived.topic_id,
            partition: outlived.partition,
            leader: present.leader,
            leader_epoch: present.leader_epoch.max(outlived.epoch).saturating_add(1),
            partition_epoch: present.partition_epoch + 1,
            replicas: present.replicas.clone(),
            isr: present.isr.clone(),
        }))
    };
    outlived.iter().filter_map(next).collect()
}

fn find<'a>(image: &'a ClusterImage, topic: &str, partition: i32) -> Option<&'a PartitionImage> {
    image.topic(topic)?.partitions.get(usize::try_from(partition).ok()?)
}
