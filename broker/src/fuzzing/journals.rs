//! The controller's journal and snapshot, as they are found at start.

use super::{files, folder};
use crate::{
    config::{BrokerConfig, dynamic::DynamicBounds},
    controller::Controller as _,
    controller::LocalController,
    partition::check_topic_configs,
};

/// The parts of the input are the journal's payloads, in frames whose checksums
/// are right if the tag's lowest bit is set; the next bit makes the part the
/// snapshot's. Without the lowest bit a part is bytes as they are.
///
/// # Panics
/// When the same files are read differently the second time, or the image does
/// not survive a compaction.
pub fn journals(bytes: &[u8]) {
    let home = folder();
    let dir = home.path().join("metadata");
    std::fs::create_dir(&dir).expect("there is room for a folder");
    let mut journal = Vec::new();
    for (tag, part) in files::parts(bytes) {
        let part = if tag & 1 == 0 { part.to_vec() } else { files::journal_frame(part) };
        match tag & 2 {
            0 => journal.extend_from_slice(&part),
            _ => std::fs::write(dir.join("snapshot"), part).expect("there is room for a file"),
        }
    }
    std::fs::write(dir.join("journal"), journal).expect("there is room for a file");
    let config = BrokerConfig::from_properties::<&str, &str>([]).expect("every default is valid");
    let bounds = DynamicBounds::of(&config);
    let open = || LocalController::open(&dir, 1, check_topic_configs, bounds.clone());
    let Ok(controller) = open() else { return };
    let image = controller.image().borrow().clone();
    drop(controller);
    let again = open().expect("it opened before");
    assert_eq!(*again.image().borrow(), image, "the same files give the same image");

    let mut rebuilt = crate::controller::ClusterImage::default();
    image.to_records().iter().for_each(|record| rebuilt.apply(record));
    assert_eq!(rebuilt, *image, "a snapshot stands for all that came before it");
}
