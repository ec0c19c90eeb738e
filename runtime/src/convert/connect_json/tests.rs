//! What comes back from JSON, and what does not become it.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::data::arbitrary::{self, Random};
use crate::data::schema::{Kind, Schema};
use crate::data::{Decimal, Value};

fn with(change: impl FnOnce(&mut JsonOptions)) -> JsonConverter {
    let mut options = JsonOptions { schemas: true, ..JsonOptions::default() };
    change(&mut options);
    JsonConverter::new(options)
}

fn text(converter: &JsonConverter, datum: &Datum) -> String {
    let mut out = Vec::new();
    assert_eq!(converter.write(datum, &mut out), Ok(true));
    String::from_utf8(out).unwrap()
}

fn payload(schema: &str, payload: &str) -> Result<Value, ConvertError> {
    let envelope = format!("{{\"schema\":{schema},\"payload\":{payload}}}");
    with(|_| {}).read(Some(envelope.as_bytes())).map(|datum| datum.value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_data_comes_back_with_its_schema(seed: u64, numeric_decimals: bool) {
        let datum = arbitrary::datum(&mut Random(seed));
        let converter = with(|options| {
            options.numeric_decimals = numeric_decimals;
            // A null that stands for a default would come back as the default.
            options.null_is_default = false;
        });
        let written = text(&converter, &datum);
        let back = converter.read(Some(written.as_bytes())).unwrap();
        prop_assert_eq!(&back.value, &datum.value, "{}", written);
        // The same by a schema that was read, and is known by now.
        prop_assert_eq!(&text(&converter, &back), &written);
        prop_assert_eq!(converter.read(Some(written.as_bytes())).unwrap(), back);
    }

    #[test]
    fn any_plain_value_comes_back_and_is_what_serde_json_reads(seed: u64) {
        let value = Value::Map(arbitrary::fields(&mut Random(seed), 4));
        let converter = JsonConverter::plain();
        let written = text(&converter, &Datum::plain(value.clone()));
        prop_assert!(serde_json::from_str::<Json>(&written).is_ok(), "{}", written);
        prop_assert_eq!(converter.read(Some(written.as_bytes())).unwrap().value, value);
    }
}

#[test]
fn an_envelope_is_written_as_kafka_connect_writes_it() {
    let price = crate::data::logical::decimal_schema(2);
    let schema = Schema { doc: Some("d".into()), ..Schema::new(Kind::Struct) };
    let schema = schema.field("price", price.into()).unwrap().optional();
    let schema = SchemaRef::new(schema);
    let mut value = crate::data::Struct::new(schema.clone());
    value.put(0, Value::Decimal(Decimal::parse("1.28").unwrap())).unwrap();
    let datum = Datum { schema: Some(schema), value: Value::Struct(value) };
    assert_eq!(
        text(&with(|_| {}), &datum),
        "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"bytes\",\"optional\":false,\
         \"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,\"parameters\":\
         {\"scale\":\"2\"},\"field\":\"price\"}],\"optional\":true,\"doc\":\"d\"},\
         \"payload\":{\"price\":\"AIA=\"}}"
    );
    let numeric = with(|options| options.numeric_decimals = true);
    assert!(text(&numeric, &datum).ends_with("{\"price\":1.28}}"));
}

#[test]
fn a_null_is_its_default_unless_it_is_not_to_be() {
    let schema = r#"{"type":"int8","optional":true,"default":7}"#;
    assert_eq!(payload(schema, "null"), Ok(Value::Int8(7)));
    let envelope = format!("{{\"schema\":{schema},\"payload\":null}}");
    let strict = with(|options| options.null_is_default = false);
    assert_eq!(strict.read(Some(envelope.as_bytes())).unwrap().value, Value::Null);
    assert!(payload(r#"{"type":"int8"}"#, "null").is_err());
}

#[test]
fn what_kafka_connect_changes_in_silence_is_refused() {
    for (schema, value) in [
        (r#"{"type":"int32"}"#, "\"12\""),
        (r#"{"type":"int8"}"#, "128"),
        (r#"{"type":"int32"}"#, "1.5"),
        (r#"{"type":"float"}"#, "1e39"),
        (r#"{"type":"boolean"}"#, "1"),
        (r#"{"type":"string"}"#, "1"),
        (r#"{"type":"bytes"}"#, "\"?\""),
        (r#"{"type":"int32","name":"org.apache.kafka.connect.data.Time"}"#, "86400001"),
        (r#"{"type":"map","keys":{"type":"int8"},"values":{"type":"int8"}}"#, "{\"1\":1}"),
        (r#"{"type":"nothing"}"#, "1"),
        (r#"{"type":"array"}"#, "[]"),
    ] {
        let error = payload(schema, value).unwrap_err();
        assert_eq!(error.code(), "schema-mismatch", "{schema} {value}: {error}");
    }
    assert_eq!(payload(r#"{"type":"int32"}"#, "1e3"), Ok(Value::Int32(1000)));
}

#[test]
fn what_is_no_envelope_is_refused_and_says_what_to_do() {
    let converter = with(|_| {});
    for (bytes, code) in [
        (&b"{\"a\":1}"[..], "schema-mismatch"),
        (b"7", "schema-mismatch"),
        (b"{\"schema\":null,\"payload\":1,\"a\":1}", "schema-mismatch"),
        (b"{\"schema\":{,\"payload\":1}", "not-json"),
        (b"{", "not-json"),
        (b"\xff", "not-utf8"),
    ] {
        let error = converter.read(Some(bytes)).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(converter.check(Some(bytes)), Err(error));
    }
    let told = converter.read(Some(b"7")).unwrap_err().to_string();
    assert!(told.contains("`schemas.enable=false`"), "{told}");
}

#[test]
fn a_writer_of_json_lines_gets_the_payload_and_plain_text_as_it_is() {
    let line = |converter: &JsonConverter, text: &str| {
        let mut out = b"before".to_vec();
        let written = converter.write_json(Some(text.as_bytes()), &mut out);
        written.map(|()| String::from_utf8(out).unwrap())
    };
    let envelope = "{\"schema\":{\"type\":\"int8\"},\n\"payload\":7}";
    assert_eq!(line(&with(|_| {}), envelope).unwrap(), "before7");
    assert_eq!(line(&JsonConverter::plain(), "[1.50,\n 2e400]").unwrap(), "before[1.50, 2e400]");
    assert!(line(&with(|_| {}), "7").is_err());
}

#[test]
fn null_is_a_tombstone_and_an_envelope_of_null_is_none() {
    for converter in [JsonConverter::plain(), with(|_| {})] {
        let nothing = converter.read(None).unwrap();
        assert_eq!(nothing, Datum::default());
        assert_eq!(converter.write(&nothing, &mut Vec::new()), Ok(false));
        assert_eq!(converter.from_json(&Json::Null), Ok(None));
    }
    let optional = Schema::new(Kind::Int8).optional();
    let null = Datum { schema: Some(optional.into()), value: Value::Null };
    assert!(text(&with(|_| {}), &null).ends_with("\"payload\":null}"));
    assert_eq!(JsonConverter::plain().from_json(&json!({"a": 1})), Ok(Some(b"{\"a\":1}".to_vec())));
    assert!(with(|_| {}).from_json(&json!({"a": 1})).is_err());
}

#[test]
fn no_more_schemas_are_kept_than_are_to_be() {
    let converter = with(|options| options.schemas_kept_max = 2);
    for version in 0..10 {
        let envelope =
            format!("{{\"schema\":{{\"type\":\"int8\",\"version\":{version}}},\"payload\":1}}");
        let datum = converter.read(Some(envelope.as_bytes())).unwrap();
        assert_eq!(datum.schema.as_ref().unwrap().version, Some(version));
        text(&converter, &datum);
    }
    assert_eq!(converter.read.lock().unwrap().len(), 2);
    assert_eq!(converter.written.lock().unwrap().len(), 2);
}
