//! Sources that loop, eat, trap and lie.

use std::time::{Duration, Instant};

use longshore::batch::BatchError;
use longshore::host::{CallError, Cause, Fault};
use longshore::task::plugin::{Next, Polled, TransactionEnd};

use crate::house::{CALL, House};

async fn poll(house: &House, evil: &str) -> Result<Polled, CallError> {
    let mut source = house.source(&[("evil", evil), ("evil.in", "poll")]).await.unwrap();
    source.poll(Duration::ZERO, 1 << 20).await
}

fn trap(error: &CallError) -> (&str, &str) {
    match &error.cause {
        Cause::Trap { trap, words, .. } => (trap, words),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_well_behaved_source_is_planned_polled_and_closed() {
    let house = House::new();
    let plugin = house.plugin("evil-source").await;
    let manifest = plugin.manifest();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("evil-source", "1.0.0"));
    let tasks = plugin.plan(house.context(), &Default::default(), 3).await.unwrap();
    assert_eq!(tasks.len(), 2);
    let mut source = house.source(&[("batches", "2"), ("records", "3")]).await.unwrap();
    let first = source.poll(Duration::ZERO, 1 << 20).await.unwrap();
    assert_eq!((first.next, first.outputs[0].batch.len()), (Next::More, 3));
    assert_eq!(first.outputs[0].batch.value(2), Some(&[b'x'; 100][..]));
    assert_eq!(first.saved[0].offset.as_deref(), Some(r#"{"polls":1}"#));
    source.committed(1).await.unwrap();
    assert_eq!(source.poll(Duration::ZERO, 1 << 20).await.unwrap().next, Next::Done);
    assert!(source.memory_bytes() > 0);
    source.close().await;
}

#[tokio::test]
async fn a_source_says_where_its_transactions_end_of_that_poll_alone() {
    let house = House::new();
    assert!(house.plugin("evil-source").await.ends_transactions());
    let other = house.load(&crate::house::plugins().with_file_name("file-source.wasm")).await;
    assert!(!other.ends_transactions(), "it imports no such thing");
    let ended = async |evil| poll(&house, evil).await.unwrap().end;
    assert_eq!(ended("commit").await, Some(TransactionEnd::Commit));
    assert_eq!(ended("abort").await, Some(TransactionEnd::Abort));
    assert_eq!(ended("nothing").await, None);
    let mut source = house.source(&[("evil", "commit"), ("evil.in", "open")]).await.unwrap();
    let polled = source.poll(Duration::ZERO, 1 << 20).await.unwrap();
    assert_eq!(polled.end, None, "it was not said of this poll");
}

#[tokio::test(flavor = "current_thread")]
async fn an_endless_loop_is_stopped_in_time_and_others_go_on_beside_it() {
    let house = House::new();
    let mut looping = house.source(&[("evil", "loop"), ("evil.in", "poll")]).await.unwrap();
    let mut good = house.source(&[("batches", "1000000")]).await.unwrap();
    let start = Instant::now();
    let stopped = async {
        let error = looping.poll(Duration::ZERO, 1).await.unwrap_err();
        (error, start.elapsed())
    };
    // On one thread: the loop must give way for the other guest to move at all.
    let beside = async {
        let mut polls = 0;
        while start.elapsed() < CALL / 2 {
            good.poll(Duration::ZERO, 1).await.unwrap();
            polls += 1;
            tokio::task::yield_now().await;
        }
        polls
    };
    let ((error, took), polls) = tokio::join!(stopped, beside);
    assert!(matches!(error.cause, Cause::Timeout { limit, .. } if limit == CALL), "{error}");
    assert!(error.to_string().starts_with("plugin evil-source, poll: stopped after 400ms"));
    assert!(took < CALL * 10, "stopped only after {took:?}");
    assert!(polls > 1, "{polls} polls beside a loop");
    let error = looping.poll(Duration::ZERO, 1).await.unwrap_err();
    assert_eq!(error.cause, Cause::Dead);
    good.poll(Duration::ZERO, 1).await.unwrap();
}

#[tokio::test]
async fn a_loop_in_open_plan_and_close_is_stopped_too() {
    let house = House::new();
    let open = house.source(&[("evil", "loop"), ("evil.in", "open")]).await;
    assert!(matches!(open.err().unwrap().cause, Cause::Timeout { .. }));
    let plugin = house.plugin("evil-source").await;
    let options = crate::house::config(&[("evil", "loop"), ("evil.in", "plan")]);
    let plan = plugin.plan(house.context(), &options, 1).await.unwrap_err();
    assert!(matches!(plan.cause, Cause::Timeout { .. }));
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused_and_said() {
    let error = poll(&House::new(), "eat-memory").await.unwrap_err();
    let Cause::Memory { asked, limit } = error.cause else { panic!("{error}") };
    assert_eq!(limit, 32 << 20);
    assert!(asked > limit);
}

#[tokio::test]
async fn a_panic_is_reported_in_the_plugins_own_words() {
    let error = poll(&House::new(), "panic").await.unwrap_err();
    let (trap, words) = trap(&error);
    assert!(trap.contains("unreachable"), "{trap}");
    assert!(words.contains("the plugin's own words"), "{words}");
    assert!(words.contains("deed.rs"), "{words}");
    assert!(error.to_string().contains("the plugin's own words"), "{error}");
}

#[tokio::test]
async fn an_abort_is_a_trap_without_words() {
    let error = poll(&House::new(), "unreachable").await.unwrap_err();
    let (trap, words) = trap(&error);
    assert!(trap.contains("unreachable"), "{trap}");
    assert_eq!(words, "");
}

#[tokio::test]
async fn a_stack_overflow_is_a_trap() {
    let error = poll(&House::new(), "overflow-stack").await.unwrap_err();
    let (trap, _) = trap(&error);
    assert!(trap.contains("out of bounds") || trap.contains("stack exhausted"), "{trap}");
}

#[tokio::test]
async fn a_batch_that_lies_about_itself_is_refused_with_what_is_wrong() {
    let house = House::new();
    for (evil, expected) in [
        ("span-outside", "value"),
        ("span-overflow", "value"),
        ("negative-length", "value"),
        ("unequal-columns", "value-len"),
    ] {
        let error = poll(&house, evil).await.unwrap_err();
        let Cause::Batch { topic, source } = &error.cause else { panic!("{evil}: {error}") };
        assert_eq!(topic, "rows");
        let column = match source {
            BatchError::Span { column, .. }
            | BatchError::NegativeLength { column, .. }
            | BatchError::ColumnLength { column, .. } => column,
            other => panic!("{evil}: {other}"),
        };
        assert!(column.starts_with("value") || column.starts_with("key"), "{evil}: {column}");
        assert!(!expected.is_empty());
    }
    let error = poll(&house, "header-lies").await.unwrap_err();
    assert!(matches!(
        error.cause,
        Cause::Batch { source: BatchError::HeaderCount { counted: 90, found: 0 }, .. }
    ));
}

#[tokio::test]
async fn an_answer_beyond_the_transfer_limit_is_refused() {
    let error = poll(&House::new(), "huge-output").await.unwrap_err();
    assert_eq!(error.cause, Cause::Transfer { limit: 8 << 20 });
}

#[tokio::test]
async fn a_checkpoint_that_is_no_json_object_is_refused() {
    let house = House::new();
    for evil in ["bad-checkpoint", "number-checkpoint"] {
        let error = poll(&house, evil).await.unwrap_err();
        let Cause::Answer(words) = &error.cause else { panic!("{error}") };
        assert!(words.starts_with("a checkpoint's offset is no JSON object"), "{words}");
    }
}

#[tokio::test]
async fn a_fault_is_passed_on_and_the_instance_lives() {
    let house = House::new();
    let mut source = house.source(&[("evil", "fault-retry"), ("evil.in", "poll")]).await.unwrap();
    for _ in 0..2 {
        let error = source.poll(Duration::ZERO, 1).await.unwrap_err();
        let Cause::Fault(Fault::Retry { code, message, after: None }) = error.cause else {
            panic!("{error}")
        };
        assert_eq!((code.as_str(), message.as_str()), ("try-later", "the system is down"));
    }
    for (evil, code) in [("fault-config", "wrong-path"), ("fault-fatal", "corrupt")] {
        let error = poll(&house, evil).await.unwrap_err();
        assert!(error.to_string().contains(code), "{error}");
        assert!(error.cause.leaves_alive());
    }
}

#[tokio::test]
async fn a_flood_of_log_lines_costs_little_and_its_sender_goes_on() {
    let polled = poll(&House::new(), "flood-log").await.unwrap();
    assert_eq!(polled.next, Next::Done);
}

#[tokio::test]
async fn one_line_beyond_the_transfer_limit_kills_its_sender() {
    let error = poll(&House::new(), "long-line").await.unwrap_err();
    let limit = 8 << 20;
    assert!(
        matches!(error.cause, Cause::Transfer { limit: found } if found == limit)
            || matches!(error.cause, Cause::Memory { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_a_dead_instance_and_a_healthy_host() {
    let house = House::new();
    let mut source = house.source(&[("evil", "loop"), ("evil.in", "poll")]).await.unwrap();
    let short = Duration::from_millis(30);
    assert!(tokio::time::timeout(short, source.poll(Duration::ZERO, 1)).await.is_err());
    assert_eq!(source.poll(Duration::ZERO, 1).await.unwrap_err().cause, Cause::Dead);
    assert!(poll(&house, "none").await.is_ok());
}
