//! Beside Kafka Connect's own converters and transforms, on the same records.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use serde_json::{Value as Json, json};

use super::Chain;
use crate::batch::Batch;
use crate::convert::config::Way;
use crate::convert::registry_config::OpenedRegistries;
use crate::convert::{Converter, HeaderConverter, JsonConverter, Part, Passages};
use crate::data::arbitrary::{self, Random};
use crate::data::schema::{Kind, Schema};
use crate::data::{Datum, Map, Struct, Value};
use crate::task::plugin::Output;
use crate::task::transforms::BatchTransform;

/// Records of each kind of configuration.
const RECORDS: usize = 100;
const PACKAGE: &str = "org.apache.kafka.connect.transforms.";

/// Transforms with options that meet the fields of the records.
const TRANSFORMS: [(&str, &[(&str, &str)]); 36] = [
    ("Cast$Value", &[("spec", "a:int8,b:string,c:float64")]),
    ("Cast$Value", &[("spec", "b:int32,d:boolean,f0:string")]),
    ("Cast$Value", &[("spec", "a:string,f0:int64,f1:float32,f2:int16")]),
    ("Cast$Value", &[("spec", "string")]),
    ("Cast$Value", &[("spec", "int32")]),
    ("Cast$Key", &[("spec", "float32")]),
    ("Cast$Value", &[("spec", "a:boolean"), ("replace.null.with.default", "false")]),
    ("ExtractField$Value", &[("field", "a")]),
    ("ExtractField$Value", &[("field", "e.x"), ("field.syntax.version", "V2")]),
    ("ExtractField$Value", &[("field", "f1"), ("replace.null.with.default", "false")]),
    ("ExtractField$Key", &[("field", "a")]),
    ("Filter", &[]),
    ("Flatten$Value", &[]),
    ("Flatten$Value", &[("delimiter", "_")]),
    ("HeaderFrom$Value", &[("fields", "a,b"), ("headers", "h,h"), ("operation", "copy")]),
    ("HeaderFrom$Value", &[("fields", "e,d"), ("headers", "h,i"), ("operation", "move")]),
    ("HoistField$Value", &[("field", "whole")]),
    ("HoistField$Key", &[("field", "whole")]),
    (
        "InsertField$Value",
        &[("topic.field", "t!"), ("partition.field", "p?"), ("offset.field", "o")],
    ),
    (
        "InsertField$Value",
        &[("timestamp.field", "ts"), ("static.field", "s"), ("static.value", "é")],
    ),
    ("InsertField$Value", &[("topic.field", "a")]),
    ("InsertHeader", &[("header", "h"), ("value.literal", "[1, 2.5]")]),
    ("InsertHeader", &[("header", "h"), ("value.literal", "2024-02-09T01:02:03.004Z")]),
    ("InsertHeader", &[("header", "h"), ("value.literal", "{\"a\":\"b\\\"\", \"c\": null}")]),
    ("MaskField$Value", &[("fields", "a,b,c,d")]),
    ("MaskField$Value", &[("fields", "a,b,c"), ("replacement", "12.7")]),
    ("MaskField$Value", &[("fields", "f0,f1")]),
    ("RegexRouter", &[("regex", "(.)(.*)"), ("replacement", "$2-$1")]),
    ("ReplaceField$Value", &[("exclude", "a,f1"), ("renames", "b:bee,f0:eff")]),
    ("ReplaceField$Value", &[("include", "a,f2")]),
    ("SetSchemaMetadata$Value", &[("schema.name", "other"), ("schema.version", "9")]),
    (
        "TimestampConverter$Value",
        &[("field", "t"), ("target.type", "string"), ("format", "yyyy-MM-dd'T'HH:mm:ss.SSS EEE")],
    ),
    (
        "TimestampConverter$Value",
        &[("field", "b"), ("target.type", "Timestamp"), ("format", "yyyy-MM-dd")],
    ),
    (
        "TimestampConverter$Value",
        &[("field", "t"), ("target.type", "unix"), ("unix.precision", "microseconds")],
    ),
    (
        "TimestampRouter",
        &[("topic.format", "${topic}/${timestamp}"), ("timestamp.format", "yy-D-EEE-hh.a")],
    ),
    ("ValueToKey", &[("fields", "a,b")]),
];

