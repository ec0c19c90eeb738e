//! The log as a whole, against plain models.

use std::path::{Path, PathBuf};

use super::*;

mod cleaning;
mod cleaning_transactions;
mod committed;
mod configs;
mod crashes;
mod crashes_transactions;
mod deletion;
mod dump;
mod faults;
mod lookups;
mod model;
mod recovery;
mod speed;
mod transactions;

/// A clock that stands still unless a test moves it.
const NOW_MS: i64 = 1_700_000_000_000;

const CLIENT: AppendOptions =
    AppendOptions { leader_epoch: 0, origin: Origin::Client, now_ms: NOW_MS, verification: None };

const ALL: ReadLimit =
    ReadLimit { max_bytes: usize::MAX / 2, at_least_one: true, up_to: ReadUpTo::LogEnd };

/// A temporary folder with a partition's name inside.
struct Home {
    _root: tempfile::TempDir,
    dir: PathBuf,
}

fn home() -> Home {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("t-0");
    Home { _root: root, dir }
}

fn config(pairs: &[(&str, &str)]) -> LogConfig {
    LogConfig::from_map(pairs.iter().copied()).unwrap()
}

fn open(dir: &Path, config: &LogConfig) -> Log {
    Log::open(dir, config.clone(), NOW_MS).unwrap().0
}

/// A batch of records without keys, each value its own text.
fn batch_of(values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0);
    for value in values {
        builder.push(NOW_MS, None, Some(value.as_bytes()), &[]);
    }
    builder.build().unwrap()
}

fn append(log: &Log, mut batch: Vec<u8>) -> Appended {
    log.append(&mut batch, &CLIENT).unwrap()
}

/// A batch of a transactional producer.
fn sent(producer_id: i64, epoch: i16, sequence: i32, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0).producer(producer_id, epoch, sequence).transactional();
    for value in values {
        builder.push(NOW_MS, Some(b"key"), Some(value.as_bytes()), &[]);
    }
    builder.build().unwrap()
}

/// Appends a client's transactional batch that the coordinator was asked about.
fn append_verified(log: &Log, mut batch: Vec<u8>) -> Result<Appended, AppendError> {
    let options = AppendOptions { verification: Some(ask(log, &batch)), ..CLIENT };
    log.append(&mut batch, &options)
}

/// What is done before the coordinator is asked about a batch.
fn ask(log: &Log, batch: &[u8]) -> Verification {
    log.begin_verification(&BatchHeader::parse(batch).unwrap(), NOW_MS)
}

fn marker(producer_id: i64, producer_epoch: i16, kind: MarkerKind) -> Marker {
    Marker { producer_id, producer_epoch, coordinator_epoch: 0, kind }
}

fn end(log: &Log, marker: &Marker) -> Appended {
    log.append_marker(marker, 0, NOW_MS).unwrap()
}

/// An owned record, for comparisons.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

fn records_of(bytes: &[u8]) -> Vec<Owned> {
    let mut records = Vec::new();
    for batch in Batches::new(bytes) {
        let (header, batch) = batch.unwrap();
        check_crc(&header, batch).unwrap();
        let codec = Codec::from_id(header.codec_id()).unwrap();
        let payload = codec.decompress(&batch[limits::BATCH_HEADER_BYTES..]).unwrap();
        for record in Records::new(&header, &payload) {
            let record = record.unwrap();
            records.push(Owned {
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
            });
        }
    }
    records
}

/// Every record from `offset` on, fetched as a consumer would.
fn read_from(log: &Log, mut offset: i64, limit: &ReadLimit) -> Vec<Owned> {
    let mut records = Vec::new();
    loop {
        let fetched = log.read(offset, limit).unwrap();
        let Some(last) = Batches::new(&fetched.batches).last() else { return records };
        let next = last.unwrap().0.next_offset();
        assert!(next > offset, "a fetch makes progress");
        records.extend(records_of(&fetched.batches).into_iter().filter(|r| r.offset >= offset));
        offset = next;
    }
}

fn read_all(log: &Log) -> Vec<Owned> {
    read_from(log, log.log_start_offset(), &ALL)
}
