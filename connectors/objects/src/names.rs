//! The names of a sink's files, and its boundary objects.

use longshore_sdk::{Fault, Partition};
use serde::{Deserialize, Serialize};

use crate::options::SinkOptions;

/// The folder of the boundary objects, beside the files. Tools that read whole
/// folders leave out names that begin so.
const BOUNDARIES: &str = "_boundaries";

/// Where the files of one topic-partition are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `path` with a slash behind, or empty.
    folder: String,
    stem: String,
    extension: &'static str,
    layout: String,
}

impl Names {
    /// The names of `partition`'s files.
    pub fn new(options: &SinkOptions, partition: &Partition) -> Self {
        let slash = if options.path.is_empty() { "" } else { "/" };
        Self {
            folder: format!("{}{slash}", options.path),
            stem: format!("{}+{}+", partition.topic, partition.number),
            extension: options.format.extension(),
            layout: options.layout(),
        }
    }

    /// What tells the options that a record's file and its bytes depend on.
    pub fn layout(&self) -> &str {
        &self.layout
    }

    /// The file in `folder` (below `path`, empty for itself) whose first record has the
    /// offset `start`. Twenty digits hold every offset, so that byte order is the order
    /// of offsets.
    pub fn file(&self, folder: &str, start: i64) -> String {
        let slash = if folder.is_empty() { "" } else { "/" };
        format!("{}{folder}{slash}{}{start:020}.{}", self.folder, self.stem, self.extension)
    }

    /// Its boundary object.
    pub fn boundary(&self, start: i64) -> String {
        format!("{}{BOUNDARIES}/{}{start:020}.json", self.folder, self.stem)
    }

    /// A glob for all boundary objects.
    pub fn boundaries(&self) -> String {
        format!("{}{BOUNDARIES}/{}*.json", escaped(&self.folder), escaped(&self.stem))
    }

    /// The first offset that a boundary object's name tells.
    pub fn start(&self, boundary: &str) -> Option<i64> {
        let (_, name) = boundary.rsplit_once('/')?;
        name.strip_prefix(&self.stem)?.strip_suffix(".json")?.parse().ok()
    }
}

/// A glob that matches `text` alone.
fn escaped(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            glob.push('\\');
        }
        glob.push(c);
    }
    glob
}

/// A record as a boundary remembers it: an offset is given once in the life of
/// a topic, and its timestamp never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The record's offset.
    pub offset: i64,
    /// Its timestamp in milliseconds, -1 for none.
    pub timestamp_ms: i64,
}

/// Where the files of a partition that were begun at one offset end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// The offset at which the next begin.
    pub next: i64,
    /// The first record.
    pub first: Seen,
    /// The last record.
    pub last: Seen,
    /// By which options the records were dealt to files ([`Names::layout`]); none in those
    /// of versions that did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
}

impl Boundary {
    /// The object's bytes.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a boundary is JSON")
    }

    /// Reads the object at `path`.
    pub fn read(path: &str, bytes: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(bytes).map_err(|error| {
            Fault::config("boundary-unreadable", format!("`{path}` is no boundary object: {error}"))
        })
    }

    /// False when its files were laid out by other options.
    pub fn is_laid_out_as(&self, layout: &str) -> bool {
        self.layout.as_ref().is_none_or(|own| own == layout)
    }

    /// False when `seen` has an offset of this boundary, but is another record.
    pub fn agrees(&self, seen: Seen) -> bool {
        [self.first, self.last].iter().all(|own| own.offset != seen.offset || *own == seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::SinkFormat;

    fn names(path: &str) -> Names {
        let options = SinkOptions {
            path: path.into(),
            connection: "files".into(),
            format: SinkFormat::JsonLines,
            partitioner: crate::partitioner::Partitioner::Flat,
            flush_size: 1,
            rotate_interval_ms: None,
            rotate_schedule_interval_ms: None,
        };
        Names::new(&options, &Partition { topic: "a.b".into(), number: 7 })
    }

    #[test]
    fn names_tell_topic_partition_and_first_offset() {
        assert_eq!(names("").file("", 12), "a.b+7+00000000000000000012.jsonl");
        assert_eq!(names("x/y").file("", 0), "x/y/a.b+7+00000000000000000000.jsonl");
        assert_eq!(names("x").file("t/d=1", 3), "x/t/d=1/a.b+7+00000000000000000003.jsonl");
        let boundary = names("x").boundary(i64::MAX);
        assert_eq!(boundary, "x/_boundaries/a.b+7+09223372036854775807.json");
        assert_eq!(names("x").start(&boundary), Some(i64::MAX));
        assert_eq!(names("x").start("x/_boundaries/a.b+71+1.json"), None);
        assert_eq!(names("x[1]").boundaries(), "x\\[1\\]/_boundaries/a.b+7+*.json");
    }

    #[test]
    fn a_boundary_tells_another_record_at_the_same_offset() {
        let seen = |offset, timestamp_ms| Seen { offset, timestamp_ms };
        let (first, last) = (seen(5, 100), seen(9, 200));
        let boundary = Boundary { next: 10, first, last, layout: Some("lines".into()) };
        assert_eq!(Boundary::read("x", &boundary.write()).unwrap(), boundary);
        assert!(boundary.agrees(seen(5, 100)) && boundary.agrees(seen(6, 1)));
        assert!(!boundary.agrees(seen(9, 201)));
        assert!(boundary.is_laid_out_as("lines") && !boundary.is_laid_out_as("json-lines"));
        let older = br#"{"next":1,"first":{"offset":0,"timestamp_ms":1},"last":{"offset":0,"timestamp_ms":1}}"#;
        assert!(Boundary::read("x", older).unwrap().is_laid_out_as("lines"));
        assert!(matches!(Boundary::read("x", b"{").unwrap_err(), Fault::Config(_)));
    }
}
