//! What a `read_committed` reader sees, against a list of records.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

/// Reads as Kafka's consumer does: it leaves out the batches of aborted
/// transactions, told by the list that comes with each answer.
pub(super) fn read_committed(log: &Log, mut offset: i64, max_bytes: usize) -> Vec<Owned> {
    let limit = ReadLimit { max_bytes, at_least_one: true, up_to: ReadUpTo::LastStable };
    let mut records = Vec::new();
    loop {
        let fetched = log.read(offset, &limit).unwrap();
        assert!(fetched.last_stable_offset <= fetched.high_watermark);
        let mut aborted = fetched.aborted;
        aborted.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        let mut skipping = HashSet::new();
        let before = offset;
        for batch in Batches::new(&fetched.batches) {
            let (header, batch) = batch.unwrap();
            assert!(header.base_offset < fetched.last_stable_offset);
            while aborted.last().is_some_and(|next| next.first_offset <= header.last_offset()) {
                skipping.insert(aborted.pop().unwrap().producer_id);
            }
            if header.is_control() {
                let marker = marker::Marker::parse(&header, batch);
                if marker.is_some_and(|marker| marker.kind == MarkerKind::Abort) {
                    skipping.remove(&header.producer_id);
                }
            } else if !(header.is_transactional() && skipping.contains(&header.producer_id)) {
                records.extend(records_of(batch).into_iter().filter(|r| r.offset >= before));
            }
            offset = header.next_offset();
        }
        if offset == before {
            return records;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send { producer: usize, count: usize, codec: u8 },
    Plain { count: usize },
    End { producer: usize, kind: bool, bump: bool },
    Reopen { clean: bool },
    Tear { at: usize },
    Read { at: usize, max_bytes: usize },
    DeleteBefore { at: usize },
}

const PRODUCERS: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let any_index = || any::<prop::sample::Index>().prop_map(|at| at.index(1 << 20));
    prop_oneof![
        10 => (0..PRODUCERS, 1usize..5, 0u8..5)
            .prop_map(|(producer, count, codec)| Step::Send { producer, count, codec }),
        2 => (1usize..4).prop_map(|count| Step::Plain { count }),
        6 => (0..PRODUCERS, any::<bool>(), any::<bool>())
            .prop_map(|(producer, kind, bump)| Step::End { producer, kind, bump }),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
        1 => any_index().prop_map(|at| Step::Tear { at }),
        3 => (any_index(), 1usize..2000).prop_map(|(at, max_bytes)| Step::Read { at, max_bytes }),
        1 => any_index().prop_map(|at| Step::DeleteBefore { at }),
    ]
}

/// What stands at one offset.
#[derive(Debug, Clone)]
enum Item {
    Plain,
    Sent { producer: usize, epoch: i16, sequence: i32, transaction: usize },
    Marker { producer: usize, epoch: i16 },
}

#[derive(Debug, Clone)]
struct Transaction {
    producer: usize,
    first_offset: i64,
    /// Offset of its marker, and whether that is a commit.
    ended: Option<(i64, bool)>,
}

#[derive(Debug, Default)]
struct Model {
    items: Vec<Item>,
    transactions: Vec<Transaction>,
    start: i64,
}

impl Model {
    fn end(&self) -> i64 {
        self.items.len() as i64
    }

    fn open(&self, producer: usize) -> Option<usize> {
        self.transactions.iter().position(|t| t.producer == producer && t.ended.is_none())
    }

    fn last_stable_offset(&self) -> i64 {
        let open = self.transactions.iter().filter(|t| t.ended.is_none());
        open.map(|t| t.first_offset).min().map_or(self.end(), |first| first.max(self.start))
    }

    /// Epoch, and the sequence that comes next.
    fn producer(&self, id: usize) -> (i16, i32) {
        let mut state = (0, 0);
        for item in &self.items {
            match item {
                Item::Sent { producer, epoch, sequence, .. } if *producer == id => {
                    state = (*epoch, sequence + 1);
                }
                Item::Marker { producer, epoch } if *producer == id && *epoch != state.0 => {
                    state = (*epoch, 0);
                }
                _ => {}
            }
        }
        state
    }

    fn cut(&mut self, end: i64) {
        self.items.truncate(end as usize);
        self.transactions.retain(|transaction| transaction.first_offset < end);
        for transaction in &mut self.transactions {
            transaction.ended = transaction.ended.filter(|(marker, _)| *marker < end);
        }
    }

    /// Offsets that a reader who begins at `from` is to see.
    fn committed(&self, from: i64) -> Vec<i64> {
        let stable = self.last_stable_offset();
        (from..stable)
            .filter(|offset| match &self.items[*offset as usize] {
                Item::Plain => true,
                Item::Marker { .. } => false,
                Item::Sent { transaction, .. } => {
                    self.transactions[*transaction].ended.is_some_and(|(_, commit)| commit)
                }
            })
            .collect()
    }
}

fn value_at(offset: usize) -> Vec<u8> {
    format!("{offset:020}").into_bytes()
}

/// Cuts the last segment somewhere above the recovery point, and leaves an index
/// of aborted transactions that was written half.
fn tear(dir: &Path, recovery_point: i64, at: usize) {
    let mut logs: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    let last = logs.pop().unwrap();
    let bytes = std::fs::read(&last).unwrap();
    let safe: usize = Batches::new(&bytes)
        .map(|batch| batch.unwrap().0)
        .take_while(|header| header.base_offset < recovery_point)
        .map(|header| header.size_bytes)
        .sum();
    let length = safe + at % (bytes.len() - safe + 1);
    std::fs::write(&last, &bytes[..length]).unwrap();
    std::fs::write(last.with_extension("txnindex"), [9; 50]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_reader_sees_every_committed_record_in_order_and_no_other(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let home = home();
        let config = config(&[
            ("segment.bytes", "1500"), ("index.interval.bytes", "200"), ("retention.ms", "-1"),
        ]);
        let mut log = open(&home.dir, &config);
        let mut model = Model::default();
        let mut stable = 0;
        for step in steps {
            match step {
                Step::Send { producer, count, codec } => {
                    let (epoch, sequence) = model.producer(producer);
                    let base = model.end();
                    let transaction = model.open(producer).unwrap_or_else(|| {
                        model.transactions.push(Transaction {
                            producer, first_offset: base, ended: None,
                        });
                        model.transactions.len() - 1
                    });
                    let mut builder = BatchBuilder::new(0)
                        .codec(Codec::from_id(codec).unwrap())
                        .producer(producer as i64, epoch, sequence)
                        .transactional();
                    for index in 0..count {
                        let value = value_at(model.items.len());
                        builder.push(NOW_MS, None, Some(&value), &[]);
                        let sequence = sequence + index as i32;
                        model.items.push(Item::Sent { producer, epoch, sequence, transaction });
                    }
                    let appended = append_verified(&log, builder.build().unwrap()).unwrap();
                    prop_assert_eq!(appended.base_offset, base);
                }
                Step::Plain { count } => {
                    let mut builder = BatchBuilder::new(0);
                    for _ in 0..count {
                        builder.push(NOW_MS, None, Some(&value_at(model.items.len())), &[]);
                        model.items.push(Item::Plain);
                    }
                    append(&log, builder.build().unwrap());
                }
                Step::End { producer, kind: commit, bump } => {
                    let epoch = model.producer(producer).0 + i16::from(bump);
                    let kind = if commit { MarkerKind::Commit } else { MarkerKind::Abort };
                    let offset = end(&log, &marker(producer as i64, epoch, kind)).base_offset;
                    prop_assert_eq!(offset, model.end());
                    if let Some(open) = model.open(producer) {
                        model.transactions[open].ended = Some((offset, commit));
                    }
                    model.items.push(Item::Marker { producer, epoch });
                }
                Step::Reopen { clean } => {
                    if clean {
                        log.close().unwrap();
                    }
                    drop(log);
                    log = open(&home.dir, &config);
                }
                Step::Tear { at } => {
                    let recovery_point = log.flushed_offset();
                    drop(log);
                    tear(&home.dir, recovery_point, at);
                    let (reopened, recovery) =
                        Log::open(&home.dir, config.clone(), NOW_MS).unwrap();
                    log = reopened;
                    let torn = recovery.torn_tail.map(|tail| tail.log_end_offset);
                    if torn.is_some_and(|end| end < model.start) {
                        // Nothing of the log is left: nobody has a transaction open.
                        model.cut(0);
                        model.items = vec![Item::Plain; model.start as usize];
                    }
                    model.cut(log.log_end_offset());
                    stable = 0;
                }
                Step::Read { at, max_bytes } => {
                    let from = model.start + at as i64 % (model.end() - model.start + 1);
                    if from <= model.last_stable_offset() {
                        let read = read_committed(&log, from, max_bytes);
                        let offsets: Vec<_> = read.iter().map(|record| record.offset).collect();
                        prop_assert_eq!(offsets, model.committed(from));
                    }
                }
                Step::DeleteBefore { at } => {
                    model.start += at as i64 % (model.end() - model.start + 1);
                    log.delete_records_before(model.start).unwrap();
                    log.retain_once(NOW_MS).unwrap();
                }
            }
            prop_assert_eq!(log.log_end_offset(), model.end());
            prop_assert_eq!(log.last_stable_offset(), model.last_stable_offset());
            prop_assert!(log.last_stable_offset() >= stable, "it never moves back");
            stable = log.last_stable_offset();
        }
        let read = read_committed(&log, model.start, 700);
        let offsets: Vec<_> = read.iter().map(|record| record.offset).collect();
        prop_assert_eq!(offsets, model.committed(model.start));
        for record in read {
            prop_assert_eq!(record.value, Some(value_at(record.offset as usize)));
        }
    }
}

/// How many bytes of index each segment has.
fn index_sizes(dir: &Path) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let names = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()));
    names.filter(|(name, _)| name.ends_with(".txnindex")).collect()
}

