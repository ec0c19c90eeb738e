//! Processors whose state must survive their failures unharmed.

use std::sync::Arc;

use longshore::batch::Batch;
use longshore::host::Cause;

use crate::house::House;

fn words(words: &[&str]) -> Arc<Batch> {
    let mut batch = Batch::default();
    for word in words {
        batch.push(Some(word.as_bytes()), None, -1);
    }
    Arc::new(batch)
}

fn counts(batch: &Batch) -> Vec<(String, i64)> {
    (0..batch.len())
        .map(|at| {
            let key = String::from_utf8(batch.key(at).unwrap().to_vec()).unwrap();
            (key, i64::from_be_bytes(batch.value(at).unwrap().try_into().unwrap()))
        })
        .collect()
}

fn owned(counts: &[(&str, i64)]) -> Vec<(String, i64)> {
    counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

#[tokio::test]
async fn outputs_and_changes_follow_from_records_and_state() {
    let house = House::new();
    let mut processor = house.processor(&[]).await.unwrap();
    let first = processor.process("words", words(&["a", "b", "a"])).await.unwrap();
    assert_eq!(counts(&first.outputs[0].batch), owned(&[("a", 2), ("b", 1)]));
    assert_eq!(counts(&first.changes), owned(&[("a", 2), ("b", 1)]));
    let second = processor.process("words", words(&["b"])).await.unwrap();
    assert_eq!(counts(&second.changes), owned(&[("b", 2)]));
    processor.close().await;

    let mut reopened = house.processor(&[]).await.unwrap();
    reopened.restore(&first.changes).unwrap();
    reopened.restore(&second.changes).unwrap();
    let third = reopened.process("words", words(&["a", "b"])).await.unwrap();
    assert_eq!(counts(&third.changes), owned(&[("a", 3), ("b", 3)]));
}

#[tokio::test]
async fn state_written_in_a_call_that_fails_is_gone() {
    let house = House::new();
    for evil in ["panic", "fault-retry", "loop"] {
        let mut processor =
            house.processor(&[("evil", evil), ("evil.in", "process")]).await.unwrap();
        processor.process("words", words(&["a"])).await.unwrap_err();
        assert!(processor.state().is_empty(), "{evil}");
    }
    for evil in ["span-outside", "reject-nobody"] {
        let mut processor = house.processor(&[("evil", evil)]).await.unwrap();
        let error = processor.process("words", words(&["a"])).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Batch { .. } | Cause::Answer(_)), "{error}");
        assert!(processor.state().is_empty(), "{evil}");
    }
}

#[tokio::test]
async fn state_beyond_its_limit_is_refused_also_within_one_call() {
    let house = House::new();
    let mut processor = house.processor(&[("evil", "hoard-state")]).await.unwrap();
    let error = processor.process("words", words(&["a"])).await.unwrap_err();
    let Cause::Trap { trap, .. } = &error.cause else { panic!("{error}") };
    assert!(trap.starts_with("the state would have"), "{trap}");
    assert!(trap.contains("may have 4194304"), "{trap}");
    assert!(processor.state().is_empty());
}