/// What Java is told of a record.
struct Case {
    class: String,
    options: &'static [(&'static str, &'static str)],
    schemas: bool,
    topic: &'static str,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Case {
    fn json(&self) -> Json {
        let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|it| STANDARD.encode(it));
        let options: BTreeMap<_, _> = self.options.iter().copied().collect();
        json!({
            "class": self.class, "options": options, "schemas": self.schemas.to_string(),
            "topic": self.topic, "timestamp": self.timestamp,
            "key": bytes(&self.key), "value": bytes(&self.value),
        })
    }

    /// What Longshore makes of it, in the form of Java's answer.
    fn transformed(&self) -> Json {
        let mut config = BTreeMap::from([
            ("transforms".to_owned(), "it".to_owned()),
            ("transforms.it.type".to_owned(), self.class.clone()),
        ]);
        for (name, value) in self.options {
            config.insert(format!("transforms.it.{name}"), (*value).to_owned());
        }
        for part in ["key", "value"] {
            config.insert(format!("{part}.converter"), "json".to_owned());
            let switch = format!("{part}.converter.schemas.enable");
            config.insert(switch, self.schemas.to_string());
        }
        let chain = Chain::read(&config).unwrap();
        let passages =
            Passages::from_config(&config, Way::ToTopics, &OpenedRegistries::default()).unwrap();
        let mut transform = BatchTransform::new(chain, passages, HeaderConverter::Simple);
        let mut batch = Batch::default();
        batch.push(self.key.as_deref(), self.value.as_deref(), self.timestamp);
        batch.columns.offset.push(3);
        let output = Output { topic: self.topic.to_owned(), partition: Some(2), batch };
        let sent = transform.outputs(vec![output]).now_or_never();
        let (sent, refused) = sent.expect("no registry is asked").unwrap();
        if let Some(refused) = refused.first() {
            return json!({ "error": refused.failure.to_string() });
        }
        let Some(Output { topic, batch, .. }) = sent.first() else {
            return json!({ "dropped": true });
        };
        let text = |bytes: Option<&[u8]>| bytes.map(|it| String::from_utf8(it.to_vec()).unwrap());
        let name = |at| text(Some(batch.header_name(at)));
        let headers = batch.headers_of(0).map(|at| json!([name(at), text(batch.header_value(at))]));
        json!({
            "topic": topic, "key": text(batch.key(0)), "value": text(batch.value(0)),
            "headers": headers.collect::<Vec<_>>(),
        })
    }
}

/// JSON in text is compared as JSON: the order of a map's keys is not told by Java.
fn comparable(mut answer: Json) -> Json {
    for part in ["key", "value"] {
        let text = answer.get(part).and_then(Json::as_str);
        if let Some(json) = text.and_then(|text| serde_json::from_str(text).ok()) {
            answer[part] = json;
        }
    }
    answer
}

/// Equal, but for floats: JDKs before 21 read and print some as a neighbour, and lose the
/// sign of zero.
fn alike(ours: &Json, java: &Json) -> bool {
    match (ours, java) {
        (Json::Object(ours), Json::Object(java)) => {
            ours.len() == java.len()
                && ours.iter().all(|(name, it)| java.get(name).is_some_and(|java| alike(it, java)))
        }
        (Json::Array(ours), Json::Array(java)) => {
            let in_order = || ours.iter().zip(java).all(|(ours, java)| alike(ours, java));
            // A map whose keys are no text is an array of pairs, in any order.
            let is_map = ours.iter().all(|it| it.as_array().is_some_and(|pair| pair.len() == 2));
            let among = |it: &Json, all: &[Json]| all.iter().any(|other| alike(it, other));
            ours.len() == java.len()
                && (in_order() || is_map && ours.iter().all(|pair| among(pair, java)))
        }
        (Json::Number(ours), Json::Number(java)) if ours.is_f64() && java.is_f64() => {
            ours.as_f64().map(|it| it as f32) == java.as_f64().map(|it| it as f32)
        }
        (Json::String(ours), Json::String(java)) if ours != java => {
            // A float that became text, or a structure with one.
            let json = |text: &str| serde_json::from_str::<Json>(text).ok();
            json(ours).zip(json(java)).is_some_and(|(ours, java)| alike(&ours, &java))
        }
        _ => ours == java,
    }
}

