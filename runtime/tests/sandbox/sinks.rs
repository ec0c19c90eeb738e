//! Sinks that keep what they are given, and reject what they were not.

use std::sync::Arc;

use longshore::batch::Batch;
use longshore::host::Cause;
use longshore::kafka::TopicPartition;

use crate::house::House;

fn batch() -> Arc<Batch> {
    let mut batch = Batch::default();
    for at in 0..10 {
        batch.push(None, Some(&[at; 100]), 7);
        batch.push_header(b"h", Some(b"v"));
        batch.columns.offset.push(i64::from(at));
    }
    Arc::new(batch)
}

fn rows() -> TopicPartition {
    TopicPartition::new("rows", 3)
}

#[tokio::test]
async fn a_sink_reads_what_it_is_given_and_tells_how_far_it_is() {
    let house = House::new();
    let mut sink = house.sink(&[]).await.unwrap();
    assert_eq!(sink.assigned(&[rows()]).await.unwrap(), []);
    assert_eq!(sink.put(&rows(), "rows", batch()).await.unwrap(), []);
    assert_eq!(sink.metrics().counters["sum"], (0..10).map(|at| at * 100).sum::<u64>());
    assert!(sink.tick().await.unwrap().marks.is_empty());
    let progress = sink.drain().await.unwrap();
    assert_eq!((&progress.marks[0].partition, progress.marks[0].next), (&rows(), 10));
    sink.close().await;
}

#[tokio::test]
async fn bytes_count_as_held_until_the_guest_drops_the_handle() {
    let house = House::new();
    let mut sink = house.sink(&[("keep", "true")]).await.unwrap();
    sink.put(&rows(), "rows", batch()).await.unwrap();
    let one = sink.held_bytes();
    assert!(one > 1_000, "{one}");
    sink.put(&rows(), "rows", batch()).await.unwrap();
    assert_eq!(sink.held_bytes(), 2 * one);
    sink.drain().await.unwrap();
    assert_eq!(sink.held_bytes(), 0);
}

#[tokio::test]
async fn a_batch_is_let_go_with_a_guest_that_dies() {
    let house = House::new();
    let mut sink = house.sink(&[("evil", "panic"), ("evil.in", "put")]).await.unwrap();
    let records = batch();
    sink.put(&rows(), "rows", Arc::clone(&records)).await.unwrap_err();
    drop(sink);
    assert_eq!(Arc::strong_count(&records), 1);
}

#[tokio::test]
async fn a_reject_of_a_record_that_was_not_given_is_refused() {
    let house = House::new();
    let mut sink = house.sink(&[("evil", "reject-nobody")]).await.unwrap();
    let error = sink.put(&rows(), "rows", batch()).await.unwrap_err();
    let words = "it rejects record 1048576 of a batch of 10".to_owned();
    assert_eq!(error.cause, Cause::Answer(words));
}

#[tokio::test]
async fn every_call_of_a_sink_is_stopped_in_time() {
    let house = House::new();
    for call in ["put", "tick"] {
        let mut sink = house.sink(&[("evil", "loop"), ("evil.in", call)]).await.unwrap();
        let error = match call {
            "put" => sink.put(&rows(), "rows", batch()).await.unwrap_err(),
            _ => sink.tick().await.unwrap_err(),
        };
        assert!(matches!(error.cause, Cause::Timeout { .. }), "{error}");
    }
}

#[tokio::test]
async fn rows_encoded_for_no_upload_do_not_fill_the_hosts_memory() {
    let house = House::new();
    let mut row = Batch::default();
    row.push(None, Some(&vec![b'x'; 1 << 20]), -1);
    let mut sink = house.sink(&[("evil", "hoard-rows"), ("read", "nothing")]).await.unwrap();
    let error = sink.put(&rows(), "rows", Arc::new(row)).await.unwrap_err();
    let Cause::Trap { trap, .. } = &error.cause else { panic!("{error}") };
    assert!(trap.starts_with("its writers hold 134217"), "{trap}");
}
