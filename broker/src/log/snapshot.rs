//! Producer snapshots: Kafka's version 1, with its CRC-32C. `DESIGN.md`, section 4.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use bytes::{Buf, BufMut};

use super::batch::NO_SEQUENCE;
use super::files::{self, Kind};
use super::limits::{PRODUCER_BATCHES_MAX, SNAPSHOT_BYTES_MAX};
use super::producers::{Producer, Producers, SentBatch};

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const ENTRIES_AT: usize = 6;
const ENTRY_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

/// Writes the snapshot of the state just before `offset`.
pub(crate) fn write(dir: &Path, offset: i64, producers: &Producers) -> io::Result<()> {
    files::replace(&files::path_of(dir, offset, Kind::Snapshot, ""), &encode(producers))
}

/// Reads the newest usable snapshot at or below `end_offset`, and the offset that
/// it stands for. Those that are malformed are skipped with a warning.
pub(crate) fn read_newest(dir: &Path, end_offset: i64) -> io::Result<Option<(i64, Producers)>> {
    for offset in offsets(dir)?.into_iter().rev().filter(|offset| *offset <= end_offset) {
        let path = files::path_of(dir, offset, Kind::Snapshot, "");
        if std::fs::metadata(&path)?.len() <= SNAPSHOT_BYTES_MAX
            && let Some(producers) = decode(&std::fs::read(&path)?)
        {
            return Ok(Some((offset, producers)));
        }
        tracing::warn!(path = %path.display(), "malformed producer snapshot, an older one is used");
    }
    Ok(None)
}

/// Removes the snapshots whose offset does not satisfy `keep`.
pub(crate) fn retain(dir: &Path, keep: impl Fn(i64) -> bool) -> io::Result<()> {
    for offset in offsets(dir)?.into_iter().filter(|offset| !keep(*offset)) {
        files::remove(&files::path_of(dir, offset, Kind::Snapshot, ""))?;
    }
    Ok(())
}

/// Offsets of all snapshots, ascending.
fn offsets(dir: &Path) -> io::Result<Vec<i64>> {
    let listed = files::list(dir)?.into_iter();
    Ok(listed
        .filter(|(_, kind, suffix)| *kind == Kind::Snapshot && suffix.is_empty())
        .map(|(offset, _, _)| offset)
        .collect())
}

fn encode(producers: &Producers) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRIES_AT + 4 + producers.len() * ENTRY_BYTES);
    bytes.put_i16(VERSION);
    bytes.put_u32(0);
    bytes.put_i32(i32::try_from(producers.len()).expect("a snapshot has at most 2^31 entries"));
    let mut sorted: Vec<_> = producers.iter().collect();
    sorted.sort_unstable_by_key(|(id, _)| *id);
    for (id, producer) in sorted {
        let last = producer.batches.back();
        bytes.put_i64(id);
        bytes.put_i16(producer.epoch);
        bytes.put_i32(last.map_or(NO_SEQUENCE, |batch| batch.last_sequence));
        bytes.put_i64(last.map_or(-1, |batch| batch.last_offset));
        bytes.put_i32(last.map_or(0, |batch| batch.offset_delta));
        bytes.put_i64(producer.last_timestamp_ms);
        bytes.put_i32(producer.coordinator_epoch);
        bytes.put_i64(producer.transaction_start.unwrap_or(-1));
    }
    let crc = crc32c::crc32c(&bytes[ENTRIES_AT..]);
    bytes[CRC_AT..ENTRIES_AT].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Producers> {
    let entries = bytes.get(ENTRIES_AT..)?;
    let mut head = bytes;
    if head.get_i16() != VERSION || head.get_u32() != crc32c::crc32c(entries) {
        return None;
    }
    let mut rest = entries;
    let count = usize::try_from(rest.try_get_i32().ok()?).ok()?;
    if rest.len() != count.checked_mul(ENTRY_BYTES)? {
        return None;
    }
    let mut producers = Producers::default();
    for mut entry in rest.chunks_exact(ENTRY_BYTES) {
        let id = entry.get_i64();
        let epoch = entry.get_i16();
        let last_sequence = entry.get_i32();
        let last_offset = entry.get_i64();
        let offset_delta = entry.get_i32();
        let timestamp_ms = entry.get_i64();
        let coordinator_epoch = entry.get_i32();
        let transaction_start = entry.get_i64();
        let mut batches = VecDeque::with_capacity(PRODUCER_BATCHES_MAX);
        if last_sequence != NO_SEQUENCE {
            batches.push_back(SentBatch { last_sequence, last_offset, offset_delta, timestamp_ms });
        }
        producers.restore(
            id,
            Producer {
                epoch,
                batches,
                last_timestamp_ms: timestamp_ms,
                coordinator_epoch,
                transaction_start: (transaction_start >= 0).then_some(transaction_start),
                last_marker_offset: None,
            },
        );
    }
    Some(producers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_snapshot_gives_back_the_newest_batch_of_each_producer(
            entries in proptest::collection::hash_map(
                0i64..1000,
                (0i16..9, 0i32..i32::MAX, 0i64..1 << 40, 0i32..99, any::<bool>()),
                0..40,
            ),
        ) {
            let mut producers = Producers::default();
            for (id, (epoch, last_sequence, last_offset, offset_delta, open)) in entries {
                let sent = SentBatch { last_sequence, last_offset, offset_delta, timestamp_ms: 5 };
                producers.restore(id, Producer {
                    epoch,
                    batches: VecDeque::from([sent]),
                    last_timestamp_ms: 5,
                    coordinator_epoch: -1,
                    transaction_start: open.then_some(last_offset),
                    last_marker_offset: None,
                });
            }
            let bytes = encode(&producers);
            prop_assert_eq!(decode(&bytes), Some(producers));
            for index in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1;
                prop_assert_eq!(decode(&flipped), None, "byte {}", index);
                prop_assert_eq!(decode(&bytes[..index]), None);
            }
        }
    }

    #[test]
    fn a_malformed_snapshot_is_passed_over_for_an_older_one() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 10, &Producers::default()).unwrap();
        let newer = files::path_of(dir.path(), 20, Kind::Snapshot, "");
        std::fs::write(newer, b"not a snapshot").unwrap();
        assert_eq!(read_newest(dir.path(), 99).unwrap().map(|found| found.0), Some(10));
        assert_eq!(read_newest(dir.path(), 9).unwrap(), None);
    }
}
