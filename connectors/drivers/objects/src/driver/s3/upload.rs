//! Parts that go up behind the writer, and become an object whole.
//!
//! ```text
//!  write ──▶ filling (disk) ──full──▶ sending (one part, in the background) ──▶ parts
//!                 │                                                             │
//!  finish: a small object is put whole ◀── none went ──┴── some went ──▶ completed
//! ```

use std::sync::Arc;

use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::fault::{failed, is_there};
use super::scratch::Scratch;
use super::store::{Store, UPLOAD, new_upload};
use crate::bind::check;
use crate::classify::ObjectsError;
use crate::limits::{PARTS_MAX, PARTS_MIB_MAX, part_bytes_min};

/// What the parts of this process may have in memory, in MiB.
static MEMORY_MIB: Semaphore = Semaphore::const_new(PARTS_MIB_MAX as usize);

/// An object being written.
#[derive(Debug)]
pub(crate) struct Upload {
    store: Arc<Store>,
    path: String,
    key: String,
    /// Its name in the object's metadata.
    name: String,
    /// What came since the last part.
    filling: Scratch,
    sending: Option<Sending>,
    /// S3's id of it, once a part was to go.
    id: Option<String>,
    parts: Vec<CompletedPart>,
    done: Option<bool>,
}

/// A part on its way.
#[derive(Debug)]
struct Sending {
    part: Part,
    /// None once it failed: it goes again when it is waited for again.
    task: Option<JoinHandle<Result<CompletedPart, ObjectsError>>>,
}

#[derive(Debug, Clone)]
struct Part {
    store: Arc<Store>,
    path: String,
    key: String,
    id: String,
    number: i32,
    bytes: Scratch,
}

impl Upload {
    pub(crate) async fn start(store: Arc<Store>, path: &str) -> Result<Self, ObjectsError> {
        let key = store.key_to_write(path)?;
        store.clean_folder(&key);
        Ok(Self {
            store,
            path: path.to_owned(),
            key,
            name: new_upload(),
            filling: Scratch::default(),
            sending: None,
            id: None,
            parts: Vec::new(),
            done: None,
        })
    }

