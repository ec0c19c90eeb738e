//! Histories that are right pass; each fault, made by hand, is found.

use std::collections::BTreeMap;

use super::*;
use crate::random::Random;

const GROUP: &str = "group";

fn place(topic: &str) -> Place {
    Place::new(topic, 0)
}

fn transaction(sequence: u64, topics: &[&str], outcome: Outcome) -> Unit {
    Unit {
        producer: "p".into(),
        sequence,
        atomic: true,
        places: topics.iter().map(|topic| place(topic)).collect(),
        offsets: vec![None; topics.len()],
        outcome,
        committed_when_fenced: false,
        took: None,
        acknowledged_ms: Some(1),
    }
}

fn seen(offset: i64, sequence: u64, index: u64) -> Seen {
    Seen { offset, record: RecordId { producer: "p".into(), sequence, index } }
}

fn reading(reader: &str, complete: bool, topics: &[(&str, &[Seen])]) -> Reading {
    let seen = topics.iter().map(|(topic, seen)| (place(topic), seen.to_vec())).collect();
    Reading { reader: reader.into(), complete, seen }
}

fn history(units: Vec<Unit>, readings: Vec<Reading>) -> History {
    History { units, readings, ..History::default() }
}

/// Two transactions over the topics a and b, the second one of which is aborted.
fn plain() -> History {
    let units = vec![
        transaction(1, &["a", "b"], Outcome::Committed),
        transaction(2, &["a", "b"], Outcome::NotCommitted),
        transaction(3, &["a", "a"], Outcome::Committed),
    ];
    let a = [seen(0, 1, 0), seen(4, 3, 0), seen(5, 3, 1)];
    let b = [seen(0, 1, 1)];
    let last = reading("last", true, &[("a", &a), ("b", &b)]);
    let live = reading("live", false, &[("a", &a[..1])]);
    history(units, vec![last, live])
}

#[track_caller]
fn finds(history: &History, expected: impl Fn(&Violation) -> bool) {
    let found = check(history);
    assert!(found.iter().any(expected), "found: {found:?}");
}

fn partition<'a>(history: &'a mut History, reader: usize, topic: &str) -> &'a mut Vec<Seen> {
    history.readings[reader].seen.entry(place(topic)).or_default()
}

#[test]
fn a_plain_history_passes() {
    assert_eq!(check(&plain()), []);
}

#[test]
fn a_record_of_an_aborted_transaction_is_found() {
    let mut history = plain();
    partition(&mut history, 0, "b").push(seen(2, 2, 1));
    finds(&history, |it| matches!(it, Violation::AbortedRead { .. }));
    // Also where only a reader of the middle of things saw it.
    let mut history = plain();
    partition(&mut history, 1, "a").push(seen(2, 2, 0));
    finds(&history, |it| matches!(it, Violation::AbortedRead { .. }));
}

#[test]
fn a_commit_of_a_fenced_producer_is_found() {
    let mut history = plain();
    history.units[2].committed_when_fenced = true;
    finds(&history, |it| matches!(it, Violation::FencedCommit { .. }));
}

#[test]
fn a_torn_transaction_is_found_whatever_its_outcome() {
    for outcome in [Outcome::Committed, Outcome::Unknown] {
        let mut history = plain();
        history.units[0].outcome = outcome;
        partition(&mut history, 0, "b").clear();
        finds(&history, |it| matches!(it, Violation::Torn { readable: 1, of: 2, .. }));
    }
}

#[test]
fn a_lost_commit_is_found_and_an_unknown_one_may_be_either() {
    let mut history = plain();
    partition(&mut history, 0, "a").truncate(1);
    finds(&history, |it| matches!(it, Violation::Lost { .. }));
    history.units[2].outcome = Outcome::Unknown;
    assert_eq!(check(&history), []);
}

#[test]
fn a_lost_acknowledged_record_is_found_and_an_unacknowledged_one_may_be_lost() {
    let mut loose = transaction(4, &["b", "b"], Outcome::Unknown);
    loose.atomic = false;
    loose.offsets = vec![Some(3), None];
    let mut history = plain();
    history.units.push(loose);
    finds(&history, |it| matches!(it, Violation::Lost { .. }));
    partition(&mut history, 0, "b").push(seen(3, 4, 0));
    assert_eq!(check(&history), []);
}

#[test]
fn a_duplicate_is_found() {
    let mut history = plain();
    partition(&mut history, 0, "a").push(seen(9, 3, 1));
    finds(&history, |it| matches!(it, Violation::Duplicate { offsets: [5, 9], .. }));
}

#[test]
fn a_record_that_nobody_sent_there_is_found() {
    let mut history = plain();
    partition(&mut history, 0, "b").push(seen(9, 8, 0));
    finds(&history, |it| matches!(it, Violation::Unwritten { .. }));
    let mut history = plain();
    partition(&mut history, 0, "b").push(seen(9, 3, 0));
    finds(&history, |it| matches!(it, Violation::Unwritten { .. }));
}