#[test]
fn a_damaged_index_of_aborted_transactions_is_rebuilt_from_its_log() {
    let home = home();
    let small = config(&[("segment.bytes", "1000"), ("retention.ms", "-1")]);
    let log = open(&home.dir, &small);
    for sequence in 0..60 {
        // Begun in one segment, ended in another: only the producers know where.
        append_verified(&log, sent(sequence % 7, 0, (sequence / 7) as i32, &["x"])).unwrap();
        let ended = (sequence * 3 + 2) % 7;
        end(&log, &marker(ended, 0, MarkerKind::Abort));
    }
    let all = read_committed(&log, 0, 1 << 20);
    log.close().unwrap();
    let written = index_sizes(&home.dir);
    assert!(written.len() > 5, "{written:?}");
    for damaged in written.keys() {
        let path = home.dir.join(damaged);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let log = open(&home.dir, &small);
        assert_eq!(read_committed(&log, 0, 300), all);
        log.close().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    assert_eq!(index_sizes(&home.dir), written);
}

#[test]
fn an_abort_that_finds_the_disk_full_changes_nothing() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    append_verified(&log, sent(1, 0, 0, &["a"])).unwrap();
    let abort = marker(1, 0, MarkerKind::Abort);
    for bytes_left in [0, 33, 34, 100] {
        files::faults::set_bytes_left(Some(bytes_left));
        let refused = log.append_marker(&abort, 0, NOW_MS);
        files::faults::set_bytes_left(None);
        assert!(matches!(refused, Err(AppendError::File(_))), "{bytes_left}: {refused:?}");
        assert_eq!((log.log_end_offset(), log.last_stable_offset()), (1, 0), "{bytes_left}");
    }
    end(&log, &abort);
    assert!(read_committed(&log, 0, 1000).is_empty());
    log.close().unwrap();
    assert_eq!(index_sizes(&home.dir).into_values().collect::<Vec<_>>(), [34]);
}

#[test]
fn an_answer_names_only_what_was_aborted_within_it() {
    let home = home();
    let log = open(&home.dir, &config(&[("segment.bytes", "1000")]));
    // One that is open all along, so that none of the others is stable before it.
    append_verified(&log, sent(99, 0, 0, &["long"])).unwrap();
    for sequence in 0..500 {
        append_verified(&log, sent(1, 0, sequence, &["x"])).unwrap();
        end(&log, &marker(1, 0, MarkerKind::Abort));
    }
    end(&log, &marker(99, 0, MarkerKind::Commit));
    let limit = ReadLimit { max_bytes: 1000, at_least_one: true, up_to: ReadUpTo::LastStable };
    for offset in [0, 1, 2, 500, 1001] {
        let fetched = log.read(offset, &limit).unwrap();
        let batches = Batches::new(&fetched.batches).count();
        assert!(fetched.aborted.len() <= batches, "{} at {offset}", fetched.aborted.len());
    }
    assert_eq!(read_committed(&log, 0, 1000).len(), 1);
}
