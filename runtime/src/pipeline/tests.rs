//! Each file of `tests/bad` with all that is told about it; what good ones
//! render to; what `--set` may do.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value as Json, json};

use super::{
    NoPlugins, Pipeline, PipelineError, PluginCatalog, PluginDescription, Setting, from_document,
    render,
};
use crate::worker::herder::ConnectorKind;
use crate::yaml::{Document, Report};

/// The four plugins of the word count, with options like theirs.
struct Shelf(Vec<(&'static str, ConnectorKind, Json)>);

impl Shelf {
    fn new() -> Self {
        let schema = |required: &[&str], properties: Json| {
            json!({
                "type": "object",
                "required": required,
                "properties": properties,
                "additionalProperties": false,
            })
        };
        let source = json!({
            "topic": { "type": "string", "description": "where rows go" },
            "path": { "type": "string", "description": "files to read" },
            "connection": { "type": "string", "x-connection": "read", "default": "files" },
            "max.row.bytes": { "type": "integer", "minimum": 1, "maximum": 10_000_000 },
            "tail": { "type": "boolean" },
        });
        let sink = json!({
            "path": { "type": "string", "description": "folder of the result" },
            "connection": { "type": "string", "x-connection": "write", "default": "files" },
            "format": { "enum": ["json-lines", "text"] },
        });
        Self(vec![
            ("file-source", ConnectorKind::Source, schema(&["topic", "path"], source)),
            ("file-sink", ConnectorKind::Sink, schema(&["path"], sink)),
            ("split-words", ConnectorKind::Processor, schema(&[], json!({}))),
            ("count-words", ConnectorKind::Processor, schema(&[], json!({}))),
        ])
    }
}

impl PluginCatalog for Shelf {
    fn find(&self, name: &str) -> Option<PluginDescription<'_>> {
        let (_, kind, schema) = self.0.iter().find(|(known, _, _)| *known == name)?;
        Some(PluginDescription { kind: *kind, schema })
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _, _)| (*name).to_owned()).collect()
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![PathBuf::from("/usr/lib/longshore/plugins")]
    }

    fn broken(&self) -> Vec<String> {
        Vec::new()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pipeline/tests")
}

fn drawn(report: &Report) -> String {
    let theme = GraphicalTheme::unicode_nocolor();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    let mut text = format!("{report}\n");
    for spot in &report.spots {
        handler.render_report(&mut text, spot).unwrap();
    }
    // The drawing pads some lines; the snapshot keeps none of that.
    let mut plain = String::new();
    for line in text.lines() {
        writeln!(plain, "{}", line.trim_end()).unwrap();
    }
    plain
}

fn load(text: &str, settings: &[&str]) -> Result<Pipeline, PipelineError> {
    let (document, problems) = Document::parse("pipeline.yaml", text);
    let settings: Vec<Setting> = settings.iter().map(|text| text.parse().unwrap()).collect();
    from_document(document, problems, &settings, &Shelf::new())
}

fn report(text: &str, settings: &[&str]) -> Report {
    match load(text, settings) {
        Err(PipelineError::Wrong(report)) => *report,
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn every_bad_file_is_told_all_its_problems_with_places_and_suggestions() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder().join("bad")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "the folder of bad files is there");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        insta::assert_snapshot!(name, drawn(&report(&text, &[])));
    }
}

const WORDCOUNT: &str = include_str!("tests/good.yaml");

#[test]
fn a_pipeline_renders_to_flat_connectors_each_after_those_that_feed_it() {
    let pipeline = load(WORDCOUNT, &[]).unwrap();
    let rendered = render(&pipeline, Path::new("/home/user"));
    insta::assert_snapshot!("rendered", serde_json::to_string_pretty(&rendered).unwrap());
}

#[test]
fn a_line_and_a_column_are_counted_in_characters() {
    let report = report("name: ü\n\"ünïcode\": {}\n", &[]);
    let spots: Vec<_> = report.spots.iter().map(|spot| (spot.line, spot.column)).collect();
    assert_eq!(spots, [(Some(1), Some(7)), (Some(2), Some(1))]);
}

#[test]
fn a_setting_finds_keys_with_dots_in_them_and_keeps_strings_strings() {
    let settings = [
        "connectors.write.key.converter=json",
        "connections.input.root=2024",
        "topics.lines.partitions=7",
        "topics.lines.retention.ms=1000",
        "connectors.read.max.row.bytes=99",
    ];
    let pipeline = load(WORDCOUNT, &settings).unwrap();
    let rendered = render(&pipeline, Path::new("/"));
    let config = |name: &str| {
        &rendered.connectors.iter().find(|connector| connector.name == name).unwrap().config
    };
    assert_eq!(config("wordcount-write")["key.converter"], "json");
    assert_eq!(config("wordcount-read")["max.row.bytes"], "99");
    assert_eq!(rendered.connections["input"].root.as_deref(), Some("/2024"));
    let lines = rendered.topics.iter().find(|topic| topic.name == "lines").unwrap();
    assert_eq!((lines.partitions, lines.configs["retention.ms"].as_str()), (7, "1000"));
}

