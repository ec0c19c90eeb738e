//! Values into a guest and back, and guests that give out what is none.

use std::sync::Arc;

use longshore::batch::Batch;
use longshore::host::Cause;
use longshore::task::failures::Stage;
use longshore::task::plugin::Processed;

use crate::house::House;

const JSON: [(&str, &str); 3] = [
    ("key.converter", "json"),
    ("value.converter", "json"),
    ("value.converter.schemas.enable", "true"),
];

/// With decimals, points in time, nesting, a map and a null.
const ORDER: &str = concat!(
    r#"{"schema":{"type":"struct","fields":["#,
    r#"{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"price"},"#,
    r#"{"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"at"},"#,
    r#"{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,"field":"sku"},{"type":"float","optional":false,"field":"kg"}],"optional":false},"optional":false,"field":"items"},"#,
    r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int8","optional":true},"optional":false,"field":"tags"}"#,
    r#"],"optional":false,"name":"Order"},"#,
    r#""payload":{"price":"++Y=","at":1704067200123,"items":[{"sku":"ä","kg":1.5}],"tags":{"z":1,"a":null}}}"#
);

fn options<'a>(evil: &'a str, call: &'a str) -> Vec<(&'a str, &'a str)> {
    let deed = [("evil", evil), ("evil.in", call)];
    JSON.into_iter().chain(deed).collect()
}

fn orders(values: &[&str]) -> Arc<Batch> {
    let mut batch = Batch::default();
    for (at, value) in values.iter().enumerate() {
        batch.push(Some(br#"{"id":[1,2.5,"x",null,true]}"#), Some(value.as_bytes()), at as i64);
        batch.push_header(b"at", Some(&[at as u8]));
        batch.push_header(b"at", None);
    }
    Arc::new(batch)
}

async fn process(batch: &Arc<Batch>, evil: &str, call: &str) -> Result<Processed, Cause> {
    let house = House::new();
    let mut guest = house.values(&options(evil, call)).await.map_err(|error| error.cause)?;
    guest.process("orders", batch.clone()).await.map_err(|error| error.cause)
}

#[tokio::test]
async fn what_a_guest_reads_and_writes_again_is_what_it_was() {
    let batch = orders(&[ORDER, ORDER]);
    let processed = process(&batch, "", "").await.unwrap();
    assert_eq!(processed.rejects, []);
    let echo = &processed.outputs[0].batch;
    assert_eq!((echo.key(0), echo.value(0)), (batch.key(0), batch.value(0)));
    assert_eq!((echo.key(1), echo.value(1)), (batch.key(1), batch.value(1)));
    assert_eq!(echo.columns.timestamp_ms, [0, 1]);
    assert_eq!((echo.header_value(2), echo.header_value(3)), (Some(&[1][..]), None));
}

#[tokio::test]
async fn a_record_that_no_converter_reads_is_refused_in_the_guests_place() {
    let batch = orders(&[ORDER, "{}", ORDER]);
    let processed = process(&batch, "", "").await.unwrap();
    assert_eq!(processed.outputs[0].batch.columns.timestamp_ms, [0, 2]);
    assert_eq!(processed.outputs[0].batch.header_value(2), Some(&[2][..]));
    let [refused] = &processed.rejects[..] else { panic!("{:?}", processed.rejects) };
    assert_eq!((refused.at, refused.failure.stage), (1, Stage::ValueConverter));

    let none = process(&orders(&["{}"]), "panic", "process").await.unwrap();
    assert_eq!(
        (none.outputs.len(), none.rejects.len()),
        (0, 1),
        "a guest is not called for nothing"
    );
}

#[tokio::test]
async fn what_is_no_value_costs_the_instance_and_says_why() {
    let batch = orders(&[ORDER]);
    for (evil, words) in [
        ("no-cbor", "the value of record 1 is no value: indefinite array"),
        ("endless-array", "broken CBOR"),
        ("deep-value", "nested deeper than 100"),
        ("unknown-schema", "nobody gave the id 9999"),
        ("not-its-schema", "record 1 is no value"),
    ] {
        match process(&batch, evil, "").await {
            Err(Cause::Answer(told)) => assert!(told.contains(words), "{evil}: {told}"),
            other => panic!("{evil}: {other:?}"),
        }
    }
    let unequal = process(&batch, "unequal-schemas", "").await.unwrap_err();
    assert!(matches!(unequal, Cause::Batch { .. }), "{unequal}");
}

#[tokio::test]
async fn schemas_that_are_none_are_refused() {
    let batch = orders(&[ORDER]);
    let told = async |evil| process(&batch, evil, "process").await.unwrap_err().to_string();
    assert!(told("schema-unknown").await.contains("schemas.get names 77"));
    assert!(told("schema-broken").await.contains("`items`"));
}
