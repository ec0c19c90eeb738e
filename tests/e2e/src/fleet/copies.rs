//! What file sinks made of a ticker's rows.

use std::collections::BTreeMap;
use std::path::Path;

use super::ticks;
use crate::limits;
use crate::wait::until;

/// The numbers of each file's rows in the finished files of a sink's folder.
///
/// # Panics
/// When a file is torn.
pub fn read(folder: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut files: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return files };
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file can be read");
        assert!(text.ends_with('\n'), "{} is torn", path.display());
        for row in text.lines() {
            let (name, number) = ticks::parse(row);
            files.entry(name).or_default().push(number);
        }
    }
    files
}

/// Waits until a sink's folder has `count` rows of each of so many files, and checks
/// that none is there twice.
pub fn wait_once(folder: &Path, names: usize, count: u64) {
    let total = count as usize * names;
    until("all rows in the sink's files", limits::RUN, || {
        (self::count(folder) >= total).then_some(())
    });
    for (name, rows) in read(folder) {
        ticks::assert_once(&format!("{name} in {}", folder.display()), rows.into_iter(), count);
    }
}

/// How many rows there are in all.
fn count(folder: &Path) -> usize {
    read(folder).values().map(Vec::len).sum()
}
