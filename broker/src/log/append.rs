//! Append: check the batches, judge their sequences, write them once.

use std::sync::Arc;

use super::batch::{self, BatchHeader, Batches, NO_SEQUENCE, NO_TIMESTAMP};
use super::builder::BatchBuilder;
use super::codec::Codec;
use super::config::{LogConfig, TimestampType};
use super::error::{AppendError, FileContext, FileError};
use super::files::Kind;
use super::limits::{
    APPEND_DECOMPRESSED_BYTES_MIN, APPEND_DECOMPRESSED_RATIO_MAX, DECOMPRESSED_BYTES_MAX,
};
use super::marker::{Marker, MarkerKind};
use super::partition::{Appender, Log};
use super::producers::{SentBatch, Verdict};
use super::record::{self, Records};
use super::record_heads::RecordHeads;
use super::segment::Segment;
use super::snapshot;
use super::verification::Verification;
use crate::limits::RECORD_ERRORS_MAX;

/// Who sends the batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client, whose batches are checked in full.
    Client,
    /// The broker itself: coordinators and markers. Control batches are allowed
    /// and sequences are not judged.
    Broker,
}

/// What goes with a request.
#[derive(Debug, Clone, Copy)]
pub struct AppendOptions {
    /// Epoch of this broker as leader of the partition.
    pub leader_epoch: i32,
    /// Who sends it.
    pub origin: Origin,
    /// The broker's clock, ms since 1970.
    pub now_ms: i64,
    /// That the coordinator knows of the transaction which the batches may begin.
    /// A client's batch cannot begin one without (KIP-890).
    pub verification: Option<Verification>,
}

/// Where a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// The broker's timestamp if the topic has LogAppendTime, else -1.
    pub log_append_time_ms: i64,
    /// First offset that may be read.
    pub log_start_offset: i64,
    /// It had been appended before; these are the first one's offsets.
    pub duplicate: bool,
    /// The topic's `flush.messages` is reached: await [`Log::flushed`] with
    /// `last_offset` before answering.
    pub flush_before_answer: bool,
}

impl Log {
    /// Appends the batches of one request, all or none. A client sends one.
    ///
    /// `batches` are patched in place (base offset, leader epoch).
    ///
    /// # Errors
    /// [`AppendError`], with the log unchanged.
    pub fn append(
        &self,
        batches: &mut [u8],
        options: &AppendOptions,
    ) -> Result<Appended, AppendError> {
        let config = self.config();
        let mut headers = check(batches, &config, options)?;
        let mut reencoded = reencode(batches, &mut headers, &config)?;
        if reencoded.is_some() {
            // The topic's codec may make more of a batch than the client's did.
            headers.iter().try_for_each(|header| check_size(header, &config, options))?;
        }
        let batches = reencoded.as_deref_mut().unwrap_or(batches);
        let log_append_time_ms = match config.message_timestamp_type {
            TimestampType::CreateTime => NO_TIMESTAMP,
            TimestampType::LogAppendTime => {
                stamp(batches, &mut headers, options.now_ms);
                options.now_ms
            }
        };
        if batches.len() > config.segment_bytes as usize {
            let max_bytes = config.segment_bytes as usize;
            return Err(AppendError::LargerThanSegment { size_bytes: batches.len(), max_bytes });
        }

        let mut appender = self.lock_appender();
        self.check_online()?;
        let mut aborts = 0;
        if options.origin == Origin::Broker {
            for (header, batch) in pieces(batches, &headers) {
                let marker = Marker::parse(header, batch);
                appender.producers.check_broker(header, marker.as_ref())?;
                aborts += usize::from(marker.is_some_and(|m| m.kind == MarkerKind::Abort));
            }
        } else if let Some(first) = judge(&appender, &headers, options.verification)? {
            return Ok(Appended {
                base_offset: first.base_offset(),
                last_offset: first.last_offset,
                log_append_time_ms: match config.message_timestamp_type {
                    TimestampType::CreateTime => NO_TIMESTAMP,
                    TimestampType::LogAppendTime => first.timestamp_ms,
                },
                log_start_offset: self.log_start_offset(),
                duplicate: true,
                flush_before_answer: self.flush_is_due(appender.next_offset, &config)
                    && self.flushed_offset() <= first.last_offset,
            });
        }
        let base_offset = appender.next_offset;
        let next_offset = assign_offsets(batches, &mut headers, base_offset, options.leader_epoch);
        self.roll_if_due(&mut appender, &headers, batches.len(), &config, options.now_ms)?;
        appender.epochs.note(options.leader_epoch, base_offset);
        appender.epochs.save_if_needed().on("write the leader epochs of", &self.dir)?;
        let active = Arc::clone(&appender.active);
        let txn_index = || active.path(Kind::TxnIndex);
        active.aborts().reserve(aborts).on_file("make room in", txn_index)?;
        match active.write(batches) {
            Ok(written) => written.on_file("append to", || active.path(Kind::Log))?,
            Err(error) => {
                self.go_offline(format_args!("a failed write could not be undone: {error}"));
                self.check_online()?;
            }
        }
        crate::crash::point("log-append-before-index");
        active.publish(&headers, config.index_interval_bytes);
        for (header, batch) in pieces(batches, &headers) {
            // Before the last stable offset moves: who reads up to it finds the entry.
            if let Err(error) = active.note_transaction(header, batch, &mut appender.producers) {
                let path = txn_index();
                self.go_offline(format_args!("write {} after its marker: {error}", path.display()));
                self.check_online()?;
            }
        }
        appender.next_offset = next_offset;
        self.publish(&mut appender);
        Ok(Appended {
            base_offset,
            last_offset: next_offset - 1,
            log_append_time_ms,
            log_start_offset: self.log_start_offset(),
            duplicate: false,
            flush_before_answer: self.flush_is_due(next_offset, &config),
        })
    }

