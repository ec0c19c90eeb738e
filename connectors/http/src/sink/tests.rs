use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use longshore_sdk::fault::{Detail, Retry};
use longshore_sdk::http::{Failure, Response};
use longshore_sdk::testkit::{Hosted, Testkit};

use super::*;

/// What the server got: method, path, body.
type Got = Rc<RefCell<Vec<(String, String, String)>>>;

/// A server that answers requests as `answer` says, and what it took.
fn server(kit: &Testkit, answer: impl Fn(&str) -> Result<(), Failure> + 'static) -> Got {
    let got = Got::default();
    let taken = Rc::clone(&got);
    kit.server("http", move |request| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        answer(&body)?;
        taken.borrow_mut().push((request.method.clone(), request.path.clone(), body));
        Ok(Response { status: 200, headers: vec![], body: vec![], whole: true })
    });
    got
}

fn sink(options: &[(&str, &str)]) -> (Hosted<HttpSink>, Partition) {
    let mut sink = Hosted::open(&options.iter().copied().collect()).unwrap();
    let partition = Partition { topic: "t".to_owned(), number: 0 };
    sink.assigned(std::slice::from_ref(&partition)).unwrap();
    (sink, partition)
}

fn bodies(got: &Got) -> Vec<String> {
    got.borrow().iter().map(|(_, _, body)| body.clone()).collect()
}

fn marks(progress: &Progress) -> Vec<i64> {
    progress.marks.iter().map(|mark| mark.next).collect()
}

#[test]
fn records_go_out_in_batches_and_are_durable_when_they_are_answered() {
    let kit = Testkit::new();
    let got = server(&kit, |_| Ok(()));
    let options = [
        ("batch.max.size", "2"),
        ("batch.prefix", "["),
        ("batch.suffix", "]"),
        ("path", "${topic}"),
    ];
    let (mut sink, at) = sink(&options);
    let records = kit.from_topic(5, &[(None, Some("1")), (None, Some("2")), (None, Some("3"))]);
    sink.put(&at, "t", records).unwrap();
    assert_eq!(bodies(&got), ["[1,2]", "[3]"]);
    assert_eq!(got.borrow()[0].1, "t");
    assert_eq!(marks(&sink.tick().unwrap()), [8]);
    assert_eq!(marks(&sink.tick().unwrap()), [0; 0], "it is told once");
}

#[test]
fn only_what_failed_is_sent_again_and_a_later_one_of_its_key_waits() {
    let kit = Testkit::new();
    let down = Rc::new(RefCell::new(true));
    let is_down = Rc::clone(&down);
    let got = server(&kit, move |body| match *is_down.borrow() && body == "a1" {
        true => {
            let why = Detail::new("http-503", "later");
            Err(Failure::Retry(Retry { why, after_ms: Some(5_000) }))
        }
        false => Ok(()),
    });
    let (mut sink, at) = sink(&[("max.in.flight.requests", "16")]);
    let records = || {
        let records = [(Some("a"), Some("a1")), (Some("b"), Some("b1")), (Some("a"), Some("a2"))];
        kit.from_topic(0, &records)
    };
    let fault = sink.put(&at, "t", records()).unwrap_err();
    assert!(matches!(fault, Fault::Retry(retry) if retry.after_ms == Some(5_000)));
    assert_eq!(bodies(&got), ["b1"]);
    // Before its time nothing is sent, whoever asks.
    *down.borrow_mut() = false;
    assert!(sink.put(&at, "t", records()).is_err());
    let progress = sink.tick().unwrap();
    assert_eq!((marks(&progress), progress.stalled.len()), (vec![0], 1));
    kit.advance(Duration::from_secs(5));
    sink.put(&at, "t", records()).unwrap();
    assert_eq!(bodies(&got), ["b1", "a1", "a2"], "the others are not sent again");
    let progress = sink.tick().unwrap();
    assert_eq!((marks(&progress), progress.stalled.len()), (vec![3], 0));
}

