//! What a sink is given behind a chain, and what is told of it.

use std::sync::Mutex;

use super::*;
use crate::convert::config::Way;
use crate::convert::registry_config::OpenedRegistries;
use crate::convert::{HeaderConverter, Passages};
use crate::registry::scripted::{answers, http};
use crate::task::error::Remedy;
use crate::task::failures::{Failure, Stage};
use crate::task::plugin::Output;
use crate::transform::Chain;

const ROUTE: [(&str, &str); 4] = [
    ("transforms", "route"),
    ("transforms.route.type", "TimestampRouter"),
    ("transforms.route.topic.format", "${timestamp}"),
    ("transforms.route.timestamp.format", "S"),
];
const CAST: [(&str, &str); 3] = [
    ("transforms", "cast"),
    ("transforms.cast.type", "Cast$Value"),
    ("transforms.cast.spec", "int8"),
];

fn transform(options: &[(&str, &str)]) -> BatchTransform {
    let config =
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let headers = HeaderConverter::from_config(&config).unwrap();
    let passages =
        Passages::from_config(&config, Way::FromTopics, &OpenedRegistries::default()).unwrap();
    BatchTransform::new(Chain::read(&config).unwrap(), passages, headers)
}

/// Values with the times that they are routed by, from offset 10 on.
fn batch(records: &[(&str, i64)]) -> Arc<Batch> {
    let mut batch = Batch::default();
    for (offset, (value, timestamp)) in (10..).zip(records) {
        batch.push(Some(b"k"), Some(value.as_bytes()), *timestamp);
        batch.columns.offset.push(offset);
    }
    Arc::new(batch)
}

fn from() -> TopicPartition {
    TopicPartition::new("t", 0)
}

#[derive(Default)]
struct Seen {
    /// Topic, and offsets with values, of each put that succeeded.
    puts: Vec<(String, Vec<(i64, String)>)>,
    /// The put of this topic fails once.
    fault_at: Option<String>,
    /// The sink refuses this offset.
    refuses: Option<i64>,
}

struct Sink(Arc<Mutex<Seen>>);

#[async_trait]
impl SinkPlugin for Sink {
    async fn assigned(&mut self, _: &[TopicPartition]) -> Result<Vec<Mark>, TaskError> {
        Ok(Vec::new())
    }

    async fn revoked(&mut self, _: &[TopicPartition]) -> Result<Progress, TaskError> {
        self.tick().await
    }

    async fn put(
        &mut self,
        _: &TopicPartition,
        topic: &str,
        batch: Arc<Batch>,
    ) -> Result<Taken, TaskError> {
        let mut seen = self.0.lock().unwrap();
        if seen.fault_at.as_deref() == Some(topic) {
            seen.fault_at = None;
            let remedy = Remedy::Fault { after: None };
            return Err(TaskError { message: "later".into(), remedy });
        }
        assert_eq!(batch.validate(), Ok(()));
        let one = |at| {
            let value = String::from_utf8(batch.value(at).unwrap().to_vec()).unwrap();
            (batch.offset(at).unwrap(), value)
        };
        let records: Vec<_> = (0..batch.len()).map(one).collect();
        let refuses = seen.refuses;
        let failure = Failure { stage: Stage::TaskPut, code: "no".into(), message: "no".into() };
        let rejects: Vec<_> = (0..)
            .zip(&records)
            .filter(|(_, (offset, _))| Some(*offset) == refuses)
            .map(|(at, _)| Reject { at, failure: failure.clone() })
            .collect();
        seen.puts.push((topic.to_owned(), records));
        Ok(rejects.into())
    }

    /// All that it was given is durable.
    async fn tick(&mut self) -> Result<Progress, TaskError> {
        let seen = self.0.lock().unwrap();
        let last = seen.puts.last().and_then(|(_, records)| records.last());
        let marks = last.map(|(offset, _)| Mark { partition: from(), next: offset + 1 });
        Ok(Progress { marks: marks.into_iter().collect(), ..Progress::default() })
    }

    async fn drain(&mut self) -> Result<Progress, TaskError> {
        self.tick().await
    }

