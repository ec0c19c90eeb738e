//! Folders of partitions that the cluster does not have.
//!
//! A topic is gone when the journal says so; a crash before its folders are renamed
//! leaves them behind. Kafka calls such folders stray and removes them at start too.

use std::fs;

use super::metadata;
use crate::{controller::ClusterImage, log::PartitionDir};

/// Removes those of the folders found that belong to topics which are gone. What
/// does not say which topic's it is stays; so does everything when there is no topic
/// at all: then it is likelier that the journal is not the folders'.
pub(crate) fn remove_strays(found: &[PartitionDir], image: &ClusterImage) {
    let is_known = |dir: &PartitionDir| {
        let partitions = image.topic(&dir.topic).map_or(0, |topic| topic.partitions.len());
        usize::try_from(dir.partition).is_ok_and(|number| number < partitions)
    };
    for stray in found.iter().filter(|dir| !is_known(dir) && metadata::is_there(&dir.path)) {
        let folder = stray.path.display();
        if image.topics().next().is_none() {
            tracing::warn!(%folder, "the cluster has no topic, yet here is one's folder: it stays");
            continue;
        }
        match fs::remove_dir_all(&stray.path) {
            Ok(()) => tracing::warn!(%folder, "records of a deleted topic are removed"),
            Err(error) => tracing::error!(%folder, %error, "a deleted topic's files remain"),
        }
    }
}