#[test]
fn a_record_elsewhere_than_acknowledged_or_read_before_is_found() {
    let mut history = plain();
    history.units[0].offsets[0] = Some(1);
    finds(&history, |it| matches!(it, Violation::Moved { acknowledged: 1, offset: 0, .. }));
    let mut history = plain();
    partition(&mut history, 1, "a")[0].offset = 1;
    finds(&history, |it| matches!(it, Violation::Skipped { .. } | Violation::Vanished { .. }));
}

#[test]
fn a_producers_records_out_of_order_are_found() {
    let mut history = plain();
    let a = partition(&mut history, 0, "a");
    (a[1].record, a[2].record) = (a[2].record.clone(), a[1].record.clone());
    finds(&history, |it| matches!(it, Violation::OutOfOrder { .. }));
}

#[test]
fn a_reader_that_goes_back_is_found() {
    let mut history = plain();
    partition(&mut history, 1, "a").push(seen(0, 1, 0));
    finds(&history, |it| matches!(it, Violation::Backwards { .. }));
}

#[test]
fn a_reader_that_went_past_an_open_transaction_is_found() {
    let mut history = plain();
    *partition(&mut history, 1, "a") = vec![seen(4, 3, 0)];
    finds(&history, |it| matches!(it, Violation::Skipped { offset: 0, .. }));
}

#[test]
fn a_record_that_is_gone_for_later_readers_is_found() {
    let mut history = plain();
    history.units[2].outcome = Outcome::Unknown;
    partition(&mut history, 0, "a").truncate(1);
    partition(&mut history, 1, "a").push(seen(4, 3, 0));
    finds(&history, |it| matches!(it, Violation::Vanished { offset: 4, .. }));
    // Two that read to the end must agree in both directions.
    let mut history = plain();
    let mut second = history.readings[0].clone();
    second.seen.get_mut(&place("b")).unwrap().clear();
    history.readings.push(second);
    finds(&history, |it| matches!(it, Violation::Skipped { .. }));
}

#[test]
fn what_retention_took_away_is_not_missed() {
    let mut history = plain();
    history.expiring.insert("b".into());
    partition(&mut history, 0, "b").clear();
    assert_eq!(check(&history), []);
}

/// Two transactions that consume three records of the topic "in".
fn transforming() -> History {
    let took = |from, to| Some(Took { group: GROUP.into(), place: place("in"), from, to });
    let mut input = transaction(1, &["in", "in", "in"], Outcome::Committed);
    input.atomic = false;
    input.offsets = vec![Some(0), Some(1), Some(2)];
    let mut first = transaction(2, &["out", "out"], Outcome::Committed);
    first.took = took(0, 2);
    let mut second = transaction(3, &["out"], Outcome::Unknown);
    second.took = took(2, 3);
    let seen_in = [seen(0, 1, 0), seen(1, 1, 1), seen(2, 1, 2)];
    let seen_out = [seen(0, 2, 0), seen(1, 2, 1), seen(3, 3, 0)];
    let last = reading("last", true, &[("in", &seen_in), ("out", &seen_out)]);
    let mut history = history(vec![input, first, second], vec![last]);
    history.committed.insert((GROUP.into(), place("in")), 3);
    history
}

#[test]
fn offsets_and_records_that_end_together_pass() {
    assert_eq!(check(&transforming()), []);
    let mut history = transforming();
    partition(&mut history, 0, "out").pop();
    history.committed.insert((GROUP.into(), place("in")), 2);
    assert_eq!(check(&history), [], "the unknown one may be aborted");
}

#[test]
fn offsets_without_their_records_are_found() {
    let mut history = transforming();
    partition(&mut history, 0, "out").pop();
    finds(&history, |it| matches!(it, Violation::OffsetsTorn { from: 2, to: 3, .. }));
}

#[test]
fn records_without_their_offsets_are_found() {
    let mut history = transforming();
    history.committed.insert((GROUP.into(), place("in")), 2);
    finds(&history, |it| matches!(it, Violation::OffsetsTorn { from: 2, to: 3, .. }));
}

#[test]
fn input_that_is_consumed_twice_or_not_at_all_is_found() {
    let mut history = transforming();
    history.units[2].took.as_mut().unwrap().from = 1;
    finds(&history, |it| matches!(it, Violation::ConsumedTwice { before: 2, .. }));
    let mut history = transforming();
    history.units[1].took.as_mut().unwrap().to = 1;
    finds(&history, |it| matches!(it, Violation::OffsetsTorn { from: 1, to: 2, .. }));
    finds(&history, |it| matches!(it, Violation::Miscounted { input: 1, output: 2, .. }));
}

/// A log of three partitions, written by producers whose transactions overlap: what
/// a right broker makes of them, and what right readers see of it.
struct Right {
    random: Random,
    units: Vec<Unit>,
    logs: BTreeMap<Place, Vec<Option<RecordId>>>,
    live: Vec<Reading>,
}

