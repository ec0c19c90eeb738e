//! What becomes of data in Avro, and of schemas; beside fastavro, which is not ours.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::types::{Avro, ENUM, UNION};
use super::*;
use crate::convert::Part;
use crate::convert::registered::{FramedConverter, Ids, RegistryConverter, RegistryOptions};
use crate::data::arbitrary::{self, Random};
use crate::data::logical::decimal_schema;
use crate::data::schema::{Kind, Schema, primitive};
use crate::data::{Decimal, Map, Struct, Value};
use crate::registry::{Registry, framing};

const READING: Reading = Reading { enhanced: false, metadata: true };
const WRITING: Writing = Writing { enhanced: false, metadata: true, scrub: false };
/// A null that stands for a default would come back as the default.
const FORM: encode::Form = encode::Form { null_is_default: false, scrub: false };

fn parsed(text: &str) -> Result<AvroSchema, String> {
    parse::parse(text, &mut Names::default(), READING).map_err(|error| error.0)
}

fn schema(text: &str) -> SchemaRef {
    parsed(text).unwrap().connect.unwrap()
}

fn text(schema: &SchemaRef) -> String {
    schema_text::text(schema, WRITING).unwrap()
}

fn struct_of(name: Option<&str>, fields: &[(&str, SchemaRef)]) -> SchemaRef {
    let mut made = Schema { name: name.map(str::to_owned), ..Schema::new(Kind::Struct) };
    for (name, schema) in fields {
        made = made.field(name, schema.clone()).unwrap();
    }
    made.into()
}

/// Any data that is not null, which has no bytes.
fn any(seed: u64) -> (SchemaRef, Value) {
    let mut random = Random(seed);
    loop {
        let Datum { schema, value } = arbitrary::datum(&mut random);
        if !value.is_null() {
            return (schema.expect("it has one"), value);
        }
    }
}

