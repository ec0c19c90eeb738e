//! Failures: what is told, counted and sent.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::*;

/// `changelog` holds a worker's state.
struct Changelog;

impl StateTopics for Changelog {
    fn contain(&self, topic: &str) -> bool {
        topic == "changelog"
    }
}

fn failures(tolerant: bool, headers: bool) -> Failures {
    let origin = Origin {
        connector: "orders".into(),
        task: 2,
        class: "file-sink".into(),
        key_converter: "string".into(),
        value_converter: "json".into(),
        header_converter: "simple".into(),
        plugin_digest: "abc".into(),
        config_version: "def".into(),
    };
    let dead_letters =
        DeadLetterTopic { name: "dead".into(), replication_factor: None, context_headers: headers };
    let policy = ErrorPolicy {
        tolerant,
        log: true,
        dead_letters: Some(dead_letters),
        ..ErrorPolicy::default()
    };
    Failures {
        label: "orders-2".into(),
        origin: origin.into(),
        policy: policy.into(),
        room: Rooms::default().of(0),
        state: Arc::new(Changelog),
        counters: Arc::default(),
    }
}

fn failure(stage: Stage) -> Failure {
    Failure { stage, code: "not-json".into(), message: "the value is not JSON".into() }
}

fn only(sent: Result<Option<DeadLetters>, TaskError>) -> DeadLetters {
    sent.unwrap().unwrap()
}

fn batch() -> Batch {
    let mut batch = Batch::default();
    for at in 0..3u8 {
        batch.push(Some(&[b'k', at]), (at != 1).then_some(&[b'v', at][..]), 70 + i64::from(at));
        batch.columns.offset.push(10 + i64::from(at));
        for _ in 0..at {
            batch.push_header(b"h", Some(&[at]));
        }
    }
    batch
}

fn headers(letters: &Batch, at: usize) -> Vec<(String, Option<String>)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let counts = &letters.columns.header_count;
    let begin = counts[..at].iter().sum::<u32>() as usize;
    let mine = begin..begin + counts[at] as usize;
    mine.map(|header| (text(letters.header_name(header)), letters.header_value(header).map(text)))
        .collect()
}

#[test]
fn a_dead_letter_is_the_record_as_it_came_and_its_story_under_kafka_connects_names() {
    let failures = failures(true, true);
    let rejects = [2, 1].map(|at| Reject { at, failure: failure(Stage::ValueConverter) });
    let sent = failures.records(&TopicPartition::new("t", 4), &batch(), &rejects);
    let DeadLetters { topic, letters, .. } = only(sent);
    assert_eq!(topic, "dead");
    assert_eq!(letters.validate(), Ok(()));
    assert_eq!((letters.key(0), letters.value(0)), (Some(&b"k\x02"[..]), Some(&b"v\x02"[..])));
    assert_eq!((letters.timestamp_ms(0), letters.value(1)), (72, None));
    let own = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    let story = |name: &str, value: &str| own(&format!("__connect.errors.{name}"), value);
    assert_eq!(
        headers(&letters, 0),
        [
            own("h", "\u{2}"),
            own("h", "\u{2}"),
            story("topic", "t"),
            story("partition", "4"),
            story("offset", "12"),
            story("connector.name", "orders"),
            story("task.id", "2"),
            story("stage", "VALUE_CONVERTER"),
            story("class.name", "json"),
            story("exception.class.name", "not-json"),
            story("exception.message", "the value is not JSON"),
            story("exception.stacktrace", "the value is not JSON (not-json)"),
            story("plugin.digest", "abc"),
            story("config.version", "def"),
        ]
    );
    assert_eq!(headers(&letters, 1)[0], own("h", "\u{1}"));
    let counters = &failures.counters;
    assert_eq!(counters.skipped.load(Ordering::Relaxed), 2);
    assert_eq!(counters.errors.record_errors.load(Ordering::Relaxed), 2);
    assert_eq!(counters.errors.errors_logged.load(Ordering::Relaxed), 2);
}