    fn held_bytes(&self) -> usize {
        0
    }

    async fn close(self: Box<Self>) {}
}

fn sink(options: &[(&str, &str)]) -> (TransformingSink, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    (TransformingSink::new(Box::new(Sink(seen.clone())), transform(options)), seen)
}

/// The indices that are refused.
fn at(taken: &Taken) -> Vec<u32> {
    taken.rejects.iter().map(|reject| reject.at).collect()
}

#[tokio::test]
async fn records_are_put_in_the_order_of_their_offsets_whatever_their_topics() {
    let (mut sink, seen) = sink(&ROUTE);
    let batch = batch(&[("a", 1), ("b", 1), ("c", 2), ("d", 1)]);
    assert_eq!(sink.put(&from(), "t", batch).await.unwrap(), Taken::default());
    let at = |offset, value: &str| (offset, value.to_owned());
    assert_eq!(
        seen.lock().unwrap().puts,
        [
            ("1".to_owned(), vec![at(10, "a"), at(11, "b")]),
            ("2".to_owned(), vec![at(12, "c")]),
            ("1".to_owned(), vec![at(13, "d")]),
        ]
    );
}

#[tokio::test]
async fn after_a_fault_the_rest_alone_is_put_again() {
    let (mut sink, seen) = sink(&ROUTE);
    seen.lock().unwrap().fault_at = Some("2".into());
    let batch = batch(&[("a", 1), ("b", 2), ("c", 1)]);
    assert!(sink.put(&from(), "t", batch.clone()).await.unwrap_err().is_fault());
    sink.put(&from(), "t", batch).await.unwrap();
    let offsets: Vec<_> = seen.lock().unwrap().puts.iter().map(|(_, it)| it[0].0).collect();
    assert_eq!(offsets, [10, 11, 12]);
}

#[tokio::test]
async fn what_is_refused_is_told_before_more_is_put() {
    let (mut sink, seen) = sink(&ROUTE);
    (seen.lock().unwrap().fault_at, seen.lock().unwrap().refuses) = (Some("2".into()), Some(10));
    let batch = batch(&[("a", 1), ("b", 1), ("c", 2)]);
    let taken = sink.put(&from(), "t", batch.clone()).await.unwrap();
    assert_eq!((at(&taken), taken.more), (vec![0], true));
    assert_eq!(seen.lock().unwrap().puts.len(), 1, "the next piece waits");
    assert!(sink.put(&from(), "t", batch.clone()).await.unwrap_err().is_fault());
    assert_eq!(sink.put(&from(), "t", batch).await.unwrap(), Taken::default());
    let offsets: Vec<_> = seen.lock().unwrap().puts.iter().map(|(_, it)| it[0].0).collect();
    assert_eq!(offsets, [10, 12], "nothing is put twice, and no refusal told twice");
}

#[tokio::test]
async fn a_batch_whose_last_piece_is_refused_needs_no_further_put() {
    let (mut sink, seen) = sink(&ROUTE);
    seen.lock().unwrap().refuses = Some(11);
    let taken = sink.put(&from(), "t", batch(&[("a", 1), ("b", 2)])).await.unwrap();
    assert_eq!((at(&taken), taken.more), (vec![1], false));
}

#[tokio::test]
async fn what_cannot_be_transformed_or_written_is_refused_by_its_own_index_and_stage() {
    let (mut sink, seen) = sink(&CAST);
    let batch_of_4 = batch(&[("1", 1), ("x", 1), ("300", 1), ("+5", 1)]);
    let taken = sink.put(&from(), "t", batch_of_4.clone()).await.unwrap();
    assert!(taken.more && seen.lock().unwrap().puts.is_empty(), "told before anything is put");
    let class = "org.apache.kafka.connect.transforms.Cast$Value";
    let told: Vec<_> = taken.rejects.iter().map(|it| (it.at, it.failure.stage)).collect();
    assert_eq!(told, [(1, Stage::Transformation(class)), (2, Stage::Transformation(class))]);
    assert_eq!(sink.put(&from(), "t", batch_of_4).await.unwrap(), Taken::default());
    let puts = std::mem::take(&mut seen.lock().unwrap().puts);
    assert_eq!(puts[0].1, [(10, "1".to_owned()), (13, "5".to_owned())]);

    let bytes = [&CAST[..], &[("value.converter", "bytes")]].concat();
    let mut unreadable = transform(&[&CAST[..], &[("value.converter", "json")]].concat());
    let failed =
        unreadable.apply("t", None, &batch(&[("{", 1)]), Grouping::Topic).await.unwrap().failed;
    assert_eq!(failed[0].failure.stage, Stage::ValueConverter);
    let failed = transform(&bytes)
        .apply("t", None, &batch(&[("1", 1)]), Grouping::Topic)
        .await
        .unwrap()
        .failed;
    assert_eq!(failed[0].failure.stage, Stage::Transformation(class));
}

