//! `partition.metadata`: which topic a partition's folder belongs to.
//!
//! A topic that is deleted and made again has the same folder names; its id
//! tells whose records are inside. The format is Kafka's.

use std::{fs, io, path::Path};

use uuid::Uuid;

use crate::datadir;

const FILE: &str = "partition.metadata";

/// The text of the file. Ids are compared as text, so they need no decoding.
fn text(topic_id: Uuid) -> String {
    format!("version: 0\ntopic_id: {}\n", datadir::short_id(topic_id))
}

/// Whether a folder belongs to the topic; `None` when it does not say.
pub(super) fn belongs(folder: &Path, topic_id: Uuid) -> io::Result<Option<bool>> {
    match fs::read_to_string(folder.join(FILE)) {
        Ok(found) => Ok(Some(found.trim() == text(topic_id).trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a folder says which topic it belongs to.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

pub(super) fn write(folder: &Path, topic_id: Uuid) -> io::Result<()> {
    datadir::write_durably(&folder.join(FILE), text(topic_id).as_bytes())
}
