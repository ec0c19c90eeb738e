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
    /// A file keeps its etag when it is renamed.
    renames: bool,
    /// What was saved of all tasks, when it was last looked at.
    saved: Option<Saved>,
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
    pub(super) fn new(tail: bool, renames: bool) -> Self {
        Self { tail, renames, saved: None, files: HashMap::new(), moved: HashMap::new() }
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
        if self.tail && self.renames {
            self.find_renamed(page, rows);
        }
        Ok(())
    }

    /// A file that is not the one last seen at its path may be one that was
    /// read under another name: it goes on from there.
    fn find_renamed(&mut self, page: &[Object], rows: &mut Rows) {
        let other = |object: &&Object| {
            let known = self.get(&object.path);
            known.is_none_or(|p| p.etag.as_ref().is_some_and(|etag| *etag != object.etag))
        };
        let new: Vec<_> = page.iter().filter(other).filter(|o| !self.unchanged(o)).collect();
        if new.is_empty() {
            return;
        }
        let wanted: HashSet<_> = new.iter().map(|object| object.etag.as_str()).collect();
        let mut found: HashMap<&str, u64> = HashMap::new();
        let known = self.files.values().filter_map(|known| known.position.as_ref());
        for position in known.chain(self.moved.values()) {
            if let Some(etag) = position.etag.as_ref().and_then(|etag| wanted.get(etag.as_str())) {
                let best = found.entry(etag).or_default();
                *best = position.position.max(*best);
            }
        }
        let saved = match self.saved.take() {
            Some(saved) if saved.will_do() => self.saved.insert(saved),
            _ => self.saved.insert(Saved::list()),
        };
        for etag in wanted {
            if let Some(position) = saved.positions.get(etag) {
                let best = found.entry(etag).or_default();
                *best = (*position).max(*best);
            }
        }
        for object in new {
            if let Some(before) = self.get(&object.path).cloned()
                && let Some(etag) = before.etag.clone()
            {
                self.moved.insert(etag, before);
            }
            if let Some(position) = found.get(object.etag.as_str()) {
                host::info(&format!(
                    "`{}` was read under another name; it is read on",
                    object.path
                ));
                let position = Position { position: *position, etag: Some(object.etag.clone()) };
                rows.save(&object.path, position.clone());
                self.set(&object.path, position);
            }
        }
    }
}

/// How far files were read by all tasks, by their etags.
#[derive(Debug)]
struct Saved {
    positions: HashMap<String, u64>,
    /// When it was looked at, and how long that took, in milliseconds.
    listed_ms: i64,
    took_ms: i64,
}

impl Saved {
    fn list() -> Self {
        let began_ms = host::now_ms();
        let mut positions: HashMap<String, u64> = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = checkpoints::list(after.as_deref(), PAGE);
            for checkpoint in &page {
                // One that cannot be read is told when its file's turn comes.
                if let Ok(Some(Position { position, etag: Some(etag) })) =
                    Position::read(checkpoint)
                {
                    let best = positions.entry(etag).or_default();
                    *best = position.max(*best);
                }
            }
            if page.len() < PAGE as usize {
                let listed_ms = host::now_ms();
                return Self { positions, listed_ms, took_ms: listed_ms - began_ms };
            }
            after = page.into_iter().next_back().map(|checkpoint| checkpoint.partition);
        }
    }

    /// Looked at anew for each page of many files, it would take longer from page to page;
    /// so it takes the tenth part of the time at the most.
    fn will_do(&self) -> bool {
        host::now_ms() - self.listed_ms < 10 * self.took_ms
    }
}
