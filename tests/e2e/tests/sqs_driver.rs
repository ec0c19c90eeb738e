//! The driver `sqs` against moto's server: what is taken, what is hidden, and each way to fail.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use longshore_driver_sqs::{
    Access, Answer, Attribute, AwsError, Class, Data, Entry, Message, Queue, SqsConfig,
};
use longshore_e2e::limits;
use longshore_e2e::s3::SECRET_ACCESS_KEY;
use longshore_e2e::sqs::SqsServer;

fn open_with(server: &SqsServer, url: &str, access: Access) -> Queue {
    let config: SqsConfig = serde_json::from_value(server.connection()).unwrap();
    Queue::open(&config, url, access).unwrap()
}

fn open(server: &SqsServer, url: &str) -> Queue {
    open_with(server, url, Access::Write(Arc::new(|| true)))
}

fn entry(body: &str) -> Entry {
    Entry { body: body.to_owned(), attributes: vec![], group: None, deduplication: None }
}

fn grouped(body: &str, group: &str, deduplication: &str) -> Entry {
    let (group, deduplication) = (Some(group.to_owned()), Some(deduplication.to_owned()));
    Entry { group, deduplication, ..entry(body) }
}

fn codes(answers: &[Answer]) -> Vec<&str> {
    answers.iter().map(|it| it.as_ref().map_or_else(AwsError::code, |()| "ok")).collect()
}

fn handles(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.handle.clone()).collect()
}

/// Receives until so many came.
async fn receive(queue: &Queue, count: usize, hidden_seconds: u32) -> Vec<Message> {
    let (mut all, began) = (Vec::new(), Instant::now());
    while all.len() < count {
        assert!(began.elapsed() < limits::ANSWER, "{} of {count} came", all.len());
        let some = queue.receive(count - all.len(), Duration::from_millis(200), hidden_seconds);
        all.extend(some.await.unwrap());
    }
    all
}

#[tokio::test]
async fn messages_arrive_whole_with_their_attributes_and_what_is_deleted_is_gone() {
    let server = SqsServer::start();
    let queue = open(&server, &server.make("q"));
    let attribute = |name: &str, data_type: &str, data| Attribute {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        data,
    };
    let mut entries: Vec<_> = (0..60).map(|n| entry(&format!("{n} ä😀\n\t\"<&>"))).collect();
    entries[0].attributes = vec![
        attribute("a", "String.Array", Data::Text("[\"ü\",null]".to_owned())),
        attribute("b", "Binary", Data::Binary(vec![0, 255])),
        attribute("c", "Number", Data::Text("1.5".to_owned())),
    ];
    assert!(queue.send(&entries).await.iter().all(Result::is_ok));
    let received = receive(&queue, 60, 30).await;
    let bodies: BTreeSet<_> = received.iter().map(|it| it.body.clone()).collect();
    assert_eq!(bodies, entries.iter().map(|it| it.body.clone()).collect());
    let first = received.iter().find(|it| it.body == entries[0].body).unwrap();
    assert_eq!(first.attributes, entries[0].attributes);
    assert!(first.sent_ms > 1_000_000_000_000 && first.receive_count == 1);
    assert!(queue.delete(&handles(&received)).await.iter().all(Result::is_ok));
    assert_eq!(server.count("q"), (0, 0));
}

#[tokio::test]
async fn fifo_keeps_the_order_of_a_group_and_takes_a_message_once() {
    let server = SqsServer::start();
    let queue = open(&server, &server.make("q.fifo"));
    let entries: Vec<_> = (0..20)
        .map(|n| grouped(&n.to_string(), &format!("g{}", n % 3), &format!("t-0-{n}")))
        .collect();
    assert!(queue.send(&entries).await.iter().all(Result::is_ok));
    // As after an answer that was lost.
    assert!(queue.send(&entries).await.iter().all(Result::is_ok));
    let taken = server.take("q.fifo");
    assert_eq!(taken.len(), 20);
    for group in ["g0", "g1", "g2"] {
        let of = taken.iter().filter(|it| it.group.as_deref() == Some(group));
        let numbers: Vec<u64> = of.map(|it| it.body.parse().unwrap()).collect();
        assert!(numbers.is_sorted() && numbers.len() > 5, "{group}: {numbers:?}");
    }
}

#[tokio::test]
async fn a_message_that_the_queue_does_not_take_is_refused_alone() {
    let server = SqsServer::start();
    let queue = open(&server, &server.make("q"));
    let mut entries = ["1", "2", "3", "4"].map(entry);
    let (name, data_type) = ("a".to_owned(), "Strange".to_owned());
    entries[1].attributes = vec![Attribute { name, data_type, data: Data::Text("b".to_owned()) }];
    entries[2].body = "x".repeat(2 << 20);
    let answers = queue.send(&entries).await;
    assert_eq!(codes(&answers), ["ok", "bad-message", "bad-message", "ok"], "{answers:?}");
    let mut bodies: Vec<_> = server.take("q").into_iter().map(|it| it.body).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["1", "4"]);
    let unknown = queue.delete(&["nobody's".to_owned()]).await.pop().unwrap();
    assert!(unknown.is_err_and(|error| error.class() == Class::Reject));
}

