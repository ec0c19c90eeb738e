//! Transforms by their options, as a connector has them.

use serde_json::json;

use super::options::Problem;
use super::record::HeaderValue;
use super::*;
use crate::convert::{Converter, JsonConverter, Part};
use crate::data::schema::{Kind, Schema};
use crate::data::{Datum, Value, literal};

fn config(options: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A chain of one transform.
fn one(class: &str, options: &[(&str, &str)]) -> Chain {
    let mut all = vec![("transforms".to_owned(), "it".to_owned())];
    all.push(("transforms.it.type".to_owned(), class.to_owned()));
    all.extend(options.iter().map(|(name, value)| {
        let prefix = if name.starts_with("predicates") { "" } else { "transforms.it." };
        (format!("{prefix}{name}"), (*value).to_owned())
    }));
    Chain::read(&all.into_iter().collect()).unwrap()
}

fn plain(json: &serde_json::Value) -> Datum {
    JsonConverter::plain().read(Some(json.to_string().as_bytes())).unwrap()
}

fn record(value: Datum) -> Record {
    let mut record = Record::new("orders".into(), plain(&json!({"id": 1})), value);
    (record.partition, record.offset, record.timestamp_ms) =
        (Some(2), Some(3), Some(1_707_491_045_678));
    record
}

fn shown(datum: &Datum) -> serde_json::Value {
    let mut out = Vec::new();
    JsonConverter::plain().write(datum, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap_or_default()
}

/// What a transform makes of a value without a schema.
fn made(class: &str, options: &[(&str, &str)], value: serde_json::Value) -> serde_json::Value {
    let mut record = record(plain(&value));
    assert_eq!(one(class, options).apply(&mut record), Ok(Outcome::Keep));
    shown(record.datum(Part::Value))
}

/// The same of a struct with fields of the schemaless type, which must come to the same.
fn made_of_struct(
    class: &str,
    options: &[(&str, &str)],
    value: &serde_json::Value,
) -> (Schema, serde_json::Value) {
    let mut record = record(structured(value));
    assert_eq!(one(class, options).apply(&mut record), Ok(Outcome::Keep), "{class}");
    let datum = record.datum(Part::Value);
    let schema = datum.schema.as_ref().expect("it has a schema");
    schema.validate(&datum.value, "it").unwrap();
    ((**schema).clone(), shown(datum))
}

fn structured(value: &serde_json::Value) -> Datum {
    let serde_json::Value::Object(fields) = value else { panic!("no object") };
    let mut schema = Schema { name: Some("a.Name".into()), ..Schema::new(Kind::Struct) };
    let mut values = Vec::new();
    for (name, value) in fields {
        let Datum { schema: field, value } = match value {
            serde_json::Value::Object(_) => structured(value),
            value => {
                let value = plain(value).value;
                let kind = value.kind().unwrap_or(Kind::String);
                Datum { schema: Some(Schema::new(kind).optional().into()), value }
            }
        };
        schema = schema.field(name, field.unwrap()).unwrap();
        values.push(value);
    }
    let schema = std::sync::Arc::new(schema);
    let mut made = crate::data::Struct::new(schema.clone());
    for (at, value) in values.into_iter().enumerate() {
        made.put(at, value).unwrap();
    }
    Datum { schema: Some(schema), value: Value::Struct(made) }
}

fn problems(options: &[(&str, &str)]) -> Vec<String> {
    let read = Chain::read(&config(options)).unwrap_err();
    read.into_iter().map(|Problem { option, .. }| option).collect()
}

#[test]
fn each_transform_of_fields_does_the_same_with_a_schema_and_without() {
    let value = json!({"a": 1, "b": "12", "c": {"d": 1.5, "e": null}});
    for (class, options, expected) in [
        (
            "Cast$Value",
            &[("spec", "a:string,b:int8")][..],
            json!({"a": "1", "b": 12, "c": {"d": 1.5, "e": null}}),
        ),
        ("ExtractField$Value", &[("field", "b")], json!("12")),
        ("ExtractField$Value", &[("field", "c.d"), ("field.syntax.version", "V2")], json!(1.5)),
        (
            "Flatten$Value",
            &[("delimiter", "_")],
            json!({"a": 1, "b": "12", "c_d": 1.5, "c_e": null}),
        ),
        ("HoistField$Value", &[("field", "all")], json!({"all": value.clone()})),
        (
            "InsertField$Value",
            &[
                ("topic.field", "t!"),
                ("partition.field", "p"),
                ("offset.field", "o?"),
                ("static.field", "s"),
                ("static.value", "x"),
            ],
            json!({"a": 1, "b": "12", "c": {"d": 1.5, "e": null}, "t": "orders", "p": 2, "o": 3, "s": "x"}),
        ),
        (
            "MaskField$Value",
            &[("fields", "a,b")],
            json!({"a": 0, "b": "", "c": {"d": 1.5, "e": null}}),
        ),
        (
            "MaskField$Value",
            &[("fields", "a,b"), ("replacement", "7")],
            json!({"a": 7, "b": "7", "c": {"d": 1.5, "e": null}}),
        ),
        (
            "ReplaceField$Value",
            &[("exclude", "a"), ("renames", "b:bee")],
            json!({"bee": "12", "c": {"d": 1.5, "e": null}}),
        ),
        ("ReplaceField$Value", &[("include", "a,b"), ("exclude", "b")], json!({"a": 1})),
        (
            "TimestampConverter$Value",
            &[("field", "a"), ("target.type", "string"), ("format", "yyyy-MM-dd HH:mm:ss.SSS")],
            json!({"a": "1970-01-01 00:00:00.001", "b": "12", "c": {"d": 1.5, "e": null}}),
        ),
        (
            "HeaderFrom$Value",
            &[("fields", "a,c"), ("headers", "x,y"), ("operation", "move")],
            json!({"b": "12"}),
        ),
    ] {
        assert_eq!(made(class, options, value.clone()), expected, "{class} without a schema");
        let (schema, found) = made_of_struct(class, options, &value);
        assert_eq!(found, expected, "{class} with a schema");
        if schema.kind == Kind::Struct && class != "HoistField$Value" {
            assert_eq!(schema.name.as_deref(), Some("a.Name"), "{class} keeps the schema's name");
        }
    }
}

#[test]
fn a_tombstone_passes_where_there_is_nothing_to_do_with_it() {
    for (class, options) in [
        ("Cast$Value", &[("spec", "int8")][..]),
        ("ExtractField$Value", &[("field", "a")]),
        ("Flatten$Value", &[]),
        ("InsertField$Value", &[("topic.field", "t")]),
        ("ReplaceField$Value", &[("exclude", "a")]),
        ("SetSchemaMetadata$Value", &[("schema.name", "n")]),
        ("TimestampConverter$Value", &[("field", "a"), ("target.type", "unix")]),
    ] {
        let mut record = record(Datum::default());
        assert_eq!(one(class, options).apply(&mut record), Ok(Outcome::Keep), "{class}");
        assert_eq!(record.datum(Part::Value), &Datum::default(), "{class}");
    }
}

#[test]
fn what_is_no_map_or_struct_is_refused_with_what_it_is() {
    for (value, code) in [
        (plain(&json!("text")), "not-a-map"),
        (
            Datum { schema: Some(Schema::new(Kind::String).into()), value: Value::text("x") },
            "not-a-struct",
        ),
    ] {
        for (class, options) in [
            ("MaskField$Value", &[("fields", "a")][..]),
            ("ReplaceField$Value", &[("exclude", "a")]),
            ("InsertField$Value", &[("topic.field", "t")]),
            ("Flatten$Value", &[]),
            ("ValueToKey", &[("fields", "a")]),
            ("HeaderFrom$Value", &[("fields", "a"), ("headers", "h"), ("operation", "copy")]),
        ] {
            let failed = one(class, options).apply(&mut record(value.clone())).unwrap_err();
            assert_eq!((failed.code, failed.class.ends_with(class)), (code, true), "{failed:?}");
            assert!(
                failed.message.contains("the transform `it`") && failed.message.contains("string")
            );
        }
    }
}

#[test]
fn the_key_comes_of_the_value_and_headers_of_fields() {
    let mut from_value = record(plain(&json!({"a": 1, "b": 2})));
    one("ValueToKey", &[("fields", "b,a")]).apply(&mut from_value).unwrap();
    assert_eq!(shown(from_value.changed(Part::Key).unwrap()).to_string(), r#"{"b":2,"a":1}"#);
    assert!(from_value.changed(Part::Value).is_none());

    let options = [("fields", "a,none"), ("headers", "h,h"), ("operation", "copy")];
    one("HeaderFrom$Value", &options).apply(&mut from_value).unwrap();
    let said = |header: &record::Header| match &header.value {
        HeaderValue::Made(datum) => literal::text(&datum.value).unwrap(),
        HeaderValue::Kept(_) => panic!("it was made"),
    };
    assert_eq!(from_value.headers.iter().map(said).collect::<Vec<_>>(), ["1", "null"]);
    one("InsertHeader", &[("header", "h"), ("value.literal", "1.50")])
        .apply(&mut from_value)
        .unwrap();
    assert_eq!(said(&from_value.headers[2]), "1.5");
    one("DropHeaders", &[("headers", "x, h")]).apply(&mut from_value).unwrap();
    assert!(from_value.headers.is_empty());
}

#[test]
fn a_topic_is_routed_by_its_name_and_by_time() {
    let mut routed = record(Datum::default());
    let router = [("regex", "(ord)(.*)"), ("replacement", "$2-$1")];
    one("RegexRouter", &router).apply(&mut routed).unwrap();
    assert_eq!(&*routed.topic, "ers-ord");
    one("TimestampRouter", &[]).apply(&mut routed).unwrap();
    assert_eq!(&*routed.topic, "ers-ord-20240209");
    routed.timestamp_ms = None;
    let failed = one("TimestampRouter", &[]).apply(&mut routed).unwrap_err();
    assert_eq!(failed.code, "no-timestamp");
}

#[test]
fn times_go_from_form_to_form() {
    let ms = 1_707_491_045_678i64;
    let unix = |options: &[(&str, &str)], value| made("TimestampConverter$Value", options, value);
    let seconds = [("target.type", "unix"), ("unix.precision", "seconds"), ("format", "yyyy")];
    assert_eq!(unix(&seconds, json!(1_707_491_045)), json!(1_707_491_045));
    assert_eq!(unix(&seconds, json!("1971")), json!(31_536_000));
    let mut chain = Chain::read(&config(&[
        ("transforms", "there, back"),
        ("transforms.there.type", "TimestampConverter$Value"),
        ("transforms.there.target.type", "Time"),
        ("transforms.back.type", "TimestampConverter$Value"),
        ("transforms.back.target.type", "unix"),
    ]));
    let mut timed = record(plain(&json!(ms)));
    chain.as_mut().unwrap().apply(&mut timed).unwrap();
    assert_eq!(shown(timed.datum(Part::Value)), json!(ms % 86_400_000));
    for (value, code) in [(json!("x"), "bad-timestamp"), (json!(true), "no-timestamp")] {
        let options = [("target.type", "unix"), ("format", "yyyy")];
        let failed = one("TimestampConverter$Value", &options).apply(&mut record(plain(&value)));
        assert_eq!(failed.unwrap_err().code, code);
    }
    // A null of another schema has no field either.
    let options = [("field", "a"), ("target.type", "unix")];
    let null =
        Datum { schema: Some(Schema::new(Kind::Int8).optional().into()), value: Value::Null };
    let failed = one("TimestampConverter$Value", &options).apply(&mut record(null));
    assert_eq!(failed.unwrap_err().code, "not-a-struct");
}

#[test]
fn a_schemas_name_and_version_are_set_on_its_struct_too() {
    let options = [("schema.name", "b.Other"), ("schema.version", "7")];
    let (schema, _) = made_of_struct("SetSchemaMetadata$Value", &options, &json!({"a": 1}));
    assert_eq!((schema.name.as_deref(), schema.version), (Some("b.Other"), Some(7)));
    let failed = one("SetSchemaMetadata$Value", &options).apply(&mut record(plain(&json!(1))));
    assert_eq!(failed.unwrap_err().code, "no-schema");
}

#[test]
fn a_null_is_its_fields_default_unless_it_is_not_to_be() {
    let with_default = Schema::new(Kind::Int8).optional().with_default(Value::Int8(7)).unwrap();
    let schema = Schema::new(Kind::Struct).field("a", with_default.into()).unwrap();
    let value = Value::Struct(crate::data::Struct::new(std::sync::Arc::new(schema.clone())));
    let datum = Datum { schema: Some(schema.into()), value };
    for (replace, expected) in [("true", Value::Int8(7)), ("false", Value::Null)] {
        let mut extracted = record(datum.clone());
        let options = [("field", "a"), ("replace.null.with.default", replace)];
        one("ExtractField$Value", &options).apply(&mut extracted).unwrap();
        assert_eq!(extracted.datum(Part::Value).value, expected);
    }
}

#[test]
fn a_predicate_says_on_which_records_a_transform_works() {
    let dropped = |predicate: &[(&str, &str)], negate: &str, record: Record| {
        let own = [("predicate", "p"), ("negate", negate), ("predicates", "p")];
        let mut record = record;
        let outcome = one("Filter", &[&own[..], predicate].concat()).apply(&mut record);
        outcome.unwrap() == Outcome::Drop
    };
    let tombstone = [("predicates.p.type", "RecordIsTombstone")];
    let pattern = [("predicates.p.type", "TopicNameMatches"), ("predicates.p.pattern", "ord.*")];
    let header = [("predicates.p.type", "HasHeaderKey"), ("predicates.p.name", "h")];
    let mut with_header = record(plain(&json!(1)));
    with_header.add_header("h".into(), Datum::default());
    for (negate, holds) in [("false", true), ("TRUE", false)] {
        assert_eq!(dropped(&tombstone, negate, record(Datum::default())), holds);
        assert_eq!(dropped(&tombstone, negate, record(plain(&json!(1)))), !holds);
        assert_eq!(dropped(&pattern, negate, record(Datum::default())), holds);
        assert_eq!(dropped(&header, negate, with_header.clone()), holds);
        assert_eq!(dropped(&header, negate, record(Datum::default())), !holds);
    }
}

#[test]
fn all_that_is_wrong_with_a_chain_is_told_at_once_by_its_options_names() {
    assert_eq!(
        problems(&[
            ("transforms", "a,b,a,c"),
            ("transforms.a.type", "MaskFeld$Value"),
            ("transforms.b.type", "Cast$Value"),
            ("transforms.b.spec", "x:date"),
            ("transforms.b.negate", "true"),
            ("transforms.b.predicate.x", "1"),
            ("transforms.d.type", "Filter"),
            ("predicates", "p"),
            ("predicates.p.type", "HasHeaderKey"),
        ]),
        [
            "transforms",
            "transforms.d.type",
            "transforms.a.type",
            "transforms.b.negate",
            "transforms.b.predicate.x",
            "transforms.c.type",
            "predicates.p.name",
        ]
    );
    for (class, options, wrong) in [
        ("Cast$Value", &[("spec", "int8,a:int8")][..], "spec"),
        ("Cast$Value", &[("spec", "a:b:c")], "spec"),
        ("Cast$Value", &[("spec", "a:bytes")], "spec"),
        ("Cast$Value", &[("spec", " ")], "spec"),
        ("ExtractField$Key", &[("field", "`a"), ("field.syntax.version", "V2")], "field"),
        (
            "ExtractField$Key",
            &[("field", "a"), ("field.syntax.version", "V3")],
            "field.syntax.version",
        ),
        (
            "HeaderFrom$Key",
            &[("fields", "a"), ("headers", "b,c"), ("operation", "move")],
            "headers",
        ),
        (
            "HeaderFrom$Key",
            &[("fields", "a"), ("headers", "b"), ("operation", "take")],
            "operation",
        ),
        ("InsertField$Key", &[], "topic.field"),
        ("InsertField$Key", &[("static.field", "a")], "static.value"),
        ("MaskField$Key", &[("fields", "a"), ("replacement", "")], "replacement"),
        ("RegexRouter", &[("regex", "("), ("replacement", "")], "regex"),
        ("RegexRouter", &[("regex", "a"), ("replacement", "$1")], "replacement"),
        ("ReplaceField$Key", &[("renames", "a")], "renames"),
        ("SetSchemaMetadata$Key", &[("schema.version", "x")], "schema.version"),
        ("SetSchemaMetadata$Key", &[], "schema.name"),
        ("TimestampConverter$Key", &[("target.type", "string")], "format"),
        ("TimestampConverter$Key", &[("target.type", "date")], "target.type"),
        ("TimestampRouter", &[("timestamp.format", "jj")], "timestamp.format"),
        ("Flatten$Key", &[("delimiters", "_")], "delimiters"),
    ] {
        let mut all = vec![("transforms".to_owned(), "it".to_owned())];
        all.push(("transforms.it.type".to_owned(), class.to_owned()));
        let own = options
            .iter()
            .map(|(name, value)| (format!("transforms.it.{name}"), (*value).to_owned()));
        all.extend(own);
        let read = Chain::read(&all.into_iter().collect()).unwrap_err();
        let named: Vec<_> = read.iter().map(|problem| problem.option.as_str()).collect();
        assert_eq!(named, [format!("transforms.it.{wrong}")], "{class} {options:?}");
    }
}

#[test]
fn a_chain_reads_only_what_its_transforms_look_into() {
    let router = one("RegexRouter", &[("regex", "a"), ("replacement", "b")]);
    assert_eq!(router.reads(), registry::Reads::NOTHING);
    let both = Chain::read(&config(&[
        ("transforms", "cast,key"),
        ("transforms.cast.type", "Cast$Key"),
        ("transforms.cast.spec", "int8"),
        ("transforms.key.type", "ValueToKey"),
        ("transforms.key.fields", "a"),
    ]));
    assert_eq!(both.unwrap().reads(), registry::Reads { key: true, value: true });
}
