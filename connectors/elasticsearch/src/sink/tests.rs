use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use longshore_sdk::fault::{Detail, Retry};
use longshore_sdk::search::{Action, Failure, Operation, Outcome};
use longshore_sdk::testkit::{Hosted, Testkit};
use longshore_sdk::values::{Builder, Value as Datum};

use super::*;

/// The documents of a search engine with their versions, and the ids that it was asked for.
#[derive(Default)]
struct Engine {
    documents: RefCell<BTreeMap<String, (i64, String)>>,
    asked: RefCell<Vec<String>>,
}

impl Engine {
    fn apply(&self, operation: &Operation) -> Result<Outcome, Failure> {
        let Operation { action, id, version, document, .. } = operation;
        let (id, version) = (id.clone(), version.expect("it has one"));
        self.asked.borrow_mut().push(id.clone());
        let mut documents = self.documents.borrow_mut();
        if documents.get(&id).is_some_and(|(known, _)| *known >= version) {
            return Ok(Outcome::Superseded);
        }
        let document = match action {
            Action::Delete => "gone".to_owned(),
            _ => String::from_utf8(document.clone()).unwrap(),
        };
        documents.insert(id, (version, document));
        Ok(Outcome::Applied)
    }
}

/// A search engine that does what `answer` lets through.
fn engine(
    kit: &Testkit,
    answer: impl Fn(&Operation) -> Result<(), Failure> + 'static,
) -> Rc<Engine> {
    let engine = Rc::<Engine>::default();
    let played = Rc::clone(&engine);
    kit.cluster("elasticsearch", move |operation| {
        answer(operation)?;
        played.apply(operation)
    });
    engine
}

fn sink(options: &[(&str, &str)]) -> (Hosted<ElasticsearchSink>, Partition) {
    let mut sink = Hosted::open(&options.iter().copied().collect()).unwrap();
    let partition = Partition { topic: "t".to_owned(), number: 0 };
    sink.assigned(std::slice::from_ref(&partition)).unwrap();
    (sink, partition)
}

/// Records of keys to numbers, as values with a field `n`.
fn records(kit: &Testkit, first: i64, rows: &[(&str, Option<i64>)]) -> Records {
    let mut builder = Builder::new();
    for (key, n) in rows {
        let row = |n| Datum::Map(vec![(Datum::text("n"), Datum::Int(n))]);
        let value = n.map_or(Datum::Null, row);
        builder.push((None, &Datum::text(*key)), (None, &value)).unwrap();
    }
    let mut batch = builder.finish();
    batch.columns.offset = (first..).take(rows.len()).collect();
    kit.records(batch)
}

fn marks(progress: &Progress) -> Vec<i64> {
    progress.marks.iter().map(|mark| mark.next).collect()
}

fn later() -> Failure {
    let why = Detail::new("es-rejected-execution-exception", "later");
    Failure::Retry(Retry { why, after_ms: Some(5_000) })
}

#[test]
fn documents_are_durable_when_they_are_answered_and_the_same_again_is_done() {
    let kit = Testkit::new();
    let engine = engine(&kit, |_| Ok(()));
    let rows = [("a", Some(1)), ("b", Some(2)), ("a", None)];
    let options = [("behavior.on.null.values", "delete"), ("batch.size", "2")];
    for superseded in [0, 3] {
        let (mut sink, at) = sink(&options);
        sink.put(&at, "T", records(&kit, 5, &rows)).unwrap();
        assert_eq!(marks(&sink.tick().unwrap()), [8]);
        assert_eq!(marks(&sink.tick().unwrap()), [0; 0], "it is told once");
        assert_eq!(kit.counter("documents-superseded"), superseded);
    }
    let documents: Vec<_> = engine.documents.borrow().values().cloned().collect();
    assert_eq!(documents, [(7, "gone".to_owned()), (6, r#"{"n":2}"#.to_owned())]);
}

#[test]
fn only_what_failed_is_sent_again_and_holds_back_what_is_durable() {
    let kit = Testkit::new();
    let is_full = Rc::new(Cell::new(true));
    let full = Rc::clone(&is_full);
    let engine = engine(&kit, move |operation| match full.get() && operation.id == "a" {
        true => Err(later()),
        false => Ok(()),
    });
    let (mut sink, at) = sink(&[]);
    let put = || records(&kit, 0, &[("a", Some(1)), ("b", Some(2)), ("a", Some(3))]);
    let fault = sink.put(&at, "t", put()).unwrap_err();
    assert!(matches!(fault, Fault::Retry(retry) if retry.after_ms == Some(5_000)));
    assert_eq!(*engine.asked.borrow(), ["b"]);
    // Before its time nothing is sent, whoever asks.
    is_full.set(false);
    assert!(sink.put(&at, "t", put()).is_err());
    let progress = sink.tick().unwrap();
    assert_eq!((marks(&progress), progress.stalled.len()), (vec![0], 1));
    kit.advance(Duration::from_secs(5));
    sink.put(&at, "t", put()).unwrap();
    assert_eq!(*engine.asked.borrow(), ["b", "a", "a"], "the others are not sent again");
    let progress = sink.tick().unwrap();
    assert_eq!((marks(&progress), progress.stalled.len()), (vec![3], 0));
}

#[test]
fn a_malformed_document_costs_its_record_as_the_options_say() {
    for (on_malformed, told, logged) in [("fail", 1, 0), ("warn", 0, 1), ("ignore", 0, 0)] {
        let kit = Testkit::new();
        engine(&kit, |operation| match operation.id.as_str() {
            "bad" => Err(Failure::Reject(Detail::new("mapper-parsing-exception", "no"))),
            _ => Ok(()),
        });
        let (mut sink, at) = sink(&[("behavior.on.malformed.documents", on_malformed)]);
        sink.put(&at, "t", records(&kit, 0, &[("bad", Some(1)), ("good", Some(2))])).unwrap();
        let progress = sink.tick().unwrap();
        assert_eq!((marks(&progress), progress.rejects.len()), (vec![2], told), "{on_malformed}");
        assert_eq!(kit.logged().len(), logged, "{on_malformed}");
        assert_eq!(kit.counter("documents-passed-over"), 1 - told as u64, "{on_malformed}");
    }
}

#[test]
fn a_record_without_a_document_is_refused_whatever_the_options_say_of_malformed_ones() {
    let kit = Testkit::new();
    let engine = engine(&kit, |_| Ok(()));
    let (mut sink, at) = sink(&[("behavior.on.malformed.documents", "ignore")]);
    sink.put(&at, "t", records(&kit, 3, &[("a", None)])).unwrap();
    let progress = sink.drain().unwrap();
    assert_eq!((progress.rejects[0].offset, marks(&progress)), (3, vec![4]));
    assert_eq!(progress.rejects[0].code, "null-value");
    assert!(engine.asked.borrow().is_empty());
}

#[test]
fn what_waits_goes_out_when_a_partition_goes() {
    let kit = Testkit::new();
    let is_full = Rc::new(Cell::new(true));
    let full = Rc::clone(&is_full);
    engine(&kit, move |_| if full.get() { Err(later()) } else { Ok(()) });
    let (mut sink, at) = sink(&[]);
    sink.put(&at, "t", records(&kit, 0, &[("a", Some(1))])).unwrap_err();
    is_full.set(false);
    kit.advance(Duration::from_secs(5));
    assert_eq!(marks(&sink.revoked(&[at]).unwrap()), [1]);
}
