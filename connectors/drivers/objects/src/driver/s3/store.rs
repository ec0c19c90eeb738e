//! The bucket: keys and paths, small objects, what is left over.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::MultipartUpload;
use tokio::sync::Semaphore;

use super::client::client;
use super::fault::{failed, is_there, status};
use crate::Access;
use crate::bind::{Object, check};
use crate::classify::ObjectsError;
use crate::config::S3Config;
use crate::driver::path;
use crate::limits::{CLEANED_AT_ONCE_MAX, CLEANED_FOLDERS_MAX, KEY_BYTES_MAX, LEFTOVER_AGE};

/// The metadata that names the upload an object came of.
pub(super) const UPLOAD: &str = "longshore-upload";

/// The folders that this process looks through for leftovers.
static CLEANING: Semaphore = Semaphore::const_new(CLEANED_AT_ONCE_MAX);

/// A bucket, or a folder of it, used by one task.
pub(crate) struct Store {
    pub(super) client: Client,
    pub(super) bucket: String,
    /// What keys begin with before their paths: empty, or with a slash at its end.
    prefix: String,
    pub(super) access: Access,
    /// The server was seen to refuse a put of what is there.
    heeds_conditions: AtomicBool,
    /// Folders already looked through for uploads that were killed.
    cleaned: Mutex<HashSet<String>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens it, with one request that shows whether it is there and can be listed.
    pub(crate) async fn open(settings: &S3Config, access: Access) -> Result<Self, ObjectsError> {
        let prefix = prefix(&settings.prefix)?;
        let client = client(settings, access.clone())?;
        let store = Self {
            client,
            bucket: settings.bucket.clone(),
            prefix,
            access,
            heeds_conditions: AtomicBool::new(false),
            cleaned: Mutex::default(),
        };
        store.look().await?;
        Ok(store)
    }

    async fn look(&self) -> Result<(), ObjectsError> {
        let listing = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let looked = listing.max_keys(1).send().await;
        looked.map(drop).map_err(|error| failed("opening the bucket", &self.bucket, error))
    }

    /// The key of a path that is only read, whatever it is made of.
    pub(super) fn key(&self, path: &str) -> Result<String, ObjectsError> {
        let key = self.key_of(path);
        let reason = match path {
            "" => "it is empty",
            _ if key.len() > KEY_BYTES_MAX => "its key is longer than 1024 bytes",
            _ => return Ok(key),
        };
        Err(ObjectsError::Path { path: path::cut(path), reason })
    }

    /// The key of what is or begins a path.
    pub(super) fn key_of(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The key of a path that is written: relative, of proper names alone.
    pub(super) fn key_to_write(&self, path: &str) -> Result<String, ObjectsError> {
        path::check(path)?;
        check(&self.access, path)?;
        self.key(path)
    }

    /// The path of a key; `None` for what is no object of the connection: what lies
    /// outside, and the empty objects that stand for folders.
    pub(super) fn path<'a>(&self, key: &'a str) -> Option<&'a str> {
        let path = key.strip_prefix(self.prefix.as_str())?;
        (!path.is_empty() && !path.ends_with('/')).then_some(path)
    }

    /// What an object is now, and S3's own etag of it.
    pub(super) async fn head(&self, path: &str) -> Result<(Object, String), ObjectsError> {
        let key = self.key(path)?;
        let head = self.client.head_object().bucket(&self.bucket).key(key);
        match head.send().await {
            Ok(head) => {
                let object = Object {
                    path: path.to_owned(),
                    size: size(head.content_length()),
                    etag: etag(path, head.e_tag()),
                    modified_ms: modified_ms(head.last_modified()),
                };
                Ok((object, head.e_tag().unwrap_or_default().to_owned()))
            }
            Err(error) if status(&error) == Some(404) => {
                Err(ObjectsError::NotFound { path: path.to_owned() })
            }
            Err(error) => {
                // An answer to HEAD has no body that would say why; others have.
                if status(&error).is_some_and(|status| (300..500).contains(&status)) {
                    self.look().await?;
                }
                Err(failed("looking at", path, error))
            }
        }
    }

    /// Whether the object that is there came of this upload. `None`: there is none.
    pub(super) async fn is_of(
        &self,
        path: &str,
        upload: &str,
    ) -> Result<Option<bool>, ObjectsError> {
        let head = self.client.head_object().bucket(&self.bucket).key(self.key(path)?);
        match head.send().await {
            Ok(head) => {
                let names = head.metadata().and_then(|metadata| metadata.get(UPLOAD));
                Ok(Some(names.is_some_and(|name| name == upload)))
            }
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(failed("looking at", path, error)),
        }
    }

    /// Puts an object whole. False: with `if_absent`, there was another.
    pub(super) async fn put(
        &self,
        path: &str,
        body: Vec<u8>,
        if_absent: bool,
        upload: &str,
    ) -> Result<bool, ObjectsError> {
        let put = self.client.put_object().bucket(&self.bucket).key(self.key_to_write(path)?);
        let put = put.metadata(UPLOAD, upload).body(ByteStream::from(body));
        let put = if if_absent { put.if_none_match("*") } else { put };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if if_absent && is_there(&error) => {
                self.heeds_conditions.store(true, Ordering::Relaxed);
                self.was_ours(path, upload, error).await
            }
            Err(error) => Err(failed("putting", path, error)),
        }
    }

    /// A put that met an object: its own if an earlier attempt was answered too late.
    async fn was_ours(
        &self,
        path: &str,
        upload: &str,
        error: SdkError<PutObjectError>,
    ) -> Result<bool, ObjectsError> {
        match self.is_of(path, upload).await? {
            Some(ours) => Ok(ours),
            // Deleted meanwhile: the same again may succeed.
            None => Err(failed("putting", path, error)),
        }
    }

    /// Puts a small object whole. False: there was one already, and it stays.
    pub(crate) async fn put_if_absent(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<bool, ObjectsError> {
        let again = (!self.heeds_conditions.load(Ordering::Relaxed)).then(|| body.clone());
        let placed = self.put(path, body, true, &new_upload()).await?;
        if placed && let Some(body) = again {
            // Many that speak the protocol pass the condition over in silence, and
            // whoever counts on it loses objects. The same bytes do no harm.
            if self.put(path, body, true, &new_upload()).await? {
                return Err(ObjectsError::Overwrites { path: path.to_owned() });
            }
        }
        Ok(placed)
    }

    /// Deletes an object; one that is not there is deleted already.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), ObjectsError> {
        let key = self.key_to_write(path)?;
        match self.client.delete_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) => match failed("deleting", path, error) {
                ObjectsError::NotFound { .. } => Ok(()),
                error => Err(error),
            },
        }
    }
}

