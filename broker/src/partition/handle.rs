//! One partition as requests see it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use bytes::Bytes;

use super::{
    error::PartitionError,
    traffic::Traffic,
    waiter::{FetchWaiter, Waiters},
};
pub(crate) use crate::log::Appended;
use crate::{
    clock,
    log::{
        AbortedTransaction, AppendOptions, BatchHeader, Log, LogConfig, Marker, NO_TIMESTAMP,
        Offline, Origin, ReadLimit, ReadUpTo, Verification,
    },
};

/// A partition that this node leads.
#[derive(Debug)]
pub(crate) struct Partition {
    topic: Arc<str>,
    index: i32,
    leader_epoch: AtomicI32,
    /// The log, or why it could not be opened.
    log: Result<Arc<Log>, Offline>,
    /// It was not closed cleanly before and holds records: others may be lost.
    recovered: bool,
    /// A topic of the same name was there before, and not deleted as a whole.
    took_anothers_folder: bool,
    waiters: Waiters,
    traffic: Traffic,
}

/// What ListOffsets asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetSpec {
    Earliest,
    Latest,
    MaxTimestamp,
    /// The first record at or after this time.
    Timestamp(i64),
}

/// Where something is in a partition; -1 where there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundOffset {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) leader_epoch: i32,
}

/// Which records of transactions a consumer wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All below the high watermark.
    ReadUncommitted,
    /// Those that are committed: all below the last stable offset, and word of what
    /// was aborted among them.
    ReadCommitted,
}

impl Isolation {
    /// As a request's `isolation_level` has it.
    pub(crate) fn from_level(level: i8) -> Self {
        if level == 1 { Self::ReadCommitted } else { Self::ReadUncommitted }
    }
}

/// What a read found.
#[derive(Debug)]
pub(crate) struct ReadRecords {
    pub(crate) records: Bytes,
    /// Of a `read_committed` read: the transactions whose records the consumer is to
    /// leave out, in the order of their markers.
    pub(crate) aborted: Vec<AbortedTransaction>,
    pub(crate) last_stable_offset: i64,
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
}

impl ReadRecords {
    /// How far the reader may see.
    pub(crate) fn readable_end(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable_offset,
        }
    }
}

impl Partition {
    pub(super) fn new(
        topic: Arc<str>,
        index: i32,
        leader_epoch: i32,
        log: Result<Arc<Log>, Offline>,
    ) -> Self {
        if let Ok(log) = &log {
            log.begin_leader_epoch(leader_epoch);
        }
        let leader_epoch = AtomicI32::new(leader_epoch);
        Self {
            topic,
            index,
            leader_epoch,
            log,
            recovered: false,
            took_anothers_folder: false,
            waiters: Waiters::default(),
            traffic: Traffic::default(),
        }
    }

    /// Says that its log was not closed cleanly before it was opened. One that was
    /// never written to has no mark of a clean end, and nothing to lose.
    pub(super) fn recovered(mut self) -> Self {
        self.recovered = self
            .opened()
            .is_some_and(|log| log.log_end_offset() > 0 || log.newest_epoch_found().is_some());
        self
    }

    /// Says that its folder was left by a topic of the same name.
    pub(super) fn in_anothers_folder(mut self) -> Self {
        self.took_anothers_folder = true;
        self
    }

    /// Whether its folder was left by a topic of the same name.
    pub(crate) fn took_anothers_folder(&self) -> bool {
        self.took_anothers_folder
    }

    /// The epoch above which it must be led next: records that were answered for in that
    /// one may be lost, all of them even, or the controller does not know of it.
    pub(super) fn outlived_epoch(&self) -> Option<i32> {
        let led = self.leader_epoch();
        let latest = self.opened()?.newest_epoch_found().map_or(led, |latest| latest.max(led));
        (self.recovered || latest > led).then_some(latest)
    }