#[tokio::test]
async fn what_a_filter_drops_is_told_and_not_put() {
    let (mut sink, seen) = sink(&[("transforms", "none"), ("transforms.none.type", "Filter")]);
    let taken = sink.put(&from(), "t", batch(&[("a", 1), ("b", 1)])).await.unwrap();
    assert_eq!((taken.filtered, taken.rejects.len()), (vec![0, 1], 0));
    assert!(seen.lock().unwrap().puts.is_empty());
}

#[tokio::test]
async fn a_sources_records_go_to_the_topics_that_the_chain_says_and_what_fails_is_refused() {
    let mut chain = transform(
        &[
            &ROUTE[..],
            &[
                ("predicates", "x"),
                ("predicates.x.type", "HasHeaderKey"),
                ("predicates.x.name", "h"),
            ],
            &[("transforms.route.predicate", "x"), ("transforms.route.negate", "true")],
        ]
        .concat(),
    );
    let mut batch = Batch::default();
    for (value, timestamp) in [("a", 1), ("b", 2), ("c", 1), ("d", -1)] {
        batch.push(None, Some(value.as_bytes()), timestamp);
    }
    let output = Output { topic: "t".into(), partition: Some(3), batch };
    let (sent, refused) = chain.outputs(vec![output]).await.unwrap();
    let shown: Vec<_> = sent.iter().map(|it| (&*it.topic, it.partition, it.batch.len())).collect();
    assert_eq!(shown, [("1", Some(3), 2), ("2", Some(3), 1)]);
    assert!(sent[0].batch.columns.offset.is_empty());
    assert_eq!((refused.len(), &refused[0].payload[..]), (1, &b"d"[..]));
}

#[tokio::test]
async fn what_no_transform_changes_keeps_its_bytes_and_headers_keep_theirs() {
    let options = [
        ("value.converter", "json"),
        ("transforms", "cast,header"),
        ("transforms.cast.type", "Cast$Value"),
        ("transforms.cast.spec", "a:string"),
        ("transforms.cast.predicate", "h"),
        ("transforms.header.type", "InsertHeader"),
        ("transforms.header.header", "h"),
        ("transforms.header.value.literal", "7"),
        ("predicates", "h"),
        ("predicates.h.type", "HasHeaderKey"),
        ("predicates.h.name", "twice"),
    ];
    let text = b"{ \"b\": 1.50, \"a\" : 2e400 }";
    let mut batch = Batch::default();
    batch.push(Some(b"\xff"), Some(text), 1);
    batch.push(None, Some(b"{\"a\": 1.50, \"b\": 1}"), 1);
    batch.push_header(b"twice", Some(b"\xff"));
    batch.push_header(b"twice", None);
    let done = transform(&options).apply("t", None, &batch, Grouping::Topic).await.unwrap();
    assert_eq!(done.failed, []);
    let out = &done.routed[0].batch;
    assert_eq!(out.validate(), Ok(()));
    assert_eq!((out.key(0), out.value(0)), (Some(&b"\xff"[..]), Some(&text[..])));
    assert_eq!(out.value(1), Some(&b"{\"a\":\"1.5\",\"b\":1}"[..]));
    assert_eq!(out.columns.header_count, [1, 3]);
    let all = [
        (&b"h"[..], Some(&b"7"[..])),
        (b"twice", Some(b"\xff")),
        (b"twice", None),
        (b"h", Some(b"7")),
    ];
    for (at, (name, value)) in all.into_iter().enumerate() {
        assert_eq!((out.header_name(at), out.header_value(at)), (name, value), "{at}");
    }
}

