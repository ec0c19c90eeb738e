//! What becomes of data under a JSON Schema, and of schemas.

use proptest::prelude::*;
use serde_json::{Value as Plain, json};

use super::*;
use crate::convert::Part;
use crate::convert::json_data::ONE_OF;
use crate::convert::registered::{FramedConverter, Ids, RegistryConverter, RegistryOptions};
use crate::data::arbitrary::{self, Random};
use crate::data::logical::decimal_schema;
use crate::data::schema::{Schema, primitive};
use crate::data::{Map, Struct, Value};
use crate::registry::apicurio::Apicurio;

/// A null that stands for a default would come back as the default.
fn format(numeric_decimals: bool) -> JsonSchemaFormat {
    JsonSchemaFormat(JsonSchemaOptions {
        numeric_decimals,
        null_is_default: false,
        ..JsonSchemaOptions::default()
    })
}

fn parsed(text: &str) -> Result<Option<SchemaRef>, String> {
    format(false).parse(text, &[]).map_err(|error| error.0)
}

fn schema(json: &Plain) -> SchemaRef {
    parsed(&json.to_string()).unwrap().unwrap()
}

fn read(schema: &SchemaRef, json: &Plain) -> Result<Value, DataError> {
    let datum = format(false).decode(&Some(schema.clone()), json.to_string().as_bytes())?;
    Ok(datum.value)
}

fn written(format: &JsonSchemaFormat, schema: &SchemaRef, value: &Value) -> String {
    let datum = Datum { schema: Some(schema.clone()), value: value.clone() };
    let mut out = Vec::new();
    format.encode(&None, &datum, &mut out).unwrap();
    String::from_utf8(out).unwrap()
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_data_comes_back_with_its_schema(seed: u64, numeric_decimals: bool) {
        let (own, value) = any(seed);
        let format = format(numeric_decimals);
        let text = format.text(&own).unwrap();
        let theirs = format.parse(&text, &[]).map_err(|error| {
            TestCaseError::fail(format!("{error}: {text}"))
        })?;
        prop_assert_eq!(theirs.as_ref(), Some(&own), "{}", text);
        let data = written(&format, &own, &value);
        let back = format.decode(&theirs, data.as_bytes()).unwrap();
        prop_assert_eq!(back.value, value, "{}", data);
        prop_assert!(format.agree(&own, &theirs, true).is_ok());
    }

    #[test]
    fn a_validator_that_is_not_ours_takes_the_data_under_its_schema(seed: u64) {
        let (own, value) = any(seed);
        let format = format(true);
        let text = format.text(&own).unwrap();
        let data = written(&format, &own, &value);
        // JSON has no such number, and has them as text.
        prop_assume!(!["\"NaN\"", "Infinity\""].iter().any(|it| data.contains(it) || text.contains(it)));
        let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap());
        let validator = validator.map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        let data: Plain = serde_json::from_str(&data).unwrap();
        prop_assert!(validator.is_valid(&data), "{} under {}", data, text);
    }
}

#[test]
fn a_schema_is_written_as_confluents_converter_writes_it() {
    let mut order = Schema { name: Some("shop.Order".into()), ..Schema::new(Kind::Struct) };
    let labels = Schema::map(primitive(Kind::String, false), primitive(Kind::Int16, false));
    let counts = Schema::map(primitive(Kind::Int32, false), primitive(Kind::Boolean, false));
    for (name, field) in [
        ("price", decimal_schema(2)),
        ("note", Schema::new(Kind::String).optional()),
        ("labels", labels),
        ("counts", counts),
        ("raw", Schema::new(Kind::Bytes)),
    ] {
        order = order.field(name, field.into()).unwrap();
    }
    let text: Plain = serde_json::from_str(&format(false).text(&order.into()).unwrap()).unwrap();
    assert_eq!(
        text,
        json!({
            "type": "object", "title": "shop.Order",
            "properties": {
                "price": {
                    "type": "number", "connect.type": "bytes", "connect.index": 0,
                    "title": "org.apache.kafka.connect.data.Decimal", "connect.version": 1,
                    "connect.parameters": { "scale": "2" },
                },
                "note": { "connect.index": 1, "oneOf": [{ "type": "null" }, { "type": "string" }] },
                "labels": {
                    "type": "object", "connect.type": "map", "connect.index": 2,
                    "additionalProperties": { "type": "integer", "connect.type": "int16" },
                },
                "counts": {
                    "type": "array", "connect.type": "map", "connect.index": 3,
                    "items": { "type": "object", "properties": {
                        "key": { "type": "integer", "connect.type": "int32", "connect.index": 0 },
                        "value": { "type": "boolean", "connect.index": 1 },
                    } },
                },
                "raw": { "type": "string", "connect.type": "bytes", "connect.index": 4 },
            },
        })
    );
}

