use std::cell::RefCell;
use std::collections::VecDeque;

use longshore_sdk::fault::{Detail, Retry};
use longshore_sdk::sqs::{Attribute, Data};
use longshore_sdk::testkit::Testkit;

use super::*;

/// A queue that the test plays.
#[derive(Debug)]
struct Played;

#[derive(Debug, Default)]
struct World {
    /// What receives bring, one after another; nothing behind that.
    receives: VecDeque<Result<Vec<Message>, Fault>>,
    /// How many messages were asked for, by receive.
    asked: Vec<u32>,
    /// What deletions of these handles come to, one after another; they succeed behind that.
    refuses: Vec<(&'static str, Failure)>,
    deleted: Vec<String>,
    deletions: usize,
    released: Vec<Vec<String>>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

fn world<R>(see: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(see)
}

impl Inbox for Played {
    fn open(_: &str, _: &str) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn receive(&self, most: u32, _: u32, hidden_seconds: u32) -> Result<Vec<Message>, Fault> {
        assert_eq!(hidden_seconds, 30);
        world(|world| {
            world.asked.push(most);
            world.receives.pop_front().unwrap_or(Ok(Vec::new()))
        })
    }

    fn delete(&self, handles: &[String]) -> Vec<Result<(), Failure>> {
        world(|world| {
            world.deletions += 1;
            let mut answer = |handle: &String| {
                if let Some(at) = world.refuses.iter().position(|(of, _)| of == handle) {
                    return Err(world.refuses.remove(at).1);
                }
                world.deleted.push(handle.clone());
                Ok(())
            };
            handles.iter().map(&mut answer).collect()
        })
    }

    fn release(&self, handles: &[String]) {
        world(|world| world.released.push(handles.to_vec()));
    }
}

fn message(handle: &str, attribute_bytes: usize) -> Message {
    let data = Data::Binary(vec![0; attribute_bytes]);
    let (name, data_type) = ("a".to_owned(), "Binary".to_owned());
    Message {
        handle: handle.to_owned(),
        id: handle.to_owned(),
        body: handle.to_owned(),
        attributes: vec![Attribute { name, data_type, data }],
        sent_ms: 1,
        receive_count: 1,
        group: None,
        deduplication: None,
        sequence: None,
    }
}

fn brings(handles: &[&str]) {
    let messages = handles.iter().map(|handle| message(handle, 1)).collect();
    world(|world| world.receives.push_back(Ok(messages)));
}

fn refuses(handle: &'static str, failure: Failure) {
    world(|world| world.refuses.push((handle, failure)));
}

fn retry() -> Retry {
    Retry { why: Detail::new("throttled", "slower"), after_ms: None }
}

fn open(more: &[(&str, &str)]) -> (Testkit, QueueSource<Played>) {
    world(|world| *world = World::default());
    let options = [&[("queue.url", "q"), ("topic", "t")], more].concat();
    let task = Task { name: "queue-0".to_owned(), assignment: "{}".to_owned() };
    (Testkit::new(), QueueSource::open(&options.into_iter().collect(), &task).unwrap())
}

fn poll(source: &mut QueueSource<Played>) -> usize {
    let polled = source.poll(Duration::ZERO, 1 << 20).unwrap();
    polled.outputs.iter().map(|output| output.batch.iter().count()).sum()
}

#[test]
fn a_message_is_deleted_once_its_record_is_durable_and_not_before() {
    let (_kit, mut source) = open(&[]);
    brings(&["a", "b"]);
    brings(&["c"]);
    assert_eq!((poll(&mut source), poll(&mut source), poll(&mut source)), (2, 1, 0));
    assert_eq!(world(|world| world.deletions), 0);
    source.committed(1).unwrap();
    assert_eq!(world(|world| world.deleted.clone()), ["a", "b"]);
    source.committed(3).unwrap();
    assert_eq!(world(|world| world.deleted.clone()), ["a", "b", "c"]);
}

#[test]
fn what_cannot_be_deleted_now_is_tried_again_alone_after_a_pause() {
    let (kit, mut source) = open(&[]);
    brings(&["a", "b", "c"]);
    poll(&mut source);
    refuses("b", Failure::Retry(retry()));
    refuses("c", Failure::Reject(Detail::new("receipt-invalid", "too late")));
    source.committed(1).unwrap();
    assert_eq!(world(|world| world.deleted.clone()), ["a"]);
    // Nobody asks again before its time.
    poll(&mut source);
    assert_eq!(world(|world| world.deletions), 1);
    kit.advance(Duration::from_secs(1));
    poll(&mut source);
    assert_eq!(world(|world| world.deleted.clone()), ["a", "b"]);
    poll(&mut source);
    assert_eq!(world(|world| world.deletions), 2, "what was refused is not tried again");
    assert_eq!(kit.counter("messages-not-deleted"), 1);
    assert_eq!(kit.logged().len(), 2, "{:?}", kit.logged());
}

#[test]
fn rights_that_are_missing_stop_the_task_and_lose_no_handle() {
    let (_kit, mut source) = open(&[]);
    brings(&["a", "b"]);
    poll(&mut source);
    refuses("a", Failure::Retry(retry()));
    refuses("b", Failure::Config(Detail::new("access-denied", "no")));
    assert_eq!(source.committed(1), Err(Fault::config("access-denied", "no")));
    source.committed(1).unwrap();
    assert_eq!(world(|world| world.deleted.clone()), ["a", "b"]);
}

#[test]
fn a_receive_that_fails_costs_nothing_of_what_is_held() {
    let (kit, mut source) = open(&[]);
    let fails = || world(|world| world.receives.push_back(Err(Fault::Retry(retry()))));
    // With nothing held the host opens the task anew.
    fails();
    assert!(source.poll(Duration::ZERO, 1 << 20).is_err());
    brings(&["a"]);
    assert_eq!(poll(&mut source), 1);
    fails();
    brings(&["b"]);
    assert_eq!((poll(&mut source), poll(&mut source)), (0, 0));
    assert_eq!(world(|world| world.asked.len()), 3, "it pauses");
    kit.advance(Duration::from_secs(1));
    assert_eq!(poll(&mut source), 1);
    source.committed(3).unwrap();
    assert_eq!(world(|world| world.deleted.clone()), ["a"]);
    source.committed(4).unwrap();
    assert_eq!(world(|world| world.deleted.clone()), ["a", "b"]);
}

#[test]
fn no_more_is_received_than_may_be_held_or_fits() {
    let (_kit, mut source) = open(&[("max.in.flight.messages", "3")]);
    brings(&["a", "b"]);
    brings(&["c"]);
    assert_eq!((poll(&mut source), poll(&mut source), poll(&mut source)), (2, 1, 0));
    assert_eq!(world(|world| world.asked.clone()), [3, 1]);
    let (_kit, mut source) = open(&[]);
    // Of 16 KiB each 64 fit; of 40,000 bytes, nearly all of which is an attribute, 26.
    world(|world| world.receives.push_back(Ok(vec![message("a", 40_000)])));
    poll(&mut source);
    poll(&mut source);
    assert_eq!(world(|world| world.asked.clone()), [64, 26]);
}

#[test]
fn closing_lets_go_what_is_not_durable_and_what_a_wait_may_bring() {
    let (_kit, mut source) = open(&[]);
    brings(&["a"]);
    brings(&["b", "c"]);
    poll(&mut source);
    poll(&mut source);
    source.committed(1).unwrap();
    source.close();
    assert_eq!(world(|world| world.released.clone()), [["b", "c"]]);
    let (_kit, source) = open(&[]);
    source.close();
    assert_eq!(world(|world| world.released.clone()), [Vec::<String>::new()]);
}
