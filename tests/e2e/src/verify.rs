//! What must be in the log after everything that happened to the broker.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use kafka_protocol::records::Record;

use crate::wire::Pair;
use crate::writer::History;

/// Checks a partition that keeps everything: each acknowledged record is at its
/// offset, none is twice, nothing else is there but the batch in doubt, whole.
///
/// # Panics
/// When it is not so; the message says what and where.
pub fn nothing_lost(history: &History, log: &[Record]) {
    for (expected, record) in (0..).zip(log) {
        assert_eq!(record.offset, expected, "offsets have no gaps");
    }
    let in_log = by_offset(log);
    for (offset, pair) in &history.acked {
        let found = in_log.get(offset);
        assert_eq!(found, Some(pair), "the record acknowledged at offset {offset}");
    }
    let others: Vec<_> =
        in_log.iter().filter(|(offset, _)| !history.acked.contains_key(offset)).collect();
    if !others.is_empty() {
        let doubtful: Vec<_> = others.iter().map(|(_, pair)| (*pair).clone()).collect();
        assert_eq!(doubtful, history.in_doubt, "records that were not acknowledged");
        let last = history.acked.last_key_value().map_or(-1, |(offset, _)| *offset);
        assert!(others.iter().all(|(offset, _)| **offset > last), "the batch in doubt is the last");
    }
}

/// Checks a compacted partition: the latest acknowledged value of each key is
/// there at its offset (a tombstone may be gone), and nothing is there that was
/// not written.
///
/// # Panics
/// When it is not so.
pub fn latest_of_each_key(history: &History, log: &[Record]) {
    assert!(log.is_sorted_by_key(|record| record.offset), "offsets grow");
    let in_log = by_offset(log);
    for (offset, pair) in &in_log {
        match history.acked.get(offset) {
            Some(written) => assert_eq!(pair, written, "the record at offset {offset}"),
            None => {
                assert!(history.in_doubt.contains(pair), "offset {offset} holds what nobody wrote");
            }
        }
    }
    let found = latest(in_log.iter());
    let doubted: Vec<_> = history.in_doubt.iter().map(|(key, _)| key).collect();
    for (key, (offset, value)) in latest(history.acked.iter()) {
        let in_log = found.get(&key);
        let overwritten = in_log.is_some_and(|(at, _)| *at > offset) && doubted.contains(&&key);
        let gone = value.is_none() && in_log.is_none();
        assert!(
            in_log == Some(&(offset, value.clone())) || overwritten || gone,
            "the latest value of {key:?} was acknowledged at {offset}, the log has {in_log:?}"
        );
    }
}

fn by_offset(log: &[Record]) -> BTreeMap<i64, Pair> {
    log.iter().map(|record| (record.offset, (record.key.clone(), record.value.clone()))).collect()
}

/// Each key's last offset and value.
fn latest<'a>(
    records: impl Iterator<Item = (&'a i64, &'a Pair)>,
) -> HashMap<Option<Bytes>, (i64, Option<Bytes>)> {
    records.map(|(offset, (key, value))| (key.clone(), (*offset, value.clone()))).collect()
}