#[test]
fn a_map_whose_keys_are_no_text_is_objects_of_key_and_value() {
    let of = Schema::map(primitive(Kind::Int32, false), primitive(Kind::String, true));
    let map = Map::from_iter([(Value::Int32(1), Value::text("a")), (Value::Int32(2), Value::Null)]);
    let text = written(&format(false), &of.into(), &Value::Map(map));
    assert_eq!(text, r#"[{"key":1,"value":"a"},{"key":2,"value":null}]"#);
}

#[test]
fn a_one_of_is_a_struct_of_which_one_field_is_set() {
    let own = schema(&json!({ "oneOf": [
        { "type": "integer" }, { "type": "object", "properties": { "a": { "type": "string" } } },
        { "type": "null" },
    ] }));
    assert_eq!((own.name.as_deref(), own.optional), (Some(ONE_OF), true));
    for json in [json!(7), json!({ "a": "b" })] {
        let value = read(&own, &json).unwrap();
        assert_eq!(written(&format(false), &own, &value), json.to_string());
    }
    assert_eq!(read(&own, &Plain::Null), Ok(Value::Null));
    for wrong in [json!("text"), json!({ "b": 1 }), json!(1.5)] {
        assert!(read(&own, &wrong).is_err(), "{wrong}");
    }
}

#[test]
fn schemas_of_others_are_read_by_their_types() {
    let own = schema(&json!({
        "$defs": { "size": { "type": "number" } },
        "type": "object",
        "properties": {
            "size": { "$ref": "#/$defs/size" },
            "name": { "type": ["null", "string"] },
            "suit": { "enum": ["HEARTS", "SPADES"] },
            "more": { "type": "object", "additionalProperties": { "type": "boolean" } },
            "all": { "allOf": [{ "type": "integer" }, { "minimum": 1 }] },
        },
        "required": ["size"],
    }));
    let kinds: Vec<_> = own.fields.values().map(|field| (field.kind, field.optional)).collect();
    assert_eq!(
        kinds,
        [
            (Kind::Float64, false),
            (Kind::String, true),
            (Kind::String, false),
            (Kind::Map, false),
            (Kind::Int64, false),
        ]
    );
    assert_eq!(own.fields["suit"].parameters["io.confluent.connect.json.Enum.SPADES"], "SPADES");
    let lenient = JsonSchemaFormat(JsonSchemaOptions {
        optional_unless_required: true,
        ..JsonSchemaOptions::default()
    });
    let text = r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b"]}"#;
    let theirs = lenient.parse(text, &[]).unwrap().unwrap();
    assert_eq!((theirs.fields["a"].optional, theirs.fields["b"].optional), (true, false));
}

#[test]
fn a_schema_that_another_names_is_found() {
    let named = [Named {
        name: "price.json".to_owned(),
        text: r##"{"definitions":{"p":{"type":"integer"}},"type":"object","properties":{"n":{"$ref":"#/definitions/p"}}}"##.to_owned(),
    }];
    let text = r#"{"type":"object","properties":{"price":{"$ref":"price.json"},"p":{"$ref":"price.json#/definitions/p"}}}"#;
    let own = format(false).parse(text, &named).unwrap().unwrap();
    assert_eq!(own.fields["price"].fields["n"].kind, Kind::Int64);
    assert_eq!(own.fields["p"].kind, Kind::Int64);
}

#[test]
fn what_is_no_schema_says_why() {
    for (json, reason) in [
        (json!({}), "no `type`"),
        (json!(true), "no `type`"),
        (json!({ "type": "array" }), "`items`"),
        (json!({ "type": "thing" }), "no type `thing`"),
        (json!({ "$ref": "#" }), "within itself"),
        (json!({ "$ref": "#/definitions/x" }), "that it refers to"),
        (json!({ "$ref": "other.json" }), "`other.json`"),
        (json!({ "enum": [1, 2] }), "more than strings"),
        (json!({ "type": "object", "connect.type": "map" }), "additionalProperties"),
    ] {
        let error = parsed(&json.to_string()).unwrap_err();
        assert!(error.contains(reason), "{json}: {error}");
    }
    assert_eq!(parsed(r#"{"type":"null"}"#), Ok(None));
}

#[test]
fn data_is_written_under_another_schema_only_if_it_is_such_json() {
    let own = |kind| {
        let schema = Schema::new(Kind::Struct).field("a", primitive(kind, false)).unwrap();
        SchemaRef::from(schema)
    };
    let theirs = |a: Plain| Some(schema(&json!({ "type": "object", "properties": { "a": a } })));
    let agree = |kind, a| format(false).agree(&own(kind), &theirs(a), true).is_ok();
    assert!(agree(Kind::Int32, json!({ "type": "integer" })));
    assert!(agree(Kind::Int32, json!({ "type": "number" })));
    assert!(!agree(Kind::Float64, json!({ "type": "integer" })));
    assert!(!agree(Kind::String, json!({ "type": "integer" })));
    assert!(!agree(Kind::Bytes, json!({ "type": "string" })));
    let none = Some(schema(&json!({ "type": "object", "properties": {} })));
    assert!(format(false).agree(&own(Kind::Int32), &none, true).is_err());
    assert!(format(false).agree(&own(Kind::Int32), &none, false).is_ok());
    let mut value = Struct::new(own(Kind::Int32));
    value.put(0, Value::Int32(1)).unwrap();
    assert_eq!(written(&format(false), &own(Kind::Int32), &Value::Struct(value)), r#"{"a":1}"#);
}

#[tokio::test]
#[ignore = "second tier"]
async fn any_data_comes_back_by_a_real_registry() {
    let registry = Apicurio::start().await;
    let converter = |ids| {
        let options = RegistryOptions { ids, ..RegistryOptions::default() };
        FramedConverter::new(format(true), registry.client(), Part::Value, options)
    };
    let (writer, reader) = (converter(Ids::Register), converter(Ids::Find));
    for seed in 0..400 {
        let (schema, value) = any(seed);
        let datum = Datum { schema: Some(schema), value };
        let text = || format(true).text(datum.schema.as_ref().unwrap());
        // Whatever it is told, this registry takes a text without these for no JSON Schema.
        let outermost: Plain = serde_json::from_str(&text().unwrap()).unwrap();
        if outermost.get("properties").is_none() {
            continue;
        }
        let mut bytes = Vec::new();
        let written = writer.write(&format!("any-{seed}"), &datum, &mut bytes).await;
        assert_eq!(written, Ok(true), "{:?}", text());
        assert_eq!(reader.read(Some(&bytes)).await.as_ref(), Ok(&datum), "{:?}", text());
    }
}
