//! Records of comma-separated values, beside Python's own `csv`, which is not ours.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::data::arbitrary::{self, Random};

fn with(columns: &[&str]) -> CsvConverter {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    CsvConverter::new(CsvOptions { columns, ..CsvOptions::default() }).unwrap()
}

fn shown(converter: &CsvConverter, text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let told = converter.write_json(Some(text.as_bytes()), &mut out);
    assert_eq!(told, converter.check(Some(text.as_bytes())), "check and write_json agree");
    told.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string())
}

#[test]
fn a_record_is_an_object_of_its_columns_or_an_array() {
    let csv = with(&["a", "b", "c"]);
    assert_eq!(
        shown(&csv, "1,\"x \"\"y\"\", z\",\r\n").unwrap(),
        r#"{"a":"1","b":"x \"y\", z","c":null}"#
    );
    assert_eq!(shown(&with(&[]), "a,\"\",,b").unwrap(), r#"["a","",null,"b"]"#);
    assert_eq!(shown(&with(&[]), "\"two\nlines\",é").unwrap(), r#"["two\nlines","é"]"#);
}

#[test]
fn what_is_no_record_says_why() {
    for (text, reason) in [
        ("a,b,c", "3 fields, and there are 2 columns"),
        ("a\"b,c", "a quote stands"),
        ("\"a", "no end"),
        ("\"a\"b,c", "more follows"),
        ("a,b\nc,d", "more than one line"),
    ] {
        let error = shown(&with(&["x", "y"]), text).unwrap_err();
        assert!(error.contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn fields_go_to_their_columns_and_none_is_lost() {
    let csv = with(&["a", "b"]);
    let bytes = csv.from_json(&json!({ "b": 1.5, "a": null })).unwrap().unwrap();
    assert_eq!(bytes, b",1.5");
    for wrong in
        [json!({ "a": 1, "c": 2 }), json!([1, 2, 3]), json!([[1], 2]), json!("a,b"), json!([])]
    {
        assert!(csv.from_json(&wrong).is_err(), "{wrong}");
    }
    assert_eq!(csv.from_json(&Json::Null), Ok(None));
    assert!(
        CsvConverter::new(CsvOptions {
            columns: vec!["a".into(), "a".into()],
            ..CsvOptions::default()
        })
        .is_err()
    );
}

proptest! {
    #[test]
    fn any_fields_come_back(
        fields in prop::collection::vec(any::<Option<String>>(), 1..6),
        null in "[A-Z]{0,2}",
        delimiter in prop::sample::select(vec![b',', b';', b'\t']),
    ) {
        let columns = (0..fields.len()).map(|at| format!("c{at}")).collect();
        let csv = CsvConverter::new(CsvOptions { columns, delimiter, null }).unwrap();
        let values = fields.into_iter().map(|field| field.map_or(Value::Null, Value::String));
        let value = Value::Array(values.collect());
        let mut out = Vec::new();
        prop_assert_eq!(csv.write(&Datum::plain(value.clone()), &mut out), Ok(true));
        let Value::Struct(back) = csv.read(Some(&out)).unwrap().value else { panic!() };
        prop_assert_eq!(Value::Array(back.values().to_vec()), value);
    }
}

/// Any fields, from a seed.
fn odd_fields(random: &mut Random) -> Vec<String> {
    const ODD: [&str; 8] = ["", "\"", ",", "\r", "\n", ";", " a ", "\"\"\r\n,"];
    let fields = (0..1 + random.below(6)).map(|_| match random.once_in(2) {
        true => arbitrary::text(random),
        false => [*random.of(&ODD), *random.of(&ODD)].concat(),
    });
    fields.collect()
}

#[test]
fn python_reads_the_same_fields_and_its_records_are_read_as_they_were_written() {
    let own = std::env::var_os("LONGSHORE_CACHE").map(PathBuf::from);
    let cache = own.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/longshore")
    });
    let python = cache.join("python/bin/python");
    assert!(python.is_file(), "not installed: run `tests/systems/install.sh python`");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/convert/csv/beside.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let csv = with(&[]);
    let mut random = Random(7);
    let cases: Vec<_> = (0..2000).map(|_| odd_fields(&mut random)).collect();
    let lines: String = cases
        .iter()
        .map(|fields| {
            let record = csv.from_json(&json!(fields)).unwrap().unwrap();
            format!("{}\n", json!(String::from_utf8(record).unwrap()))
        })
        .collect();
    let mut input = child.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), cases.len(), "each has an answer");
    for (answer, fields) in answers.lines().zip(&cases) {
        let answer: Json = serde_json::from_str(answer).unwrap();
        assert_eq!(answer["fields"], json!(fields), "{answer}");
        let theirs = shown(&csv, answer["record"].as_str().unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Json>(&theirs).unwrap(), json!(fields), "{answer}");
    }
}
