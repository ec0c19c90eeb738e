//! The files of a file sink with `format=json-lines`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// The finished files in a folder, by name.
pub fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .map(|path| {
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a file can be read"))
        })
        .collect()
}

/// Key and value of each record in the finished files, in the order of names and lines.
///
/// # Panics
/// When a file is torn.
pub fn records_in(folder: &Path) -> Vec<(Value, Value)> {
    files_in(folder).iter().flat_map(|(name, bytes)| records(name, bytes)).collect()
}

/// Key and value of each record in a file.
///
/// # Panics
/// When it is torn.
pub fn records(name: &str, bytes: &[u8]) -> Vec<(Value, Value)> {
    assert!(bytes.ends_with(b"\n"), "{name} is torn: its last line has no end");
    let lines = bytes[..bytes.len() - 1].split(|byte| *byte == b'\n');
    lines
        .map(|line| {
            let mut record: Value = serde_json::from_slice(line).unwrap_or_else(|error| {
                panic!("{name} has the line {}: {error}", String::from_utf8_lossy(line))
            });
            (record["key"].take(), record["value"].take())
        })
        .collect()
}
