//! Connectors with transforms, from their configuration to what is delivered.

use super::*;
use crate::kafka::TopicPartition;
use crate::worker::herder::HerderError;

const KEEP: [(&str, &str); 3] =
    [("connector.class", "keep"), ("topics", "lines"), ("errors.restart.max", "0")];
const CAST: [(&str, &str); 3] = [
    ("transforms", "cast"),
    ("transforms.cast.type", "org.apache.kafka.connect.transforms.Cast$Value"),
    ("transforms.cast.spec", "int8"),
];

async fn house_of(rows: &[&str]) -> House {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    for row in rows {
        house.cluster.append("lines", 0, "k", row);
    }
    house
}

impl House {
    fn kept(&self) -> Vec<String> {
        let sunk = self.scene.sunk.lock().unwrap();
        sunk.values().map(|(row, _)| row.clone()).collect()
    }

    fn committed(&self) -> i64 {
        self.cluster.committed("connect-it")[&TopicPartition::new("lines", 0)].offset
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_gets_what_its_transforms_make_and_a_record_that_they_cannot_is_a_dead_letter() {
    let house = house_of(&["+1", "poison", "2"]).await;
    let errors = [("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "dead")];
    house.create("it", &[&KEEP[..], &CAST, &errors].concat()).await;
    house.drained("it").await;
    assert_eq!(house.kept(), ["1", "2"]);
    assert_eq!(house.committed(), 3);
    let letters = house.cluster.records("dead");
    assert_eq!(letters, [("k".to_owned(), Some("poison".to_owned()))], "as it came");
    let story = &house.cluster.headers("dead")[0];
    let told = |name: &str| story[&format!("__connect.errors.{name}")].as_str();
    assert_eq!((told("stage"), told("class.name")), ("TRANSFORMATION", CAST[1].1));
    assert_eq!((told("exception.class.name"), told("offset")), ("out-of-range", "1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_transformed_stops_a_task_that_tolerates_nothing() {
    let house = house_of(&["1", "poison"]).await;
    house.create("it", &[&KEEP[..], &CAST].concat()).await;
    house.task_is("it", 0, State::Failed).await;
    let trace = house.herder.status("it").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("the transform `cast`: a string is no INT8"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_committed_past_what_a_filter_drops() {
    let house = house_of(&["a", "b"]).await;
    let filter = [("transforms", "none"), ("transforms.none.type", "Filter")];
    house.create("it", &[&KEEP[..], &filter].concat()).await;
    house.drained("it").await;
    assert!(house.kept().is_empty());
    assert_eq!(house.committed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_writes_where_its_transforms_say_but_never_to_a_topic_with_state() {
    let route = |replacement| {
        [
            ("connector.class", "rows"),
            ("topic", "lines"),
            ("rows", "6"),
            ("errors.restart.max", "0"),
            ("transforms", "route"),
            ("transforms.route.type", "RegexRouter"),
            ("transforms.route.regex", "li(.*)"),
            ("transforms.route.replacement", replacement),
        ]
    };
    let house = house_of(&[]).await;
    house.cluster.create("nes-routed", 1);
    house.create("it", &route("$1-routed")).await;
    house.drained("it").await;
    assert_eq!(house.cluster.records("nes-routed").len(), 6);
    assert_eq!(house.herder.active_topics("it").unwrap(), ["nes-routed"]);
    house.create("evil", &route("__consumer_offsets")).await;
    house.task_is("evil", 0, State::Failed).await;
    assert!(house.cluster.records("lines").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_wrong_transforms_is_refused_with_all_that_is_wrong() {
    let house = house_of(&[]).await;
    let wrong = [&KEEP[..], &[("transforms", "a,b"), ("transforms.a.type", "Cast$Value")]].concat();
    let refused = house.herder.create("it", config(&wrong)).await;
    let Err(HerderError::BadRequest(message)) = refused else { panic!("{refused:?}") };
    for part in ["`transforms.a.spec` is missing", "`transforms.b.type` is missing"] {
        assert!(message.contains(part), "{message}");
    }
}