fn avro(url: &str) -> [(&str, &str); 2] {
    [("value.converter", "avro"), ("value.converter.schema.registry.url", url)]
}

/// A batch of values of the schema 7, from offset 10 on.
fn framed(values: &[&[u8]]) -> Arc<Batch> {
    let mut batch = Batch::default();
    for (offset, value) in (10..).zip(values) {
        batch.push(None, Some(value), 1);
        batch.columns.offset.push(offset);
    }
    Arc::new(batch)
}

#[tokio::test]
async fn a_sink_is_given_json_of_what_a_registrys_converter_reads() {
    let decimal = r#"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"scale\":2}"#;
    let schema = format!(
        r#"{{\"type\":\"record\",\"name\":\"R\",\"fields\":[{{\"name\":\"d\",\"type\":{decimal}}}]}}"#
    );
    let (url, _asks) = answers(vec![http("200 OK", &format!(r#"{{"schema":"{schema}"}}"#))]).await;
    let (mut sink, seen) = sink(&avro(&url));
    let batch = framed(&[&[0, 0, 0, 0, 7, 2, 125], b"{}", &[0, 0, 0, 0, 7, 2]]);
    let taken = sink.put(&from(), "t", batch.clone()).await.unwrap();
    let told: Vec<_> = taken.rejects.iter().map(|it| (it.at, it.failure.stage)).collect();
    assert_eq!(told, [(1, Stage::ValueConverter), (2, Stage::ValueConverter)]);
    assert_eq!(sink.put(&from(), "t", batch).await.unwrap(), Taken::default());
    assert_eq!(seen.lock().unwrap().puts[0].1, [(10, r#"{"d":1.25}"#.to_owned())]);
}

#[tokio::test]
async fn a_registry_that_is_down_costs_no_record_of_a_sink() {
    let lost = http("503 Service Unavailable", "{}");
    let (url, _asks) = answers(vec![lost, http("200 OK", r#"{"schema":"\"int\""}"#)]).await;
    let (mut sink, seen) = sink(&avro(&url));
    let batch = framed(&[&[0, 0, 0, 0, 7, 6]]);
    let error = sink.put(&from(), "t", batch.clone()).await.unwrap_err();
    assert!(error.is_fault() && error.message.contains("schema registry"), "{error}");
    assert!(seen.lock().unwrap().puts.is_empty());
    // The same batch comes again.
    assert_eq!(sink.put(&from(), "t", batch).await.unwrap(), Taken::default());
    assert_eq!(seen.lock().unwrap().puts[0].1, [(10, "3".to_owned())]);
}

#[tokio::test]
async fn a_sources_json_with_its_schema_becomes_the_registrys_avro() {
    let (url, mut asks) = answers(vec![http("200 OK", r#"{"id":7}"#)]).await;
    let config = avro(&url).map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let passages =
        Passages::from_config(&config, Way::ToTopics, &OpenedRegistries::default()).unwrap();
    let chain = Chain::read(&config).unwrap();
    let mut transform = BatchTransform::new(chain, passages, HeaderConverter::Simple);
    let mut batch = Batch::default();
    let value = br#"{"schema":{"type":"string"},"payload":"ab"}"#;
    for value in [Some(&value[..]), None, Some(br#""ab""#)] {
        batch.push(Some(b"k"), value, 1);
    }
    let output = Output { topic: "t".into(), partition: None, batch };
    let (sent, refused) = transform.outputs(vec![output]).await.unwrap();
    let batch = &sent[0].batch;
    assert_eq!((batch.len(), batch.key(0)), (2, Some(&b"k"[..])));
    assert_eq!((batch.value(0), batch.value(1)), (Some(&[0, 0, 0, 0, 7, 4, 97, 98][..]), None));
    assert_eq!(refused[0].failure.stage, Stage::ValueConverter);
    assert!(asks.recv().await.unwrap().starts_with("POST /subjects/t-value/versions "));
}