fn encoded(avro: &Avro, schema: &SchemaRef, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode::write(avro, schema, value, FORM, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_data_comes_back_with_its_schema(seed: u64) {
        let (own, value) = any(seed);
        let text = text(&own);
        let AvroSchema { avro, connect } = parsed(&text).map_err(|error| {
            TestCaseError::fail(format!("{error}: {text}"))
        })?;
        let connect = connect.unwrap();
        prop_assert_eq!(&connect, &own, "{}", text);
        let bytes = encoded(&avro, &own, &value);
        let back = decode::read(&avro, &connect, &bytes).unwrap();
        prop_assert_eq!(back, value, "{}", text);
        // What was cut off is missed, and what is too much is found.
        if let Some((_, cut)) = bytes.split_last() {
            prop_assert!(decode::read(&avro, &connect, &bytes[..cut.len()]).is_err());
        }
        let more: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        prop_assert!(decode::read(&avro, &connect, &more).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(seed: u64, bytes: Vec<u8>) {
        let (own, _) = any(seed);
        let AvroSchema { avro, connect } = parsed(&text(&own)).unwrap();
        let connect = connect.unwrap();
        if let Ok(value) = decode::read(&avro, &connect, &bytes) {
            let again = encoded(&avro, &connect, &value);
            // Blocks may have been several, and numbers longer than they need be.
            prop_assert_eq!(decode::read(&avro, &connect, &again).unwrap(), value);
        }
    }
}

fn cache() -> PathBuf {
    let own = std::env::var_os("LONGSHORE_CACHE").map(PathBuf::from);
    own.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/longshore"))
}

#[test]
fn fastavro_takes_every_schema_and_has_the_same_bytes_for_the_same_data() {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/convert/avro/tests/beside.py");
    let python = cache().join("python/bin/python");
    assert!(python.is_file(), "not installed: run `tests/systems/install.sh python`");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let cases: Vec<_> = (0..3000)
        .map(|seed| {
            let (own, value) = any(seed);
            let text = text(&own);
            let bytes = encoded(&parsed(&text).unwrap().avro, &own, &value);
            (text, STANDARD.encode(bytes))
        })
        .collect();
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<u8> = cases
        .iter()
        .flat_map(|(text, bytes)| {
            format!("{}\n", json!({ "schema": text, "bytes": bytes })).into_bytes()
        })
        .collect();
    let feeding = std::thread::spawn(move || input.write_all(&lines).unwrap());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), cases.len(), "each has an answer");
    for (answer, (text, bytes)) in answers.lines().zip(&cases) {
        let answer: Json = serde_json::from_str(answer).unwrap();
        assert_eq!(answer, json!({ "bytes": bytes }), "{text}");
    }
}

#[test]
fn a_schema_is_written_as_confluents_converter_writes_it() {
    let price = Arc::new(decimal_schema(2));
    let at = crate::data::logical::Logical::Timestamp.schema(true);
    let small = Arc::new(Schema::new(Kind::Int8).with_default(Value::Int8(3)).unwrap());
    let note = primitive(Kind::String, true);
    let fields = [("price", price), ("at", at), ("small", small), ("note", note)];
    let json: Json = serde_json::from_str(&text(&struct_of(Some("shop.Order"), &fields))).unwrap();
    assert_eq!(
        json,
        json!({
            "type": "record", "name": "Order", "namespace": "shop",
            "fields": [
                { "name": "price", "type": {
                    "type": "bytes", "scale": 2, "precision": 64, "connect.version": 1,
                    "connect.parameters": { "scale": "2" },
                    "connect.name": "org.apache.kafka.connect.data.Decimal",
                    "logicalType": "decimal",
                } },
                { "name": "at", "default": null, "type": ["null", {
                    "type": "long", "connect.version": 1,
                    "connect.name": "org.apache.kafka.connect.data.Timestamp",
                    "logicalType": "timestamp-millis",
                }] },
                { "name": "small", "default": 3, "type": {
                    "type": "int", "connect.default": 3, "connect.type": "int8",
                } },
                { "name": "note", "type": ["null", "string"], "default": null },
            ],
            "connect.name": "shop.Order",
        })
    );
}

#[test]
fn a_name_is_given_once_whatever_schemas_are_called() {
    let plain = |name| struct_of(None, &[(name, primitive(Kind::Int32, false))]);
    let named = |name| struct_of(Some("a.Name"), &[(name, primitive(Kind::Int32, false))]);
    let primitive_name = struct_of(Some("string"), &[]);
    let outer = struct_of(
        None,
        &[
            ("one", plain("x")),
            ("two", plain("y")),
            ("again", plain("x")),
            ("three", named("x")),
            ("four", named("y")),
            ("five", primitive_name),
        ],
    );
    let text = text(&outer);
    assert_eq!(schema(&text), outer, "{text}");
    for name in ["ConnectDefault", "ConnectDefault2", "ConnectDefault3", "Name", "Name2"] {
        let given = format!("\"name\":\"{name}\"");
        assert_eq!(text.matches(&given).count(), 1, "{name}: {text}");
    }
}

#[test]
fn defaults_that_avro_cannot_have_are_kept_beside_it() {
    let float =
        Arc::new(Schema::new(Kind::Float64).with_default(Value::Float64(f64::NAN)).unwrap());
    let keys = primitive(Kind::Int32, false);
    let map = Schema::map(keys, primitive(Kind::String, true));
    let entries = Map::from_iter([(Value::Int32(1), Value::Null)]);
    let map = Arc::new(map.with_default(Value::Map(entries)).unwrap());
    let outer = struct_of(None, &[("float", float), ("map", map)]);
    let text = text(&outer);
    assert_eq!(schema(&text), outer);
    let json: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(json["fields"][0].get("default"), None, "Avro has no NaN in JSON");
    assert_eq!(json["fields"][1]["default"], json!([{ "key": 1, "value": null }]));
    assert_eq!(json["fields"][1]["type"]["connect.default"], json!([[1, null]]));
}

#[test]
fn an_enum_is_text_and_is_an_enum_again_if_asked_for() {
    let text = r#"{"type":"enum","name":"Suit","namespace":"a","symbols":["HEARTS","SPADES"],
        "doc":"of a card","default":"HEARTS"}"#;
    let AvroSchema { avro, connect } = parsed(text).unwrap();
    let connect = connect.unwrap();
    assert_eq!((connect.kind, connect.name.as_deref()), (Kind::String, Some("a.Suit")));
    assert_eq!(connect.parameters[ENUM], "a.Suit");
    assert_eq!(decode::read(&avro, &connect, &[2]), Ok(Value::text("SPADES")));
    assert!(decode::read(&avro, &connect, &[4]).is_err());
    let mut out = Vec::new();
    assert!(encode::write(&avro, &connect, &Value::text("CLUBS"), FORM, &mut out).is_err());
    let enhanced = Writing { enhanced: true, ..WRITING };
    let again = schema_text::text(&connect, enhanced).unwrap();
    assert!(again.starts_with(r#"{"type":"enum","name":"Suit","namespace":"a","doc":"of a card""#));
    assert_eq!(schema(&again), connect);
    assert!(schema_text::text(&connect, WRITING).unwrap().starts_with(r#"{"type":"string""#));
}

#[test]
fn a_union_is_a_struct_of_which_one_field_is_set() {
    let text =
        r#"["int",{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]},"null"]"#;
    let AvroSchema { avro, connect } = parsed(text).unwrap();
    let connect = connect.unwrap();
    assert_eq!((connect.name.as_deref(), connect.optional), (Some(UNION), true));
    assert_eq!(connect.fields.keys().collect::<Vec<_>>(), ["int", "R"]);
    let Ok(Value::Struct(union)) = decode::read(&avro, &connect, &[2, 14]) else { panic!() };
    let Some(Value::Struct(record)) = union.get("R", false) else { panic!() };
    assert_eq!(record.get("a", false), Some(&Value::Int64(7)));
    assert_eq!(union.get("int", false), Some(&Value::Null));
    assert_eq!(encoded(&avro, &connect, &Value::Struct(union)), [2, 14]);
    assert_eq!(decode::read(&avro, &connect, &[4]), Ok(Value::Null));
    assert_eq!(encoded(&avro, &connect, &Value::Null), [4]);
}

#[test]
fn what_is_no_schema_says_why() {
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(200), "}".repeat(200));
    for (text, reason) in [
        ("{", "not JSON"),
        ("7", "a number stands where a schema should"),
        (r#""nothing""#, "there is no type `nothing`"),
        (r#"["null"]"#, "nothing but null"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"r","type":["null","R"]}]}"#,
            "within itself",
        ),
        (r#"{"type":"record","name":"int","fields":[]}"#, "a type is named `int`"),
        (r#"{"type":"array"}"#, "no `items`"),
        (r#"{"type":"fixed","name":"F","size":-1}"#, "no `size`"),
        (
            r#"[{"type":"enum","name":"E","symbols":[]},{"type":"enum","name":"E","symbols":[]}]"#,
            "two types",
        ),
        (&deep, "nested deeper"),
    ] {
        let error = parsed(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn a_few_bytes_do_not_become_values_without_end() {
    let AvroSchema { avro, connect } =
        parsed(r#"{"type":"array","items":{"type":"record","name":"R","fields":[]}}"#).unwrap();
    let connect = connect.unwrap();
    assert!(decode::read(&avro, &connect, &[6, 0]).is_ok());
    let error = decode::read(&avro, &connect, &[0xfe, 0xff, 0xff, 0xff, 0x0f]).unwrap_err();
    assert!(error.0.contains("more values than its bytes can"), "{error}");
}

#[test]
fn names_that_avro_does_not_allow_are_refused_or_scrubbed() {
    let own = struct_of(Some("my-shop.Order"), &[("unit-price", primitive(Kind::Int32, false))]);
    let error = schema_text::text(&own, WRITING).unwrap_err();
    assert!(error.0.contains("scrub.invalid.names"), "{error}");
    let scrubbed = schema_text::text(&own, Writing { scrub: true, ..WRITING }).unwrap();
    let AvroSchema { avro, connect } = parsed(&scrubbed).unwrap();
    assert_eq!(connect.unwrap().fields.keys().collect::<Vec<_>>(), ["unit_price"]);
    let mut value = Struct::new(own.clone());
    value.put(0, Value::Int32(5)).unwrap();
    let (value, mut out) = (Value::Struct(value), Vec::new());
    encode::write(&avro, &own, &value, encode::Form { scrub: true, ..FORM }, &mut out).unwrap();
    assert_eq!(out, [10]);
}

#[test]
fn a_null_stands_for_its_default_unless_told_otherwise() {
    let field = Schema::new(Kind::Int32).optional().with_default(Value::Int32(4)).unwrap();
    let own = struct_of(None, &[("f", field.into())]);
    let avro = parsed(&text(&own)).unwrap().avro;
    let value = Value::Struct(Struct::new(own.clone()));
    assert_eq!(encoded(&avro, &own, &value), [2]);
    let (form, mut out) = (encode::Form { null_is_default: true, ..FORM }, Vec::new());
    encode::write(&avro, &own, &value, form, &mut out).unwrap();
    assert_eq!(out, [0, 8]);
}

#[test]
fn data_is_written_under_another_schema_only_if_it_means_the_same() {
    let own = struct_of(
        None,
        &[("a", primitive(Kind::Int32, false)), ("d", Arc::new(decimal_schema(2)))],
    );
    let theirs =
        |text: &str| schema(&format!(r#"{{"type":"record","name":"R","fields":[{text}]}}"#));
    let decimal = |scale| {
        format!(
            r#"{{"name":"d","type":{{"type":"bytes","logicalType":"decimal","precision":9,"scale":{scale}}}}}"#
        )
    };
    let a = r#"{"name":"a","type":"long"}"#;
    assert_eq!(
        agree::check(&own, &theirs(&format!("{},{a}", decimal(2))), true, &|_| None),
        Ok(())
    );
    for wrong in
        [format!("{},{a}", decimal(3)), decimal(2), format!(r#"{a},{{"name":"d","type":"bytes"}}"#)]
    {
        assert!(agree::check(&own, &theirs(&wrong), true, &|_| None).is_err(), "{wrong}");
    }
    assert_eq!(agree::check(&own, &theirs(&decimal(2)), false, &|_| None), Ok(()));
    // Fields are found by their names.
    let text = format!(r#"{{"type":"record","name":"R","fields":[{},{a}]}}"#, decimal(2));
    let mut value = Struct::new(own.clone());
    value.put(0, Value::Int32(7)).unwrap();
    value.put(1, Value::Decimal(Decimal::parse("1.25").unwrap())).unwrap();
    assert_eq!(encoded(&parsed(&text).unwrap().avro, &own, &Value::Struct(value)), [2, 125, 14]);
}

mod registry;