    /// Whether the append of a client's batch decompresses or compresses it. That takes
    /// longer than an append does: it is for a thread that may block.
    #[must_use]
    pub fn reworks(&self, batch: &[u8]) -> bool {
        let Ok(header) = BatchHeader::parse(batch) else { return false };
        let config = self.config();
        reencodes(&header, &config) || config.cleanup_policy.compact && header.codec_id() != 0
    }

    /// Ends a producer's transaction in this partition. Also without one: the
    /// coordinator repeats a marker whose answer it missed, and a fenced epoch must
    /// be known here. Such a marker is written like any other and ends nothing.
    ///
    /// # Errors
    /// [`SequenceError::Fenced`] when a higher producer epoch was seen here,
    /// [`SequenceError::CoordinatorFenced`] when a newer coordinator has written
    /// here; else as [`Log::append`]. The log is unchanged then.
    pub fn append_marker(
        &self,
        marker: &Marker,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let options =
            AppendOptions { leader_epoch, origin: Origin::Broker, now_ms, verification: None };
        self.append(&mut marker.build(now_ms), &options)
    }

    fn roll_if_due(
        &self,
        appender: &mut Appender,
        headers: &[BatchHeader],
        size_bytes: usize,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<(), FileError> {
        let active = &appender.active;
        if active.size() == 0 {
            return Ok(());
        }
        let newest_ms = headers.iter().map(|header| header.max_timestamp_ms).max();
        let newest_ms = newest_ms.filter(|ms| *ms >= 0).unwrap_or(now_ms);
        let last_offset = headers.last().map_or(0, BatchHeader::last_offset);
        let due = active.size() + size_bytes as u64 > config.segment_bytes as u64
            || newest_ms.saturating_sub(active.age_from_ms()) > self.roll_after_ms(active, config)
            || active.index_is_full(config.segment_index_bytes)
            || last_offset - active.base_offset() > i64::from(i32::MAX);
        if due { self.roll(appender, now_ms) } else { Ok(()) }
    }

    /// Milliseconds of age at which a segment is rolled, jitter taken off.
    pub(super) fn roll_after_ms(&self, segment: &Segment, config: &LogConfig) -> i64 {
        let roll_ms = config.roll_ms();
        match config.segment_jitter_ms.min(roll_ms) {
            0 => roll_ms,
            // Spread over partitions and segments, yet the same at every look.
            jitter_ms => {
                let seed = format!("{} {}", self.name(), segment.base_offset());
                roll_ms - i64::from(crc32c::crc32c(seed.as_bytes())) % jitter_ms
            }
        }
    }

    /// Begins a new segment at the log end, unless the active one is empty.
    pub(super) fn roll(&self, appender: &mut Appender, now_ms: i64) -> Result<(), FileError> {
        let active = &appender.active;
        let base_offset = appender.next_offset;
        if active.base_offset() == base_offset {
            return Ok(());
        }
        active.seal().on_file("complete the indexes of", || active.path(Kind::Log))?;
        snapshot::write(&self.dir, base_offset, &appender.producers)
            .on("write a producer snapshot in", &self.dir)?;
        let segment = Segment::create(&self.dir, base_offset, "", now_ms)
            .on("create a segment in", &self.dir)?;
        let segment = Arc::new(segment);
        self.flush.note_rolled(Arc::clone(active));
        self.segments_mut().insert(base_offset, Arc::clone(&segment));
        appender.active = segment;
        Ok(())
    }
}

/// Checks all that needs no lock and decodes the headers.
fn check(
    bytes: &[u8],
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<Vec<BatchHeader>, AppendError> {
    let mut headers = Vec::with_capacity(1);
    for batch in Batches::new(bytes) {
        let (header, batch) = batch?;
        if !headers.is_empty() && options.origin == Origin::Client {
            // As in Kafka since record format v2: no client sends more, and what
            // one partition is asked under its lock stays bounded.
            return Err(AppendError::InvalidRecord(
                "a request holds more than one batch for a partition",
            ));
        }
        check_size(&header, config, options)?;
        batch::check_crc(&header, batch)?;
        check_header(&header, config, options)?;
        check_records(&header, batch, config)?;
        headers.push(header);
    }
    if headers.is_empty() {
        return Err(AppendError::InvalidRecord("the request holds no record batch"));
    }
    Ok(headers)
}

fn check_size(
    header: &BatchHeader,
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<(), AppendError> {
    let (size_bytes, max_bytes) = (header.size_bytes, config.max_message_bytes as usize);
    if size_bytes > max_bytes && options.origin == Origin::Client {
        return Err(AppendError::MessageTooLarge { size_bytes, max_bytes });
    }
    Ok(())
}

fn check_header(
    header: &BatchHeader,
    config: &LogConfig,
    options: &AppendOptions,
) -> Result<(), AppendError> {
    let invalid = |reason| Err(AppendError::InvalidRecord(reason));
    header.check_shape()?;
    if header.record_count == 0 {
        return invalid("a batch holds no record");
    }
    if header.record_count - 1 != header.last_offset_delta {
        return invalid("record count and last offset delta of a batch differ");
    }
    Codec::from_id(header.codec_id())?;
    if options.origin == Origin::Broker {
        return Ok(());
    }
    if header.is_control() {
        return invalid("clients may not write control batches");
    }
    if header.delete_horizon_ms().is_some() {
        return invalid("only the cleaner sets delete horizons");
    }
    if header.has_producer_id() {
        if header.base_sequence <= NO_SEQUENCE || header.producer_epoch < 0 {
            return invalid("an idempotent producer's batch has no sequence or epoch");
        }
    } else if header.is_transactional() {
        return invalid("a transactional batch has no producer id");
    }
    check_timestamps(header, config, options.now_ms)
}

fn check_timestamps(
    header: &BatchHeader,
    config: &LogConfig,
    now_ms: i64,
) -> Result<(), AppendError> {
    let refuse = |timestamp_ms, reason| Err(AppendError::InvalidTimestamp { timestamp_ms, reason });
    if header.is_log_append_time() {
        return refuse(header.max_timestamp_ms, "producers may not set LogAppendTime");
    }
    if config.message_timestamp_type == TimestampType::LogAppendTime {
        return Ok(());
    }
    let (oldest_ms, newest_ms) = (header.base_timestamp_ms, header.max_timestamp_ms);
    if newest_ms.saturating_sub(now_ms) > config.message_timestamp_after_max_ms {
        return refuse(newest_ms, "it is later than message.timestamp.after.max.ms allows");
    }
    if oldest_ms != NO_TIMESTAMP
        && now_ms.saturating_sub(oldest_ms) > config.message_timestamp_before_max_ms
    {
        return refuse(oldest_ms, "it is earlier than message.timestamp.before.max.ms allows");
    }
    Ok(())
}

/// Looks at the records as far as invariant 1 allows.
fn check_records(
    header: &BatchHeader,
    batch: &[u8],
    config: &LogConfig,
) -> Result<(), AppendError> {
    let payload = batch::payload(header, batch);
    if reencodes(header, config) {
        // Looked at when they are.
    } else if config.cleanup_policy.compact && !header.is_control() {
        let mut keyless = Keyless::default();
        let mut records = RecordHeads::new(header, payload, decompressed_bytes_max(config))?;
        while let Some(record) = records.next()? {
            keyless.see(record.has_key);
        }
        keyless.refuse()?;
    } else if header.codec_id() == 0 {
        record::check_lengths(payload, header.record_count)?;
    }
    Ok(())
}

/// Whether the topic demands another codec than the batch's.
fn reencodes(header: &BatchHeader, config: &LogConfig) -> bool {
    let other = config.compression_type.is_some_and(|codec| codec.id() != header.codec_id());
    other && !header.is_control()
}

/// How large a batch's records may be when it is opened here. Kafka has no such bound.
fn decompressed_bytes_max(config: &LogConfig) -> usize {
    let bytes = (config.max_message_bytes as usize).saturating_mul(APPEND_DECOMPRESSED_RATIO_MAX);
    bytes.clamp(APPEND_DECOMPRESSED_BYTES_MIN, DECOMPRESSED_BYTES_MAX)
}

/// The places of records without a key, on a compacted topic.
#[derive(Default)]
struct Keyless {
    seen: i32,
    batch_indexes: Vec<i32>,
}

impl Keyless {
    fn see(&mut self, has_key: bool) {
        if !has_key && self.batch_indexes.len() < RECORD_ERRORS_MAX {
            self.batch_indexes.push(self.seen);
        }
        self.seen += 1;
    }

    fn refuse(self) -> Result<(), AppendError> {
        match self.batch_indexes {
            indexes if indexes.is_empty() => Ok(()),
            batch_indexes => Err(AppendError::Keyless { batch_indexes }),
        }
    }
}

/// Re-encodes the batches whose codec is not the topic's, if it demands one; looks at
/// their keys meanwhile.
fn reencode(
    bytes: &[u8],
    headers: &mut [BatchHeader],
    config: &LogConfig,
) -> Result<Option<Vec<u8>>, AppendError> {
    let Some(codec) = config.compression_type else { return Ok(None) };
    if !headers.iter().any(|header| reencodes(header, config)) {
        return Ok(None);
    }
    let mut output = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    for header in headers {
        let (batch, after) = rest.split_at(header.size_bytes);
        rest = after;
        if !reencodes(header, config) {
            output.extend_from_slice(batch);
            continue;
        }
        let payload = Codec::from_id(header.codec_id())?
            .decompress_within(decompressed_bytes_max(config), batch::payload(header, batch))?;
        let mut builder =
            BatchBuilder::replacing(header, codec, None).levels(config.compression_levels);
        let mut keyless = Keyless::default();
        for record in Records::new(header, &payload) {
            let record = record?;
            keyless.see(record.key.is_some() || !config.cleanup_policy.compact);
            builder.keep(&record);
        }
        keyless.refuse()?;
        let batch = builder.build()?;
        *header = BatchHeader::parse(&batch)?;
        output.extend_from_slice(&batch);
    }
    Ok(Some(output))
}

fn stamp(bytes: &mut [u8], headers: &mut [BatchHeader], now_ms: i64) {
    let mut rest = bytes;
    for header in headers {
        let (batch, after) = rest.split_at_mut(header.size_bytes);
        rest = after;
        header.set_log_append_time(now_ms);
        header.seal(batch);
    }
}

/// Judges the sequence and the transaction of a client's batch, which is alone.
/// `Some` is the batch that it repeats.
fn judge(
    appender: &Appender,
    headers: &[BatchHeader],
    verification: Option<Verification>,
) -> Result<Option<SentBatch>, AppendError> {
    let Some(header) = headers.first().filter(|header| header.has_producer_id()) else {
        return Ok(None);
    };
    match appender.producers.check(header)? {
        Verdict::InSequence => {
            appender.producers.check_transaction(header, verification)?;
            Ok(None)
        }
        Verdict::Duplicate(first) => Ok(Some(first)),
    }
}

/// Each header with the bytes of its whole batch.
fn pieces<'a>(
    bytes: &'a [u8],
    headers: &'a [BatchHeader],
) -> impl Iterator<Item = (&'a BatchHeader, &'a [u8])> {
    let mut rest = bytes;
    headers.iter().map(move |header| {
        let (batch, after) = rest.split_at(header.size_bytes);
        rest = after;
        (header, batch)
    })
}

/// Sets offsets and leader epoch in headers and bytes; returns the next offset.
fn assign_offsets(
    bytes: &mut [u8],
    headers: &mut [BatchHeader],
    base_offset: i64,
    leader_epoch: i32,
) -> i64 {
    let (mut rest, mut next) = (bytes, base_offset);
    for header in headers {
        let (batch, after) = rest.split_at_mut(header.size_bytes);
        rest = after;
        header.base_offset = next;
        header.leader_epoch = leader_epoch;
        batch::patch(batch, next, leader_epoch);
        next = header.next_offset();
    }
    next
}