#[test]
fn a_refused_request_costs_its_records_as_the_options_say() {
    for (on_error, told, logged) in [("fail", 1, 0), ("log", 0, 1), ("ignore", 0, 0)] {
        let kit = Testkit::new();
        server(&kit, |body| match body {
            "bad" => Err(Failure::Reject(Detail::new("http-400", "no"))),
            _ => Ok(()),
        });
        let (mut sink, at) = sink(&[("behavior.on.error", on_error)]);
        let records = kit.from_topic(0, &[(Some("a"), Some("bad")), (Some("a"), Some("good"))]);
        sink.put(&at, "t", records).unwrap();
        let progress = sink.tick().unwrap();
        assert_eq!((marks(&progress), progress.rejects.len()), (vec![2], told), "{on_error}");
        assert_eq!(kit.logged().len(), logged, "{on_error}");
        assert_eq!(kit.counter("records-passed-over"), 1 - told as u64, "{on_error}");
    }
}

#[test]
fn a_record_without_path_is_refused_whatever_the_server_would_say() {
    let kit = Testkit::new();
    let got = server(&kit, |_| Ok(()));
    let (mut sink, at) = sink(&[("path", "x/${key}"), ("behavior.on.error", "ignore")]);
    sink.put(&at, "t", kit.from_topic(3, &[(None, Some("1"))])).unwrap();
    let progress = sink.drain().unwrap();
    assert_eq!((progress.rejects[0].offset, marks(&progress)), (3, vec![4]));
    assert!(got.borrow().is_empty());
}

#[test]
fn a_tombstone_deletes_after_what_was_written_before() {
    let kit = Testkit::new();
    let got = server(&kit, |_| Ok(()));
    let options = [("path", "x/${key}"), ("behavior.on.null.values", "delete")];
    let (mut sink, at) = sink(&options);
    sink.put(&at, "t", kit.from_topic(0, &[(Some("k"), Some("1")), (Some("k"), None)])).unwrap();
    let got: Vec<_> =
        got.borrow().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(got, ["POST x/k", "DELETE x/k"]);
}

#[test]
fn a_tombstone_does_not_overtake_a_request_that_waits_for_more() {
    let kit = Testkit::new();
    let got = server(&kit, |_| Ok(()));
    let options =
        [("path", "x/${key}"), ("behavior.on.null.values", "delete"), ("batch.max.size", "10")];
    let (mut sink, at) = sink(&options);
    sink.put(&at, "t", kit.from_topic(0, &[(Some("k"), Some("1")), (Some("k"), None)])).unwrap();
    let got: Vec<_> = got.borrow().iter().map(|(method, ..)| method.clone()).collect();
    assert_eq!(got, ["POST", "DELETE"]);
}

#[test]
fn a_request_waits_for_more_records_no_longer_than_it_may() {
    let kit = Testkit::new();
    let got = server(&kit, |_| Ok(()));
    let (mut sink, at) = sink(&[("batch.max.size", "10"), ("linger.ms", "3000")]);
    sink.put(&at, "t", kit.from_topic(0, &[(None, Some("1"))])).unwrap();
    assert_eq!(marks(&sink.tick().unwrap()), [0]);
    kit.advance(Duration::from_secs(2));
    sink.put(&at, "t", kit.from_topic(1, &[(None, Some("2"))])).unwrap();
    sink.tick().unwrap();
    assert!(got.borrow().is_empty());
    kit.advance(Duration::from_secs(1));
    assert_eq!(marks(&sink.tick().unwrap()), [2]);
    assert_eq!(bodies(&got), ["1,2"]);
}

#[test]
fn what_waits_goes_out_when_a_partition_goes() {
    let kit = Testkit::new();
    let got = server(&kit, |_| Ok(()));
    let (mut sink, at) = sink(&[("batch.max.size", "10"), ("linger.ms", "3000")]);
    sink.put(&at, "t", kit.from_topic(0, &[(None, Some("1"))])).unwrap();
    assert_eq!(marks(&sink.revoked(&[at]).unwrap()), [1]);
    assert_eq!(bodies(&got), ["1"]);
}