impl Right {
    fn history(seed: u64) -> History {
        let logs = (0..3).map(|partition| (Place::new("t", partition), Vec::new())).collect();
        let random = Random::seeded(seed);
        let mut right = Self { random, units: Vec::new(), logs, live: Vec::new() };
        let mut open: Vec<Unit> = Vec::new();
        for step in 0..right.random.between(5, 120) {
            match right.random.between(0, 4) {
                0 if open.len() < 4 => {
                    // A producer has one transaction at a time.
                    let producer = format!("p{step}");
                    let mut unit = transaction(step, &[], Outcome::NotCommitted);
                    unit.producer = producer;
                    unit.atomic = right.random.between(0, 4) > 0;
                    open.push(unit);
                }
                0 | 1 if !open.is_empty() => {
                    let at = right.random.between(0, open.len() as u64) as usize;
                    let unit = open.swap_remove(at);
                    right.end(unit);
                }
                _ if !open.is_empty() => {
                    let at = right.random.between(0, open.len() as u64) as usize;
                    right.write(&mut open[at]);
                }
                _ => {}
            }
            if right.random.between(0, 8) == 0 {
                let held = open.iter().filter(|unit| unit.atomic).cloned().collect::<Vec<_>>();
                right.look(step, &held);
            }
        }
        for unit in open {
            right.end(unit);
        }
        right.look(u64::MAX, &[]);
        History { units: right.units, readings: right.live, ..History::default() }
    }

    fn write(&mut self, unit: &mut Unit) {
        let place = Place::new("t", self.random.between(0, 3) as i32);
        let log = self.logs.get_mut(&place).expect("one of three");
        log.push(Some(unit.record(unit.places.len())));
        let acknowledged = self.random.between(0, 3) > 0;
        unit.offsets.push(acknowledged.then_some(log.len() as i64 - 1));
        unit.places.push(place);
    }

    /// Ends a unit, whether its producer learns of it or not; a marker takes an
    /// offset of each of its partitions.
    fn end(&mut self, mut unit: Unit) {
        if unit.atomic {
            let commits = self.random.between(0, 3) > 0;
            let known = self.random.between(0, 3) > 0;
            unit.outcome = match (commits, known) {
                (_, false) => Outcome::Unknown,
                (true, true) => Outcome::Committed,
                (false, true) => Outcome::NotCommitted,
            };
            let touched: std::collections::BTreeSet<_> = unit.places.iter().collect();
            for place in touched {
                let log = self.logs.get_mut(place).expect("one of three");
                if !commits {
                    let gone = log.iter_mut().filter(|record| {
                        record.as_ref().is_some_and(|record| record.producer == unit.producer)
                    });
                    gone.for_each(|record| *record = None);
                }
                log.push(None);
            }
        }
        self.units.push(unit);
    }

    /// What a reader sees that is held back by the units which are open.
    fn look(&mut self, step: u64, open: &[Unit]) {
        let mut reading = Reading {
            reader: format!("at {step}"),
            complete: step == u64::MAX,
            ..Reading::default()
        };
        for (place, log) in &self.logs {
            let held = log.iter().position(|record| {
                let record = record.as_ref();
                record.is_some_and(|record| open.iter().any(|it| it.producer == record.producer))
            });
            let stable = (0..).zip(&log[..held.unwrap_or(log.len())]);
            let seen = stable
                .filter_map(|(offset, record)| Some(Seen { offset, record: record.clone()? }));
            reading.seen.insert(place.clone(), seen.collect());
        }
        self.live.push(reading);
    }
}

#[test]
fn what_a_right_broker_does_always_passes() {
    let mut random = Random::announced("what_a_right_broker_does_always_passes");
    for _ in 0..500 {
        let seed = random.next_u64();
        assert_eq!(check(&Right::history(seed)), [], "seed {seed}");
    }
}

#[test]
fn whatever_record_is_taken_from_the_last_reading_or_added_to_it_is_missed() {
    let mut random = Random::announced("whatever_record_is_taken");
    for _ in 0..300 {
        let seed = random.next_u64();
        let right = Right::history(seed);
        let last = right.readings.len() - 1;
        let places: Vec<_> = right.readings[last].seen.keys().cloned().collect();
        for place in places {
            let there = right.readings[last].seen[&place].clone();
            for (at, seen) in there.iter().enumerate() {
                let unit = right.units.iter().find(|unit| unit.producer == seen.record.producer);
                let unit = unit.expect("it was written");
                let mut wrong = right.clone();
                let partition = wrong.readings[last].seen.get_mut(&place).unwrap();
                partition.remove(at);
                // A single record that nobody was promised, or that of an unknown
                // transaction with no other, may be absent; but not if someone saw it.
                if unit.places.len() > 1 && unit.atomic || unit.acknowledged() == unit.places.len()
                {
                    assert_ne!(check(&wrong), [], "seed {seed}: {place} without {seen:?}");
                }
                let mut wrong = right.clone();
                let partition = wrong.readings[last].seen.get_mut(&place).unwrap();
                partition.push(Seen { offset: 100_000, record: seen.record.clone() });
                assert_ne!(check(&wrong), [], "seed {seed}: {place} with {seen:?} twice");
            }
        }
    }
}
