//! What a record becomes: part of a request, a deletion, or nothing.

use longshore_sdk::{Partition, Record};

use crate::options::{OnNull, SinkOptions};
use crate::template::NoPath;

/// What a record becomes.
#[derive(Debug, PartialEq, Eq)]
pub enum Made<'a> {
    /// Part of a request to a path.
    Body {
        /// Where it goes.
        path: String,
        /// The value's bytes.
        bytes: &'a [u8],
    },
    /// A deletion.
    Delete {
        /// Of what.
        path: String,
    },
    /// Nothing: the options say so.
    Nothing,
    /// It cannot be sent.
    Refused {
        /// A stable name.
        code: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// What `record` becomes; `topic` is its topic's name after the transforms.
pub fn make<'a>(
    options: &SinkOptions,
    partition: &Partition,
    topic: &str,
    record: &Record<'a>,
) -> Made<'a> {
    let path = || options.path.path(partition, topic, record);
    let refused = |NoPath { code, message }| Made::Refused { code, message };
    match (record.value, options.on_null) {
        (Some(bytes), _) => path().map_or_else(refused, |path| Made::Body { path, bytes }),
        (None, OnNull::Ignore) => Made::Nothing,
        (None, OnNull::Delete) => path().map_or_else(refused, |path| Made::Delete { path }),
        (None, OnNull::Fail) => Made::Refused {
            code: "null-value",
            message: "the record has no value (`behavior.on.null.values=fail`)".to_owned(),
        },
    }
}

/// The lane of a record's requests: those of one key go one after another, those of a
/// record without a key by their path.
pub fn lane(options: &SinkOptions, record: &Record<'_>, path: &str) -> u32 {
    if options.batch_size > 1 {
        return 0;
    }
    let bytes = record.key.unwrap_or(path.as_bytes());
    // FNV-1a, with its bits spread.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ((hash ^ (hash >> 32)) % u64::from(options.in_flight)) as u32
}

#[cfg(test)]
mod tests {
    use longshore_sdk::Batch;

    use super::*;

    fn made(on_null: &str, value: Option<&str>) -> String {
        let options = [("path", "x/${key}"), ("behavior.on.null.values", on_null)];
        let options = SinkOptions::read(&options.into_iter().collect()).unwrap();
        let mut batch = Batch::new();
        batch.push(Some(b"k"), value.map(str::as_bytes));
        let partition = Partition { topic: "t".to_owned(), number: 0 };
        format!("{:?}", make(&options, &partition, "t", &batch.record(0)))
    }

    #[test]
    fn a_null_value_is_what_the_options_say() {
        assert_eq!(made("ignore", None), "Nothing");
        assert_eq!(made("delete", None), r#"Delete { path: "x/k" }"#);
        assert!(made("fail", None).contains("null-value"));
        assert_eq!(made("delete", Some("v")), r#"Body { path: "x/k", bytes: [118] }"#);
    }
}