/// Why Java's answer is another, where that is meant to be.
fn reason(case: &Case, ours: &Json, java: &Json) -> Option<&'static str> {
    let (ours_failed, java_failed) = (ours.get("error").is_some(), java.get("error").is_some());
    let java_told = java["error"].as_str().unwrap_or_default();
    let is = |class: &str| case.class.ends_with(class);
    if ours_failed && java_failed {
        return Some("both refuse it");
    }
    if !ours_failed && java_told.contains("does not have corresponding schema type") {
        return Some(
            "a number beyond 64 bits without a schema is a decimal, which Java cannot write",
        );
    }
    if is("MaskField$Value") && java_told.contains("mismatching scale") {
        return Some("a decimal is masked with a zero of its own scale");
    }
    if (is("Cast$Value") || is("Cast$Key")) && !case.options[0].1.contains(':') && java_failed {
        return Some("cast as a whole, a logical type loses its name; Java's cannot be written");
    }
    if !case.schemas && !java_failed && has_big_number(case) {
        return Some(
            "a number beyond 64 bits without a schema is a decimal; Java's its lowest bits",
        );
    }
    let early = regex::Regex::new(r"19[0-6]\d-\d\d-\d\d").unwrap();
    if (is("Cast$Value") || is("HeaderFrom$Value")) && early.is_match(&ours.to_string()) {
        return Some(
            "the text of a time before 1970 has its date; Java's has the time of day alone",
        );
    }
    if java_told.contains("Mismatching schema") || java_told.contains("Struct schemas do not match")
    {
        return Some("a struct that is a default may have a schema without that default");
    }
    if is("SetSchemaMetadata$Value") && java_told.contains("Cannot list fields on non-struct type")
    {
        return Some("Java's SetSchemaMetadata takes structs alone, by an oversight");
    }
    if has_special_float(case) {
        return Some("Java writes NaN and Infinity as strings, and reads them as 0");
    }
    None
}

fn text(case: &Case) -> String {
    String::from_utf8_lossy(case.value.as_deref().unwrap_or_default()).into_owned()
        + &String::from_utf8_lossy(case.key.as_deref().unwrap_or_default())
}

fn has_big_number(case: &Case) -> bool {
    text(case).contains("18446744073709551616123")
}

fn has_special_float(case: &Case) -> bool {
    ["\"NaN\"", "Infinity\""].iter().any(|word| text(case).contains(word))
}

/// A struct with the fields that the transforms name; the rest of it is any.
fn structured(random: &mut Random) -> Datum {
    let mut schema = Schema { name: Some("a.Row".into()), ..Schema::new(Kind::Struct) };
    for name in ["a", "b", "c", "d", "e", "t"] {
        let field = match name {
            "b" => Schema { optional: random.once_in(2), ..Schema::new(Kind::String) }.into(),
            "e" => {
                let inner = Schema::new(Kind::Struct);
                let inner = inner.field("x", arbitrary::schema(random, 1)).unwrap();
                Schema { optional: random.once_in(2), ..inner }.into()
            }
            "t" => crate::data::logical::Logical::Timestamp.schema(random.once_in(2)),
            _ => arbitrary::schema(random, 0),
        };
        schema = schema.field(name, field).unwrap();
    }
    if random.once_in(2) {
        for at in 0..random.below(3) {
            schema = schema.field(&format!("f{at}"), arbitrary::schema(random, 2)).unwrap();
        }
    }
    let schema = Arc::new(schema);
    let mut value = Struct::new(schema.clone());
    for (at, field) in schema.fields.values().enumerate() {
        let made = match &**field {
            field if field.logical().is_some_and(|it| it.name().ends_with("Timestamp")) => {
                // Java's calendar is another before 1582, its text of times before 1970.
                Value::Instant((random.next() % 4_000_000_000_000) as i64 + 86_400_000)
            }
            _ => arbitrary::value(random, field),
        };
        value.put(at, made).unwrap();
    }
    Datum { schema: Some(schema), value: Value::Struct(value) }
}