    /// The controller has this broker lead in a new epoch.
    pub(super) fn set_leader_epoch(&self, epoch: i32) {
        if epoch > self.leader_epoch()
            && let Some(log) = self.opened()
        {
            log.begin_leader_epoch(epoch);
        }
        self.leader_epoch.fetch_max(epoch, Ordering::AcqRel);
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn index(&self) -> i32 {
        self.index
    }

    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Acquire)
    }

    /// The log, unless the partition is offline.
    pub(crate) fn log(&self) -> Result<&Arc<Log>, Offline> {
        let log = self.log.as_ref().map_err(Clone::clone)?;
        log.check_online()?;
        Ok(log)
    }

    /// The log if it could be opened, be it offline by now.
    pub(super) fn opened(&self) -> Option<&Arc<Log>> {
        self.log.as_ref().ok()
    }

    pub(super) fn set_config(&self, config: LogConfig) {
        if let Ok(log) = &self.log {
            log.set_config(config);
        }
    }

    /// Appends batches of a client, patching their offsets in place. A batch that
    /// begins a transaction here needs a `verification`: see
    /// [`Partition::begin_verification`].
    pub(crate) fn append(
        &self,
        batches: &mut [u8],
        acks_all: bool,
        verification: Option<Verification>,
    ) -> Result<Appended, PartitionError> {
        let appended = self.append_of_client(batches, acks_all, verification);
        self.traffic.produced(batches.len(), &appended);
        appended
    }

    /// Whether appending a client's batch takes a thread that may block.
    pub(crate) fn reworks(&self, batch: &[u8]) -> bool {
        self.opened().is_some_and(|log| log.reworks(batch))
    }

    fn append_of_client(
        &self,
        batches: &mut [u8],
        acks_all: bool,
        verification: Option<Verification>,
    ) -> Result<Appended, PartitionError> {
        let log = self.log()?;
        let needed = log.config().min_insync_replicas;
        if acks_all && needed > 1 {
            return Err(PartitionError::NotEnoughReplicas { present: 1, needed });
        }
        self.append_as(log, batches, Origin::Client, verification)
    }

    /// Appends batches of the broker itself. A transactional batch (offsets that
    /// are committed in a transaction) opens its producer's transaction here.
    pub(crate) fn append_internal(&self, batches: &mut [u8]) -> Result<Appended, PartitionError> {
        self.append_as(self.log()?, batches, Origin::Broker, None)
    }

    /// Writes the end of a producer's transaction: a commit or abort marker. What
    /// [`Partition::settled`] says of the result holds for it too.
    ///
    /// With no open transaction the marker is written all the same and ends nothing,
    /// so a coordinator may repeat it.
    ///
    /// # Errors
    /// INVALID_PRODUCER_EPOCH when a newer epoch of the producer was seen here,
    /// TRANSACTION_COORDINATOR_FENCED when a newer coordinator has written here:
    /// the caller is a zombie and must not repeat it. Others may be repeated.
    pub(crate) fn append_marker(&self, marker: &Marker) -> Result<Appended, PartitionError> {
        #[cfg(feature = "sabotage")]
        crate::sabotage::write_held(self.log()?);
        let leader_epoch = self.leader_epoch.load(Ordering::Acquire);
        let appended = self.log()?.append_marker(marker, leader_epoch, clock::wall_ms())?;
        self.waiters.wake();
        Ok(appended)
    }

    /// Whether the producer has a transaction open here in this epoch: its next
    /// batch needs no verification. False also when the partition is offline.
    pub(crate) fn has_open_transaction(&self, producer_id: i64, producer_epoch: i16) -> bool {
        self.log().is_ok_and(|log| log.has_open_transaction(producer_id, producer_epoch))
    }

    /// To be called *before* the coordinator is asked whether this partition is in
    /// the producer's transaction; the append then fails if a marker was written
    /// in between (KIP-890).
    pub(crate) fn begin_verification(
        &self,
        batch: &BatchHeader,
    ) -> Result<Verification, PartitionError> {
        Ok(self.log()?.begin_verification(batch, clock::wall_ms()))
    }

    /// Offset after the last record that `read_committed` consumers may see.
    pub(crate) fn last_stable_offset(&self) -> Option<i64> {
        self.log().ok().map(|log| log.last_stable_offset())
    }

    fn append_as(
        &self,
        log: &Arc<Log>,
        batches: &mut [u8],
        origin: Origin,
        verification: Option<Verification>,
    ) -> Result<Appended, PartitionError> {
        let options = AppendOptions {
            leader_epoch: self.leader_epoch.load(Ordering::Acquire),
            origin,
            now_ms: clock::wall_ms(),
            verification,
        };
        #[cfg(feature = "sabotage")]
        if let Some(early) = crate::sabotage::acknowledge_early(log, batches, &options) {
            return Ok(early);
        }
        let appended = log.append(batches, &options)?;
        if !appended.duplicate {
            let records = appended.last_offset - appended.base_offset + 1;
            self.traffic.appended(records.cast_unsigned(), batches.len());
        }
        self.waiters.wake();
        Ok(appended)
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Resolves when what was appended is as durable as the topic's flush
    /// policy promises.
    pub(crate) async fn settled(&self, appended: &Appended) -> Result<(), PartitionError> {
        if appended.flush_before_answer {
            self.log()?.flushed(appended.last_offset).await?;
        }
        Ok(())
    }

    /// Reads whole batches as far as a consumer may see; with `at_least_one` the
    /// first even if it alone is larger than `bytes_max`.
    pub(crate) fn read(
        &self,
        offset: i64,
        bytes_max: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<ReadRecords, PartitionError> {
        let read = self.read_up_to(offset, bytes_max, at_least_one, isolation);
        match &read {
            Ok(found) if at_least_one => self.traffic.fetched_more(found.records.len()),
            _ => self.traffic.fetched(read.as_ref().map(|found| found.records.len())),
        }
        read
    }

    fn read_up_to(
        &self,
        offset: i64,
        bytes_max: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<ReadRecords, PartitionError> {
        let up_to = match isolation {
            Isolation::ReadUncommitted => ReadUpTo::HighWatermark,
            Isolation::ReadCommitted => ReadUpTo::LastStable,
        };
        let limit = ReadLimit { max_bytes: bytes_max, at_least_one, up_to };
        let fetched = self.log()?.read(offset, &limit)?;
        #[cfg(feature = "sabotage")]
        let fetched = crate::sabotage::skip_abort_index(fetched);
        Ok(ReadRecords {
            records: fetched.batches,
            aborted: fetched.aborted,
            last_stable_offset: fetched.last_stable_offset,
            high_watermark: fetched.high_watermark,
            log_start_offset: fetched.log_start_offset,
        })
    }

    /// Bytes of the batch that a read at `offset` would begin with.
    pub(crate) fn batch_bytes_at(&self, offset: i64) -> Result<Option<usize>, PartitionError> {
        Ok(self.log()?.batch_bytes_at(offset)?)
    }

    /// Wakes `waiter` at the next append, markers included.
    pub(crate) fn register(&self, waiter: &Arc<FetchWaiter>) {
        self.waiters.register(waiter);
    }

    /// Wakes everyone who waits: the partition goes away.
    pub(super) fn wake(&self) {
        self.waiters.wake();
    }

    /// Whether a fetch at `offset` has an answer at once: records or an error.
    pub(crate) fn has_news_at(&self, offset: i64, isolation: Isolation) -> bool {
        self.log().map_or(true, |log| offset != readable_end(log, isolation))
    }

    pub(crate) fn high_watermark(&self) -> Option<i64> {
        self.log().ok().map(|log| log.high_watermark())
    }

    pub(crate) fn log_start_offset(&self) -> Option<i64> {
        self.log().ok().map(|log| log.log_start_offset())
    }

    /// That the client's leader epoch is ours (KIP-320); -1 does not say.
    pub(crate) fn check_leader_epoch(&self, asked: i32) -> Result<(), PartitionError> {
        let current = self.leader_epoch.load(Ordering::Acquire);
        match asked {
            asked if asked < 0 || asked == current => Ok(()),
            asked if asked < current => Err(PartitionError::FencedLeaderEpoch { asked, current }),
            asked => Err(PartitionError::UnknownLeaderEpoch { asked, current }),
        }
    }

    /// The largest epoch not above `epoch` and where it ended; `None` when
    /// `epoch` is newer than all.
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> Result<Option<(i32, i64)>, PartitionError> {
        Ok(self.log()?.end_offset_for_epoch(epoch))
    }

    pub(crate) fn find_offset(
        &self,
        spec: OffsetSpec,
        isolation: Isolation,
    ) -> Result<FoundOffset, PartitionError> {
        let log = self.log()?;
        // Before the look-up: what is found beyond it could not be fetched.
        let end = readable_end(log, isolation);
        let leader_epoch = self.leader_epoch.load(Ordering::Acquire);
        let at = |offset| FoundOffset { offset, timestamp_ms: NO_TIMESTAMP, leader_epoch };
        let found = match spec {
            OffsetSpec::Earliest => return Ok(at(log.log_start_offset())),
            OffsetSpec::Latest => return Ok(at(end)),
            OffsetSpec::MaxTimestamp => log.offset_of_max_timestamp()?,
            OffsetSpec::Timestamp(timestamp_ms) => log.offset_for_timestamp(timestamp_ms)?,
        };
        Ok(match found.filter(|found| found.offset < end) {
            Some(found) => {
                FoundOffset { offset: found.offset, timestamp_ms: found.timestamp_ms, leader_epoch }
            }
            None => FoundOffset { offset: -1, timestamp_ms: NO_TIMESTAMP, leader_epoch: -1 },
        })
    }

    /// Deletes records below `offset`; -1 is the high watermark. Answers with
    /// the first offset that is left.
    pub(crate) fn delete_before(&self, offset: i64) -> Result<i64, PartitionError> {
        let log = self.log()?;
        if !log.config().cleanup_policy.delete {
            return Err(PartitionError::NotDeletable);
        }
        let offset = if offset == -1 { log.high_watermark() } else { offset };
        Ok(log.delete_records_before(offset)?)
    }
}

/// Offset after the last record that such a consumer may see.
fn readable_end(log: &Log, isolation: Isolation) -> i64 {
    match isolation {
        Isolation::ReadUncommitted => log.high_watermark(),
        Isolation::ReadCommitted => log.last_stable_offset(),
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{BatchBuilder, MarkerKind};

    struct Home {
        _directory: tempfile::TempDir,
        partition: Partition,
    }

    fn home() -> Home {
        let directory = tempfile::tempdir().unwrap();
        let defaults = std::iter::empty::<(&str, &str)>();
        let config = LogConfig::from_map(defaults).unwrap();
        let (log, _) = Log::open(&directory.path().join("t-0"), config, 0).unwrap();
        let partition = Partition::new("t".into(), 0, 0, Ok(Arc::new(log)));
        Home { _directory: directory, partition }
    }

    impl Home {
        fn send(&self, producer_id: i64, timestamp_ms: i64) {
            let mut builder = BatchBuilder::new(0).producer(producer_id, 0, 0).transactional();
            builder.push(timestamp_ms, None, Some(b"value"), &[]);
            let mut batch = builder.build().unwrap();
            let header = BatchHeader::parse(&batch).unwrap();
            let verification = Some(self.partition.begin_verification(&header).unwrap());
            self.partition.append(&mut batch, true, verification).unwrap();
        }

        fn end(&self, producer_id: i64, kind: MarkerKind) {
            let marker = Marker { producer_id, producer_epoch: 0, coordinator_epoch: 0, kind };
            self.partition.append_marker(&marker).unwrap();
        }
    }

    #[tokio::test]
    async fn a_marker_wakes_the_fetches_that_wait_for_stable_records() {
        let home = home();
        home.send(1, 5);
        let waiter = FetchWaiter::new();
        home.partition.register(&waiter);
        assert!(home.partition.has_news_at(0, Isolation::ReadUncommitted));
        assert!(!home.partition.has_news_at(0, Isolation::ReadCommitted), "not yet");
        home.end(1, MarkerKind::Commit);
        waiter.woken().await;
        assert!(home.partition.has_news_at(0, Isolation::ReadCommitted));
    }

    #[test]
    fn look_ups_of_read_committed_consumers_end_at_the_last_stable_offset() {
        let home = home();
        home.send(1, 1000);
        home.end(1, MarkerKind::Abort);
        home.send(2, 2000);
        let find = |spec, isolation| home.partition.find_offset(spec, isolation).unwrap().offset;
        for (spec, uncommitted, committed) in [
            (OffsetSpec::Latest, 3, 2),
            (OffsetSpec::Earliest, 0, 0),
            (OffsetSpec::Timestamp(500), 0, 0),
        ] {
            assert_eq!(find(spec, Isolation::ReadUncommitted), uncommitted, "{spec:?}");
            assert_eq!(find(spec, Isolation::ReadCommitted), committed, "{spec:?}");
        }
        home.end(2, MarkerKind::Commit);
        assert_eq!(find(OffsetSpec::Latest, Isolation::ReadCommitted), 4);
        let read = home.partition.read(0, 1 << 20, true, Isolation::ReadCommitted).unwrap();
        assert_eq!((read.last_stable_offset, read.high_watermark), (4, 4));
        let aborted: Vec<_> =
            read.aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect();
        assert_eq!(aborted, [(1, 0)]);
        let read = home.partition.read(0, 1 << 20, true, Isolation::ReadUncommitted).unwrap();
        assert!(read.aborted.is_empty(), "who reads all is not told");
    }

    #[test]
    fn what_lies_above_the_last_stable_offset_is_not_found_by_time() {
        let home = home();
        home.send(1, 2000);
        let spec = OffsetSpec::Timestamp(1000);
        let find = |isolation| home.partition.find_offset(spec, isolation).unwrap().offset;
        assert_eq!(find(Isolation::ReadUncommitted), 0);
        assert_eq!(find(Isolation::ReadCommitted), -1, "it could not be fetched");
    }
}