#[test]
fn a_setting_that_leads_nowhere_says_what_exists() {
    let error = |setting: &str| load(WORDCOUNT, &[setting]).unwrap_err().to_string();
    let cases = [
        "conectors.read.path=a",
        "connectors.reed.path=a",
        "colours=a",
        "connectors.read=a",
        "connectors.read.path.more=a",
        "connectors.read.path=${env:HOME}",
        "connections.secret.root=a",
    ];
    let told: Vec<String> = cases.into_iter().map(error).collect();
    insta::assert_snapshot!("settings", told.join("\n"));
    assert!("=a".parse::<Setting>().is_err());
    assert!("connectors.read.path".parse::<Setting>().is_err());
}

#[test]
fn a_setting_is_checked_like_the_file_and_told_as_the_argument_it_is() {
    let report = report(WORDCOUNT, &["connectors.read.pth=a", "topics.lines.partitions=many"]);
    insta::assert_snapshot!("checked_settings", drawn(&report));
}

#[test]
fn without_plugins_everything_else_is_still_checked() {
    let text = "name: a\nconnectors:\n  b: {connector.class: nothing-yet, topic: c}\n";
    let (document, problems) = Document::parse("a.yaml", text);
    let Err(PipelineError::Wrong(report)) = from_document(document, problems, &[], &NoPlugins)
    else {
        panic!("the topic is not defined")
    };
    assert_eq!(report.count, 1, "{report:?}");
    assert_eq!(report.spots[0].path, "connectors.b.topic");
}

#[test]
fn hostile_yaml_costs_one_error() {
    let deep = format!("name:\n  {}a", "- ".repeat(100));
    let deeper = format!("name: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    let mut bomb = String::from("name: a\na0: &a0 [x, x]\n");
    for level in 1..40 {
        writeln!(bomb, "a{level}: &a{level} [*a{}, *a{}]", level - 1, level - 1).unwrap();
    }
    let cases = [
        (deep.as_str(), "nested deeper"),
        (deeper.as_str(), "not YAML"),
        (bomb.as_str(), "aliases"),
        ("a: &a [*a]", "inside the very thing"),
        ("? [a]\n: b", "key must be a plain word"),
        ("a: *nothing", "not YAML"),
        ("a: b\n---\nc: d", "second document"),
        ("a: [", "not YAML"),
        ("\u{0}\u{1}", ""),
    ];
    for (text, part) in cases {
        let report = report(text, &[]);
        let told: Vec<&str> = report.spots.iter().map(|spot| spot.message.as_str()).collect();
        assert!(told.iter().any(|message| message.contains(part)), "{part}: {told:?}");
    }
    let (_, empty) = Document::parse("a", "");
    assert!(empty.is_empty());
    assert_eq!(report("", &[]).spots[0].message, "this file lacks `name`");
    assert_eq!(report("just words", &[]).count, 1);
}

#[test]
fn a_random_change_of_a_good_file_never_panics() {
    let seed: u64 = std::env::var("LONGSHORE_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("LONGSHORE_SEED={seed}");
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    };
    let parts = [
        "[", "]", "{", "}", ": ", "\n", "  ", "&a ", "*a", "- ", "\"", "'", "ü", "!!int ", "| ",
        "#",
    ];
    for _ in 0..2_000 {
        let mut characters: Vec<char> = WORDCOUNT.chars().collect();
        for _ in 0..=next(3) {
            let at = next(characters.len());
            match next(3) {
                0 => drop(characters.remove(at)),
                _ => drop(characters.splice(at..at, parts[next(parts.len())].chars())),
            }
        }
        let text: String = characters.into_iter().collect();
        if let Err(PipelineError::Wrong(report)) = load(&text, &[]) {
            drawn(&report);
        }
    }
}

#[test]
fn a_guarantee_that_is_none_is_told_at_its_line() {
    let text = "\
name: words
topics: { lines: {}, words: {} }
connectors:
  read: { connector.class: file-source, topic: lines, path: a, transaction.boundary: batch }
streams:
  split: { processor: split-words, from: lines, to: words, processing.guarantee: exactly_once }
";
    let drawn = drawn(&report(text, &[]));
    for part in ["`transaction.boundary` must be `poll`", "`exactly_once_v2`", ":4:", ":6:"] {
        assert!(drawn.contains(part), "no {part} in {drawn}");
    }
    let right =
        text.replace(": batch }", ": interval }").replace("exactly_once ", "at_least_once ");
    assert!(load(&right, &[]).is_ok());
}
