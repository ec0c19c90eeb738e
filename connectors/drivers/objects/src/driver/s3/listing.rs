//! Objects in byte order of their keys, page by page.
//!
//! S3 lists by prefix; a glob's beginning without wildcards is one, and where the rest
//! is within a folder, folders further down are left out by the server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::fault::failed;
use super::store::{Store, etag, modified_ms, size};
use crate::bind::Object;
use crate::classify::ObjectsError;
use crate::driver::glob::Pattern;
use crate::limits::{LISTING_AGE_MAX, S3_PAGE};

/// A walk over the objects that match a glob, stopped between two of them.
#[derive(Debug)]
pub(crate) struct Listing {
    store: Arc<Store>,
    pattern: Pattern,
    /// Matches that were listed and not yet given out.
    found: VecDeque<Object>,
    /// The last path given out, or what the walk began after.
    last: Option<String>,
    /// Where the next request goes on; the first after `last`.
    token: Option<String>,
    ended: bool,
    started: Instant,
}

impl Listing {
    pub(crate) fn start(store: Arc<Store>, pattern: Pattern, after: Option<String>) -> Self {
        let (found, started) = (VecDeque::new(), Instant::now());
        Self { store, pattern, found, last: after, token: None, ended: false, started }
    }

    /// Whether the page after `after` is the one that comes next here.
    pub(crate) fn continues(&self, glob: &str, after: Option<&str>) -> bool {
        self.pattern.glob() == glob
            && after.is_some()
            && self.last.as_deref() == after
            && self.started.elapsed() < LISTING_AGE_MAX
    }

    /// The next `max` objects, fewer when there are no more.
    pub(crate) async fn page(&mut self, max: usize) -> Result<Vec<Object>, ObjectsError> {
        while self.found.len() < max && !self.ended {
            self.request().await?;
        }
        let page: Vec<_> = self.found.drain(..max.min(self.found.len())).collect();
        if let Some(object) = page.last() {
            self.last = Some(object.path.clone());
        }
        Ok(page)
    }

    async fn request(&mut self) -> Result<(), ObjectsError> {
        let store = &self.store;
        let (prefix, within_folder) = self.pattern.prefix();
        let listing = store.client.list_objects_v2().bucket(&store.bucket);
        let listing = listing.prefix(store.key_of(&prefix)).max_keys(S3_PAGE);
        let listing = if within_folder { listing.delimiter("/") } else { listing };
        let listing = match (&self.token, &self.last) {
            (Some(token), _) => listing.continuation_token(token),
            (None, Some(after)) => listing.start_after(store.key_of(after)),
            (None, None) => listing,
        };
        let answer = listing.send().await;
        let answer = answer.map_err(|error| failed("listing", self.pattern.glob(), error))?;
        let objects = answer.contents().iter().filter_map(|object| {
            let path = store.path(object.key()?)?;
            self.pattern.matches(path).then(|| Object {
                path: path.to_owned(),
                size: size(object.size()),
                etag: etag(path, object.e_tag()),
                modified_ms: modified_ms(object.last_modified()),
            })
        });
        self.found.extend(objects);
        self.token = answer.next_continuation_token().map(str::to_owned);
        self.ended = self.token.is_none();
        Ok(())
    }
}
