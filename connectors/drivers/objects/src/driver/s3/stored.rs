//! One version of an object, read in ranges.

use std::sync::Arc;

use super::fault::{failed, is_there, status, words};
use super::store::Store;
use crate::bind::Object;
use crate::classify::{ObjectsError, Refusal};

/// An object as it was when it was opened: what is put in its place later is refused,
/// not read.
#[derive(Debug)]
pub(crate) struct Stored {
    store: Arc<Store>,
    object: Object,
    /// S3's own.
    etag: String,
}

impl Stored {
    pub(crate) async fn open(store: Arc<Store>, path: &str) -> Result<Self, ObjectsError> {
        let (object, etag) = store.head(path).await?;
        Ok(Self { store, object, etag })
    }

    pub(crate) fn about(&self) -> &Object {
        &self.object
    }

    /// Adds up to `max` bytes from `at` on to `bytes`; fewer only at the end.
    pub(crate) async fn read(
        &self,
        at: u64,
        max: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<usize, ObjectsError> {
        let Object { path, size, .. } = &self.object;
        let left = size.saturating_sub(at);
        let wanted = usize::try_from(left).map_or(max, |left| left.min(max));
        if wanted == 0 {
            return Ok(0);
        }
        let last = at + wanted as u64 - 1;
        let get = self.store.client.get_object().bucket(&self.store.bucket);
        let get = get.key(self.store.key(path)?).range(format!("bytes={at}-{last}"));
        let get = if self.etag.is_empty() { get } else { get.if_match(&self.etag) };
        let mut answer = get.send().await.map_err(|error| {
            // Past its end: it has another by now.
            if is_there(&error) || status(&error) == Some(416) {
                return ObjectsError::Replaced { path: path.clone() };
            }
            failed("reading", path, error)
        })?;
        let start = bytes.len();
        bytes.reserve(wanted);
        loop {
            match answer.body.try_next().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) if bytes.len() - start == wanted => return Ok(wanted),
                cut => {
                    let reason = match cut {
                        Err(error) => words(&error),
                        _ => format!("{} bytes came of {wanted}", bytes.len() - start),
                    };
                    bytes.truncate(start);
                    let refusal = Refusal::Unanswered { reason };
                    return Err(ObjectsError::S3 { verb: "reading", path: path.clone(), refusal });
                }
            }
        }
    }
}
