use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use longshore_sdk::fault::Retry;
use longshore_sdk::sqs::{Entry, Failure};
use longshore_sdk::testkit::{Hosted, Testkit};

use super::*;

/// A service that the test plays: what was sent, and how bodies fail, the last first.
#[derive(Debug)]
pub(crate) struct Played;

thread_local! {
    static SENT: RefCell<Vec<String>> = RefCell::default();
    static FAULTS: RefCell<BTreeMap<String, Vec<Failure>>> = RefCell::default();
}

impl Kind for Played {
    const SINK: About = About { name: "played-sink", version: "0", summary: "" };
    const CONNECTION: &'static str = "played";
    const PLACE: &'static str = "place";
    const PLACE_IS: &'static str = "a name";
    type Place = Self;
}

impl Place for Played {
    fn open(_: &str, _: &str) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn send(&self, entries: &[Entry]) -> Vec<Result<(), Failure>> {
        let mut stopped = Vec::new();
        let answer = |entry: &Entry| {
            if entry.group.is_some() && stopped.contains(&entry.group) {
                return Err(retry("not-sent"));
            }
            let fault = |faults: &mut BTreeMap<String, Vec<Failure>>| {
                faults.get_mut(&entry.body).and_then(Vec::pop)
            };
            let Some(failure) = FAULTS.with_borrow_mut(fault) else {
                SENT.with_borrow_mut(|sent| sent.push(entry.body.clone()));
                return Ok(());
            };
            if !matches!(failure, Failure::Reject(_)) {
                stopped.push(entry.group.clone());
            }
            Err(failure)
        };
        entries.iter().map(answer).collect()
    }
}

fn retry(code: &str) -> Failure {
    Failure::Retry(Retry { why: Detail::new(code, "x"), after_ms: None })
}

fn fails(body: &str, failure: Failure) {
    FAULTS.with_borrow_mut(|faults| faults.entry(body.to_owned()).or_default().push(failure));
}

fn sent() -> Vec<String> {
    SENT.with_borrow_mut(std::mem::take)
}

fn sink(place: &str) -> (Hosted<MessageSink<Played>>, Partition) {
    FAULTS.with_borrow_mut(BTreeMap::clear);
    sent();
    let mut sink = Hosted::open(&[("place", place)].into_iter().collect()).unwrap();
    let at = Partition { topic: "t".to_owned(), number: 0 };
    sink.assigned(std::slice::from_ref(&at)).unwrap();
    (sink, at)
}

fn marks(progress: &Progress) -> Vec<i64> {
    progress.marks.iter().map(|mark| mark.next).collect()
}

#[test]
fn what_failed_is_sent_again_alone_after_a_pause_and_its_key_waits() {
    let kit = Testkit::new();
    let (mut sink, at) = sink("q.fifo");
    fails("a1", retry("throttled"));
    let records = || {
        let records = [(Some("a"), Some("a1")), (Some("b"), Some("b1")), (Some("a"), Some("a2"))];
        kit.from_topic(0, &records)
    };
    let fault = sink.put(&at, "t", records()).unwrap_err();
    assert_eq!(fault, Fault::retry("throttled", "x"));
    assert_eq!(sent(), ["b1"]);
    // Before its time nothing is sent, whoever asks.
    assert!(sink.put(&at, "t", records()).is_err());
    let progress = sink.tick().unwrap();
    assert_eq!((marks(&progress), progress.stalled.len()), (vec![0], 1));
    kit.advance(Duration::from_secs(1));
    sink.put(&at, "t", records()).unwrap();
    assert_eq!(sent(), ["a1", "a2"]);
    let progress = sink.tick().unwrap();
    assert_eq!((marks(&progress), progress.stalled.len()), (vec![3], 0));
}

#[test]
fn what_is_refused_here_or_there_costs_its_record_alone() {
    let kit = Testkit::new();
    let (mut sink, at) = sink("q");
    fails("bad", Failure::Reject(Detail::new("bad-message", "x")));
    let records = [(None, Some("1")), (None, Some("bad")), (None, Some("a\0b")), (None, Some("2"))];
    sink.put(&at, "t", kit.from_topic(5, &records)).unwrap();
    let progress = sink.tick().unwrap();
    let told: Vec<_> = progress.rejects.iter().map(|it| (it.offset, it.code.as_str())).collect();
    assert_eq!(told, [(7, "bad-characters"), (6, "bad-message")]);
    assert_eq!((marks(&progress), sent()), (vec![9], vec!["1".to_owned(), "2".to_owned()]));
}

#[test]
fn what_waits_goes_out_when_a_partition_goes_and_is_not_marked_when_it_cannot() {
    let kit = Testkit::new();
    let (mut sink, at) = sink("q");
    fails("1", retry("server-error"));
    assert!(sink.put(&at, "t", kit.from_topic(0, &[(None, Some("1"))])).is_err());
    let progress = sink.revoked(std::slice::from_ref(&at)).unwrap();
    assert_eq!(marks(&progress), [0]);
    assert!(sent().is_empty());
}
