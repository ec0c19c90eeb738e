//! How far each file was read, as far as it matters now.

use std::collections::{HashMap, HashSet};

use longshore_sdk::objects::Object;
use longshore_sdk::{Fault, checkpoints, host};

use super::rows::Rows;
use crate::state::{self, Position};

/// Checkpoints listed at a time.
const PAGE: u32 = 1000;

/// The positions of the files of this page, or with `tail` of all files met.
#[derive(Debug)]
pub(super) struct Positions {
    tail: bool,
    files: HashMap<String, Known>,
    /// Where a file was that another one took the place of: it may turn up
    /// under the name that it was rotated to.
    moved: HashMap<String, Position>,
}

#[derive(Debug, Default)]
struct Known {
    position: Option<Position>,
    /// Etag and size when it was last read to its end.
    looked: Option<(String, u64)>,
}

impl Positions {
    pub(super) fn new(tail: bool) -> Self {
        Self { tail, files: HashMap::new(), moved: HashMap::new() }
    }

    pub(super) fn get(&self, path: &str) -> Option<&Position> {
        self.files.get(path)?.position.as_ref()
    }

    pub(super) fn set(&mut self, path: &str, position: Position) {
        self.files.entry(path.to_owned()).or_default().position = Some(position);
    }

    /// The file was read to its end as it was listed.
    pub(super) fn looked(&mut self, object: &Object) {
        if self.tail {
            let known = self.files.entry(object.path.clone()).or_default();
            known.looked = Some((object.etag.clone(), object.size));
        }
    }

    /// True when the file is as it was when it was last read to its end.
    pub(super) fn unchanged(&self, object: &Object) -> bool {
        let looked = self.files.get(&object.path).and_then(|known| known.looked.as_ref());
        looked.is_some_and(|(etag, size)| *etag == object.etag && *size == object.size)
    }

    /// Looks up where these files were.
    pub(super) fn look_up(&mut self, page: &[Object], rows: &mut Rows) -> Result<(), Fault> {
        if !self.tail {
            self.files.clear();
        }
        let unknown = page.iter().filter(|object| !self.files.contains_key(&object.path));
        let partitions: Vec<_> = unknown.map(|object| state::partition(&object.path)).collect();
        if !partitions.is_empty() {
            for checkpoint in checkpoints::get(&partitions) {
                if let Some(path) = state::path(&checkpoint.partition)
                    && let Some(position) = Position::read(&checkpoint)?
                {
                    self.set(&path, position);
                }
            }
        }
        if self.tail { self.find_renamed(page, rows) } else { Ok(()) }
    }

    /// A file that is not the one last seen at its path may be one that was
    /// read under another name: it goes on from there.
    fn find_renamed(&mut self, page: &[Object], rows: &mut Rows) -> Result<(), Fault> {
        let other = |object: &&Object| {
            let known = self.get(&object.path);
            known.is_none_or(|p| p.etag.as_ref().is_some_and(|etag| *etag != object.etag))
        };
        let new: Vec<_> = page.iter().filter(other).filter(|o| !self.unchanged(o)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let wanted: HashSet<_> = new.iter().map(|object| object.etag.as_str()).collect();
        let mut found: HashMap<String, Position> = HashMap::new();
        let mut keep = |position: &Position| {
            if let Some(etag) = position.etag.as_ref().filter(|e| wanted.contains(e.as_str())) {
                let best = found.entry(etag.clone()).or_insert_with(|| position.clone());
                best.position = best.position.max(position.position);
            }
        };
        self.files.values().filter_map(|known| known.position.as_ref()).for_each(&mut keep);
        self.moved.values().for_each(&mut keep);
        let mut after: Option<String> = None;
        loop {
            let saved = checkpoints::list(after.as_deref(), PAGE);
            for checkpoint in &saved {
                // One that cannot be read is told when its file's turn comes.
                if let Ok(Some(position)) = Position::read(checkpoint) {
                    keep(&position);
                }
            }
            if saved.len() < PAGE as usize {
                break;
            }
            after = saved.into_iter().next_back().map(|checkpoint| checkpoint.partition);
        }
        for object in new {
            if let Some(before) = self.get(&object.path).cloned()
                && let Some(etag) = before.etag.clone()
            {
                self.moved.insert(etag, before);
            }
            if let Some(position) = found.get(&object.etag) {
                host::info(&format!(
                    "`{}` was read under another name; it is read on",
                    object.path
                ));
                rows.save(&object.path, position.clone());
                self.set(&object.path, position.clone());
            }
        }
        Ok(())
    }
}