/// A name that no other upload has.
pub(super) fn new_upload() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Uploads that were killed: their parts are seen by nobody, and cost money.
impl Store {
    /// Aborts what has been in the folder of `key` for [`LEFTOVER_AGE`]; once, and behind
    /// the caller, who need not wait for it.
    pub(super) fn clean_folder(self: &Arc<Self>, key: &str) {
        let folder = &key[..key.rfind('/').map_or(0, |slash| slash + 1)];
        let is_first = {
            let mut cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
            cleaned.len() < CLEANED_FOLDERS_MAX && cleaned.insert(folder.to_owned())
        };
        if !is_first {
            return;
        }
        let (store, folder) = (Arc::downgrade(self), folder.to_owned());
        tokio::spawn(async move {
            let _turn = CLEANING.acquire().await;
            // Its task may be over when its turn comes.
            let Some(store) = store.upgrade() else { return };
            let now = SystemTime::now();
            let is_old = |upload: &MultipartUpload| {
                let begun = upload.initiated().and_then(|begun| SystemTime::try_from(*begun).ok());
                let age = begun.and_then(|begun| now.duration_since(begun).ok());
                age > Some(LEFTOVER_AGE)
            };
            store.clean(&folder, is_old).await;
        });
    }

    /// Aborts what earlier lives left of `key`: its writer is gone, or is to be.
    pub(super) async fn clean_key(&self, key: &str) {
        self.clean(key, |upload| upload.key() == Some(key)).await;
    }

    /// Whatever fails stays a leftover, for the next time.
    async fn clean(&self, prefix: &str, is_left: impl Fn(&MultipartUpload) -> bool) {
        let listing = self.client.list_multipart_uploads().bucket(&self.bucket);
        let Ok(found) = listing.prefix(prefix).delimiter("/").send().await else { return };
        for upload in found.uploads().iter().filter(|upload| is_left(upload)) {
            if let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) {
                self.abort(key, id).await;
            }
        }
    }

    /// Aborts an upload; if that fails it is a leftover.
    pub(super) async fn abort(&self, key: &str, id: &str) {
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket);
        let _ = abort.key(key).upload_id(id).send().await;
    }
}

pub(super) fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

/// What tells versions of objects apart: S3's etag says what an object holds, and two
/// that hold the same are no less two, so a hash of the path (FNV-1a) joins it.
pub(super) fn etag(path: &str, etag: Option<&str>) -> String {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}@{hash:016x}", etag.unwrap_or_default().trim_matches('"'))
}

pub(super) fn modified_ms(modified: Option<&DateTime>) -> i64 {
    modified.and_then(|modified| modified.to_millis().ok()).unwrap_or_default()
}

/// A connection's prefix as keys begin with it.
fn prefix(setting: &str) -> Result<String, ObjectsError> {
    let folder = setting.trim_end_matches('/');
    if folder.is_empty() && !setting.starts_with('/') {
        return Ok(String::new());
    }
    match path::check(folder) {
        Ok(()) => Ok(format!("{folder}/")),
        Err(_) => Err(ObjectsError::Setting {
            setting: "prefix",
            reason: "must be a folder of the bucket, without a slash in front".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_objects_that_hold_the_same_have_etags_of_their_own() {
        let same = Some("\"d41d8cd98f00b204e9800998ecf8427e\"");
        assert_eq!(etag("a", same), "d41d8cd98f00b204e9800998ecf8427e@af63dc4c8601ec8c");
        assert_ne!(etag("a", same), etag("b", same));
    }

    #[test]
    fn a_prefix_is_a_folder() {
        assert_eq!(prefix("").unwrap(), "");
        assert_eq!(prefix("a/b").unwrap(), "a/b/");
        assert_eq!(prefix("a/b/").unwrap(), "a/b/");
        for wrong in ["/", "/a", "a//b", "../a"] {
            assert_eq!(prefix(wrong).unwrap_err().code(), "bad-setting", "{wrong}");
        }
    }
}