fn plain(random: &mut Random) -> Datum {
    let mut map = arbitrary::fields(random, 3);
    // Most are such that Java has all of them, too.
    let has_big = |map: &Map| format!("{map:?}").contains("Decimal");
    while has_big(&map) && !random.once_in(10) {
        map = arbitrary::fields(random, 3);
    }
    for name in ["a", "b", "c", "t"] {
        let value = match name {
            "b" => Value::String(arbitrary::text(random)),
            "t" => Value::Int64((random.next() % 4_000_000_000_000) as i64),
            _ => match arbitrary::plain(random, 0) {
                Value::Decimal(_) => Value::Float64(0.5),
                other => other,
            },
        };
        map.insert(Value::text(name), value);
    }
    Datum::plain(Value::Map(map))
}

fn cases(random: &mut Random) -> Vec<Case> {
    let mut cases = Vec::new();
    for (class, options) in TRANSFORMS {
        for number in 0..RECORDS {
            let schemas = number % 2 == 0;
            let mut datum = |_: Part| match (schemas, random.below(8)) {
                (_, 0) => Datum::default(),
                (true, 1) => arbitrary::datum(random),
                (false, 1) => Datum::plain(arbitrary::plain(random, 2)),
                (true, _) => structured(random),
                (false, _) => plain(random),
            };
            let (key, value) = (datum(Part::Key), datum(Part::Value));
            let converter: &dyn Converter = match schemas {
                true => &JsonConverter::new(crate::convert::connect_json::JsonOptions {
                    schemas: true,
                    ..Default::default()
                }),
                false => &JsonConverter::plain(),
            };
            let bytes = |datum: &Datum| {
                let mut out = Vec::new();
                converter.write(datum, &mut out).unwrap().then_some(out)
            };
            cases.push(Case {
                class: format!("{PACKAGE}{class}"),
                options,
                schemas,
                topic: "orders.of-today",
                timestamp: (random.next() % 4_000_000_000_000) as i64,
                key: bytes(&key),
                value: bytes(&value),
            });
        }
    }
    cases
}

fn java(cases: &[Case]) -> Vec<Json> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let install = repository.join("tests/systems/install.sh");
    assert!(Command::new(install).arg("java").status().unwrap().success());
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/longshore");
    let cache = std::env::var_os("LONGSHORE_CACHE").map_or_else(home, PathBuf::from);
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/transform/java_tests/Transforms.java");
    let mut running = Command::new("java")
        .args(["-Xmx512m", "-Duser.timezone=UTC", "-Duser.language=en", "-Duser.country=US", "-cp"])
        .arg(cache.join("java/lib/*"))
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = running.stdin.take().unwrap();
    let lines: String = cases.iter().map(|case| case.json().to_string() + "\n").collect();
    let feeding = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let done = running.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    assert!(done.status.success());
    let text = String::from_utf8(done.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
#[ignore = "second tier"]
fn each_transform_makes_of_a_record_what_kafka_connects_own_makes_of_it() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("SEED={seed}");
    let cases = cases(&mut Random(seed));
    let answers = java(&cases);
    assert_eq!(answers.len(), cases.len());
    let (mut equal, mut reasons, mut unexplained) = (0, BTreeMap::<_, usize>::new(), Vec::new());
    for (case, java) in cases.iter().zip(answers) {
        let (ours, java) = (comparable(case.transformed()), comparable(java));
        if alike(&ours, &java) {
            equal += 1;
        } else if let Some(reason) = reason(case, &ours, &java) {
            *reasons.entry(reason).or_default() += 1;
        } else {
            unexplained.push(format!("{}\n  ours {ours}\n  java {java}", case.json()));
        }
    }
    println!("{equal} of {} are equal; else: {reasons:#?}", cases.len());
    let shown: Vec<_> = unexplained.iter().take(60).map(String::as_str).collect();
    assert!(unexplained.is_empty(), "{} differ:\n{}", unexplained.len(), shown.join("\n"));
}