#[tokio::test]
async fn what_is_held_stays_hidden_and_what_is_released_does_not() {
    let server = SqsServer::start();
    let url = server.make("q");
    let (queue, other) = (open(&server, &url), open(&server, &url));
    assert!(queue.send(&[entry("1"), entry("2")]).await.iter().all(Result::is_ok));
    let held = receive(&queue, 2, 2).await;
    // Twice as long as it is hidden at a time.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(server.count("q"), (0, 2), "it is hidden on");
    queue.release(&handles(&held)).await;
    let again = receive(&other, 2, 1).await;
    assert_eq!(again.iter().map(|it| it.receive_count).collect::<Vec<_>>(), [2, 2]);
    // Nobody holds it any more: it comes back by itself.
    drop(other);
    let third = receive(&queue, 2, 30).await;
    assert_eq!(third.iter().map(|it| it.receive_count).collect::<Vec<_>>(), [3, 3]);
}

#[tokio::test]
async fn what_comes_while_the_queue_is_released_is_not_left_hidden() {
    let server = SqsServer::start();
    let url = server.make("q");
    let (queue, other) = (open(&server, &url), open(&server, &url));
    // The wait for messages goes on behind the call.
    assert_eq!(queue.receive(10, Duration::from_millis(100), 30).await, Ok(vec![]));
    // Its connection is there, so that what it sends comes while the other is released.
    other.delete(&["nobody's".to_owned()]).await;
    let sending = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.send(&[entry("1")]).await
    };
    let ((), sent) = tokio::join!(queue.release(&[]), sending);
    assert!(sent.iter().all(Result::is_ok));
    drop(queue);
    assert_eq!(server.count("q"), (1, 0));
}

#[tokio::test]
async fn of_a_group_whose_time_is_over_the_first_comes_first() {
    let server = SqsServer::start();
    let url = server.make("q.fifo");
    let queue = open(&server, &url);
    let entries = ["1", "2", "3", "4"].map(|n| grouped(n, "g", n));
    assert!(queue.send(&entries).await.iter().all(Result::is_ok));
    let bodies = |it: Vec<Message>| it.into_iter().map(|it| it.body).collect::<Vec<_>>();
    assert_eq!(bodies(receive(&queue, 4, 1).await), ["1", "2", "3", "4"]);
    drop(queue);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let again = open(&server, &url);
    assert_eq!(bodies(receive(&again, 4, 30).await), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn that_messages_cannot_be_hidden_again_is_told() {
    let server = SqsServer::start();
    let queue = open(&server, &server.make("q"));
    assert!(queue.send(&[entry("1")]).await.iter().all(Result::is_ok));
    receive(&queue, 1, 2).await;
    server.ask_who();
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < limits::ANSWER, "it is not told");
        let received = queue.receive(1, Duration::from_millis(100), 2).await;
        if received.is_err_and(|error| error.to_string().contains("hiding messages of")) {
            break;
        }
        tokio::time::sleep(limits::LOOK_AGAIN).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_without_the_right_or_the_lease() {
    let server = SqsServer::start();
    let url = server.make("q");
    let reader = open_with(&server, &url, Access::Read);
    assert_eq!(codes(&reader.send(&[entry("1")]).await), ["read-only"]);
    let holds = Arc::new(AtomicBool::new(true));
    let lease = Arc::clone(&holds);
    let access = Access::Write(Arc::new(move || lease.load(Ordering::Relaxed)));
    let writer = open_with(&server, &url, access);
    assert_eq!(codes(&writer.send(&[entry("2")]).await), ["ok"]);
    holds.store(false, Ordering::Relaxed);
    let answer = writer.send(&[entry("3")]).await.pop().unwrap().unwrap_err();
    assert_eq!((answer.class(), answer.code()), (Class::Retry, "fenced"));
    let bodies: Vec<_> = server.take("q").into_iter().map(|it| it.body).collect();
    assert_eq!(bodies, ["2"]);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_may_not_waits_for_the_user() {
    let mut server = SqsServer::start();
    let url = server.make("q");
    let queue = open(&server, &url);
    let send = async || queue.send(&[entry("1")]).await.pop().unwrap();
    assert_eq!(send().await, Ok(()));
    server.kill();
    let error = send().await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Retry, "unreachable"), "{error}");
    server.start_again(&[]);
    let error = send().await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Config, "not-found"), "{error}");
    let received = queue.receive(1, limits::ANSWER, 30).await.unwrap_err();
    assert_eq!(received.code(), "not-found", "{received}");
    server.make("q");
    assert_eq!(send().await, Ok(()));
    server.ask_who();
    let error = send().await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Config, "access-denied"), "{error}");
    assert!(!error.to_string().contains(SECRET_ACCESS_KEY), "{error}");
}