    /// Adds bytes at the end. After an error none of them were added.
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), ObjectsError> {
        check(&self.store.access, &self.path)?;
        let number = self.parts.len() as i32 + 1 + i32::from(self.sending.is_some());
        if self.filling.len() >= part_bytes_min(number) {
            self.send().await?;
        }
        let appended = self.filling.append(bytes).await;
        appended.map_err(|error| ObjectsError::std("buffering", &self.path, &error))
    }

    /// Sends what came since the last part, when that one is there.
    async fn send(&mut self) -> Result<(), ObjectsError> {
        self.settle().await?;
        let number = self.parts.len() as i32 + 1;
        if number > PARTS_MAX {
            return Err(ObjectsError::TooLarge { path: self.path.clone() });
        }
        let part = Part {
            store: Arc::clone(&self.store),
            path: self.path.clone(),
            key: self.key.clone(),
            id: self.id().await?,
            number,
            bytes: std::mem::take(&mut self.filling),
        };
        self.sending = Some(Sending { task: Some(tokio::spawn(part.clone().send())), part });
        Ok(())
    }

    /// Waits for the part that is on its way.
    async fn settle(&mut self) -> Result<(), ObjectsError> {
        let Some(sending) = &mut self.sending else { return Ok(()) };
        let part = &sending.part;
        let task = sending.task.get_or_insert_with(|| tokio::spawn(part.clone().send()));
        let sent = match task.await {
            Ok(sent) => sent,
            Err(error) => Err(ObjectsError::Lost { reason: error.to_string() }),
        };
        match sent {
            Ok(part) => {
                self.parts.push(part);
                self.sending = None;
                Ok(())
            }
            Err(error) => {
                sending.task = None;
                Err(error)
            }
        }
    }

    /// S3's id of the upload.
    async fn id(&mut self) -> Result<String, ObjectsError> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        self.store.clean_key(&self.key).await;
        let create = self.store.client.create_multipart_upload().bucket(&self.store.bucket);
        let create = create.key(&self.key).metadata(UPLOAD, &self.name);
        let created = create.send().await;
        let created = created.map_err(|error| failed("starting to write", &self.path, error))?;
        let id = created.upload_id().unwrap_or_default().to_owned();
        self.id = Some(id.clone());
        Ok(id)
    }

    /// Makes it the object of its path. False: with `if_absent`, there was another.
    /// After an error it can be finished again.
    pub(crate) async fn finish(&mut self, if_absent: bool) -> Result<bool, ObjectsError> {
        if let Some(done) = self.done {
            return Ok(done);
        }
        check(&self.store.access, &self.path)?;
        let done = if self.id.is_none() {
            let permit = MEMORY_MIB.acquire_many(mib(self.filling.len())).await;
            let bytes = self.filling.read().await;
            let bytes =
                bytes.map_err(|error| ObjectsError::std("buffering", &self.path, &error))?;
            let put = self.store.put(&self.path, bytes, if_absent, &self.name).await?;
            drop(permit);
            put
        } else {
            if self.filling.len() > 0 {
                self.send().await?;
            }
            self.settle().await?;
            self.complete(if_absent).await?
        };
        self.done = Some(done);
        self.filling = Scratch::default();
        Ok(done)
    }

    async fn complete(&self, if_absent: bool) -> Result<bool, ObjectsError> {
        let (store, id) = (&self.store, self.id.as_deref().unwrap_or_default());
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts.clone())).build();
        let complete = store.client.complete_multipart_upload().bucket(&store.bucket);
        let complete = complete.key(&self.key).upload_id(id).multipart_upload(parts);
        let complete = if if_absent { complete.if_none_match("*") } else { complete };
        match complete.send().await {
            Ok(_) => Ok(true),
            Err(error) if (if_absent && is_there(&error)) || is_gone(&error) => {
                match store.is_of(&self.path, &self.name).await? {
                    // An earlier attempt was answered too late.
                    Some(true) => Ok(true),
                    Some(false) if if_absent => {
                        store.abort(&self.key, id).await;
                        Ok(false)
                    }
                    _ => Err(failed("finishing", &self.path, error)),
                }
            }
            Err(error) => Err(failed("finishing", &self.path, error)),
        }
    }
}

fn is_gone(error: &SdkError<CompleteMultipartUploadError>) -> bool {
    error.code() == Some("NoSuchUpload")
}

impl Part {
    async fn send(self) -> Result<CompletedPart, ObjectsError> {
        let permit = MEMORY_MIB.acquire_many(mib(self.bytes.len())).await;
        let bytes = self.bytes.read().await;
        let bytes = bytes.map_err(|error| ObjectsError::std("buffering", &self.path, &error))?;
        let send = self.store.client.upload_part().bucket(&self.store.bucket);
        let send = send.key(&self.key).upload_id(&self.id).part_number(self.number);
        let sent = send.body(ByteStream::from(bytes)).send().await;
        drop(permit);
        let sent = sent.map_err(|error| failed("writing", &self.path, error))?;
        Ok(CompletedPart::builder()
            .part_number(self.number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .build())
    }
}

/// The share of the memory that so many bytes take; what is larger than all of it
/// takes it alone.
fn mib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, PARTS_MIB_MAX)
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(task) = self.sending.as_ref().and_then(|sending| sending.task.as_ref()) {
            task.abort();
        }
        // What cannot be aborted is a leftover, which a later upload removes.
        if self.done.is_none()
            && let Some(id) = self.id.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (store, key) = (Arc::clone(&self.store), std::mem::take(&mut self.key));
            runtime.spawn(async move { store.abort(&key, &id).await });
        }
    }
}
