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

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::records::RecordBatchDecoder;

    /// A log as a broker would give it: each pair at its offset.
    fn log(pairs: &[(i64, &str, Option<&str>)]) -> Vec<Record> {
        pairs
            .iter()
            .map(|(offset, key, value)| {
                let batch = crate::wire::batch_at(0, (-1, -1), -1, &[pair(key, *value)]);
                let set = RecordBatchDecoder::decode(&mut batch.clone()).expect("a valid batch");
                let mut record = set.records[0].clone();
                record.offset = *offset;
                record
            })
            .collect()
    }

    fn pair(key: &str, value: Option<&str>) -> Pair {
        (Some(Bytes::from(key.to_owned())), value.map(|value| Bytes::from(value.to_owned())))
    }

    fn history(pairs: &[(i64, &str, Option<&str>)]) -> History {
        let acked = pairs.iter().map(|(offset, key, value)| (*offset, pair(key, *value)));
        History { acked: acked.collect(), in_doubt: vec![pair("doubt", Some("maybe"))] }
    }

    const WRITTEN: [(i64, &str, Option<&str>); 3] =
        [(0, "a", Some("1")), (1, "b", Some("2")), (2, "a", Some("3"))];

    #[test]
    fn a_whole_log_with_or_without_the_batch_in_doubt_is_right() {
        nothing_lost(&history(&WRITTEN), &log(&WRITTEN));
        let mut longer = WRITTEN.to_vec();
        longer.push((3, "doubt", Some("maybe")));
        nothing_lost(&history(&WRITTEN), &log(&longer));
    }

    #[test]
    #[should_panic(expected = "acknowledged at offset 2")]
    fn a_lost_record_is_seen() {
        nothing_lost(&history(&WRITTEN), &log(&WRITTEN[..2]));
    }

    #[test]
    #[should_panic(expected = "records that were not acknowledged")]
    fn a_record_that_is_there_twice_is_seen() {
        let mut twice = WRITTEN.to_vec();
        twice.push((3, "a", Some("3")));
        nothing_lost(&history(&WRITTEN), &log(&twice));
    }

    #[test]
    fn a_compacted_log_may_lack_what_was_overwritten_and_tombstones() {
        latest_of_each_key(&history(&WRITTEN), &log(&WRITTEN[1..]));
        let deleted = [(0, "a", Some("1")), (1, "a", None)];
        latest_of_each_key(&history(&deleted), &log(&[]));
    }

    #[test]
    #[should_panic(expected = "the latest value of")]
    fn a_stale_value_is_seen() {
        latest_of_each_key(&history(&WRITTEN), &log(&WRITTEN[..2]));
    }

    #[test]
    #[should_panic(expected = "the latest value of")]
    fn a_deleted_key_that_came_back_is_seen() {
        let deleted = [(0, "a", Some("1")), (1, "a", None)];
        latest_of_each_key(&history(&deleted), &log(&deleted[..1]));
    }
}