#[test]
fn without_context_headers_a_dead_letter_has_its_own_alone() {
    let rejects = [2, 0].map(|at| Reject { at, failure: failure(Stage::TaskPut) });
    let sent = failures(true, false).records(&TopicPartition::new("t", 4), &batch(), &rejects);
    let letters = only(sent).letters;
    assert_eq!(letters.validate(), Ok(()));
    assert_eq!(letters.columns.header_count, [2, 0]);
}

#[test]
fn no_dead_letter_is_made_for_a_topic_that_came_to_hold_state() {
    let mut failures = failures(true, true);
    let mut policy = (*failures.policy).clone();
    policy.dead_letters.as_mut().unwrap().name = "changelog".into();
    failures.policy = policy.into();
    let rejects = [Reject { at: 1, failure: failure(Stage::TaskPut) }];
    let told = failures.records(&TopicPartition::new("t", 4), &batch(), &rejects).unwrap_err();
    assert!(told.message.contains("`changelog` holds state"), "{told}");
    let refused = [Refused { payload: b"torn".into(), failure: failure(Stage::TaskPoll) }];
    assert!(failures.refused(&refused).is_err());
}

#[test]
fn what_is_not_tolerated_is_no_dead_letter_and_says_where_it_is() {
    let failures = failures(false, true);
    let rejects = [Reject { at: 1, failure: failure(Stage::TaskPut) }];
    let told = failures.records(&TopicPartition::new("t", 4), &batch(), &rejects).unwrap_err();
    for part in ["t-4", "offset 11", "the value is not JSON (not-json)", "errors.tolerance=all"] {
        assert!(told.message.contains(part), "{told}");
    }
    assert_eq!(failures.counters.skipped.load(Ordering::Relaxed), 0);
    assert_eq!(failures.counters.errors.record_failures.load(Ordering::Relaxed), 1);
}

#[test]
fn what_a_source_could_make_no_record_of_is_a_dead_letters_value() {
    let refused = [Refused { payload: b"torn".into(), failure: failure(Stage::TaskPoll) }];
    let letters = only(failures(true, true).refused(&refused)).letters;
    assert_eq!((letters.key(0), letters.value(0)), (None, Some(&b"torn"[..])));
    let story = headers(&letters, 0);
    assert_eq!(story[0].0, "__connect.errors.connector.name", "it has no place in a topic");
    assert!(story.contains(&("__connect.errors.stage".into(), Some("TASK_POLL".into()))));
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let mut long = failure(Stage::TaskPoll);
    long.message = "é".repeat(5_000);
    let refused = [Refused { payload: Vec::new(), failure: long }];
    let letters = only(failures(true, true).refused(&refused)).letters;
    let story = headers(&letters, 0);
    let message = story.iter().find(|(name, _)| name.ends_with("exception.message")).unwrap();
    assert_eq!(message.1.as_ref().unwrap().len(), 4096);
}

/// Has one record.
struct Topic(Option<Batch>);

#[async_trait]
impl Reread for Topic {
    async fn record(&self, _: &TopicPartition, _: i64) -> Result<Option<Batch>, TaskError> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn a_record_refused_late_is_read_again_and_one_that_is_gone_is_told_of_all_the_same() {
    let failures = failures(true, true);
    let late = LateReject {
        partition: TopicPartition::new("t", 4),
        offset: 10,
        failure: failure(Stage::TaskPut),
    };
    let mut record = Batch::default();
    record.push(Some(b"k"), Some(b"v"), 7);
    record.columns.offset.push(10);
    let letters = only(failures.late(&late, &Topic(Some(record))).await).letters;
    assert_eq!(letters.value(0), Some(&b"v"[..]));
    let letters = only(failures.late(&late, &Topic(None)).await).letters;
    assert_eq!(letters.value(0), None);
    let offset = ("__connect.errors.offset".to_owned(), Some("10".to_owned()));
    assert!(headers(&letters, 0).contains(&offset));
}
