//! Folders of partitions that the cluster does not have.
//!
//! A topic is gone when the journal says so; a crash before its folders are renamed
//! leaves them behind. But a journal that was lost, or is older than the folders,
//! looks the same. So such folders are set aside under Kafka's name for them, and
//! kept: what they hold is removed by a person.

use std::{fs, io, path::PathBuf};

use super::metadata;
use crate::{
    controller::ClusterImage,
    log::{PartitionDir, stray_name},
};

/// Sets those of the folders found aside that belong to no topic. What does not say
/// which topic's it is stays; so does everything when there is no topic at all: a
/// journal that comes back finds its folders.
pub(crate) fn set_strays_aside(found: &[PartitionDir], image: &ClusterImage) {
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
        match set_aside(stray) {
            Ok(aside) => tracing::warn!(
                %folder,
                aside = %aside.display(),
                "no topic has this folder: it is set aside; remove it if the topic was deleted"
            ),
            Err(error) => tracing::error!(%folder, %error, "a folder of no topic remains"),
        }
    }
}

fn set_aside(stray: &PartitionDir) -> io::Result<PathBuf> {
    let free = (0..)
        .map(|number| stray.path.with_file_name(stray_name(&stray.topic, stray.partition, number)))
        .find(|aside| !aside.exists())
        .expect("there is always a next number");
    fs::rename(&stray.path, &free)?;
    Ok(free)
}
