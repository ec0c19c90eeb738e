//! Which file comes next.

use std::collections::{HashSet, VecDeque};

use longshore_sdk::objects::{Bucket, Object};
use longshore_sdk::{Fault, host};

use super::positions::Positions;
use super::rows::Rows;
use crate::options::literal;
use crate::plan::Share;

/// Files listed at a time.
const PAGE: u32 = 1000;

/// A pass over the task's files, glob by glob and page by page.
#[derive(Debug)]
pub(super) struct Files {
    globs: Vec<String>,
    share: Share,
    /// Index of the glob whose turn it is.
    glob: usize,
    /// The last path listed of it.
    after: Option<String>,
    page: VecDeque<Object>,
    /// Paths of this pass, where several globs could name one twice.
    seen: HashSet<String>,
    /// A file named without wildcards that was not there in this pass.
    missing: Option<String>,
    /// An earlier pass told of the globs that match nothing.
    told: bool,
}

impl Files {
    pub(super) fn new(globs: Vec<String>, share: Share) -> Self {
        Self {
            globs,
            share,
            glob: 0,
            after: None,
            page: VecDeque::new(),
            seen: HashSet::new(),
            missing: None,
            told: false,
        }
    }

    /// Begins another pass.
    pub(super) fn rewind(&mut self) {
        let globs = std::mem::take(&mut self.globs);
        *self = Self { told: true, ..Self::new(globs, self.share) };
    }

    /// A file of this share, named without wildcards, that was not there.
    pub(super) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// The next file of this share; its position is looked up by then.
    pub(super) fn next(
        &mut self,
        bucket: &Bucket,
        positions: &mut Positions,
        rows: &mut Rows,
    ) -> Result<Option<Object>, Fault> {
        while self.page.is_empty() {
            let Some(glob) = self.globs.get(self.glob) else { return Ok(None) };
            let listed = bucket.list(glob, self.after.as_deref(), PAGE)?;
            if listed.is_empty() && self.after.is_none() {
                match literal(glob) {
                    Some(path) if self.share.has(&path) => self.missing = Some(path),
                    Some(_) => {}
                    None if self.told => {}
                    None => host::warn(&format!("no file matches `{glob}`")),
                }
            }
            let more = listed.len() >= PAGE as usize;
            let last = listed.last().map(|object| object.path.clone());
            let several = self.globs.len() > 1;
            let page: Vec<_> = listed
                .into_iter()
                .filter(|object| self.share.has(&object.path))
                .filter(|object| !several || self.seen.insert(object.path.clone()))
                .collect();
            positions.look_up(&page, rows)?;
            self.page = page.into();
            if more {
                self.after = last;
            } else {
                self.glob += 1;
                self.after = None;
            }
        }
        Ok(self.page.pop_front())
    }
}
