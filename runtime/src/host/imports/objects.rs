//! `object-store/store` over the driver `objects`.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use futures::stream::{self, StreamExt};
use longshore_driver_objects::{Blob, Bucket, Object, ObjectsError, Upload};
use wasmtime::bail;
use wasmtime::component::Resource;

use super::formats::{HostWriter, format_fault};
use super::no_connections_here;
use crate::format::{Decoded, Scan, ScanError};
use crate::host::bindings::describe::longshore::formats::formats;
use crate::host::bindings::describe::longshore::object_store::store;
use crate::host::bindings::types;
use crate::host::connections::{Secrets, objects_fault};
use crate::host::convert;
use crate::host::guest::Guest;
use crate::host::limits::{
    FILES_MAX, OBJECTS_AT_ONCE_MAX, OBJECTS_OF_A_CALL_MAX, SCAN_BYTES_MIN, SCANS_BYTES_MAX,
};

/// What a `bucket` resource is: a granted connection.
#[derive(Debug)]
pub struct HostBucket(Bucket);

/// What a `blob` resource is.
#[derive(Debug)]
pub struct HostBlob(Blob);

/// What a `scan` resource is.
#[derive(Debug)]
pub struct HostScan(Scan);

/// What an `upload` resource is.
#[derive(Debug)]
pub struct HostUpload(Upload);

type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

/// What a driver answered. Its words go further than to the guest: into errors, traces
/// and logs.
fn answer<T>(secrets: &Secrets, result: Result<T, ObjectsError>) -> Result<T, types::Fault> {
    result.map_err(|error| convert::to_guest_fault(objects_fault(&error).hiding(secrets)))
}

/// A list of objects that one call may name.
fn bound(call: &str, objects: usize) -> wasmtime::Result<()> {
    if objects > OBJECTS_OF_A_CALL_MAX as usize {
        bail!("{call} names {objects} objects; one call may name {OBJECTS_OF_A_CALL_MAX}");
    }
    Ok(())
}

impl Guest {
    /// Takes a file up that was opened for the guest, as one of those that it may have.
    fn hold_file<T: Send + 'static>(
        &mut self,
        opened: Result<T, types::Fault>,
    ) -> Answer<Resource<T>> {
        match opened {
            Ok(file) => {
                self.files += 1;
                Ok(Ok(self.table.push(file)?))
            }
            Err(fault) => Ok(Err(fault)),
        }
    }
}

impl store::Host for Guest {}

impl store::HostBucket for Guest {
    async fn open(&mut self, connection: String) -> Answer<Resource<HostBucket>> {
        let Some(context) = &self.context else {
            return Ok(Err(no_connections_here()));
        };
        match context.connections.objects(&connection, context).await {
            Ok((bucket, secrets)) => {
                self.secrets.extend(&secrets);
                Ok(Ok(self.table.push(HostBucket(bucket))?))
            }
            Err(fault) => Ok(Err(convert::to_guest_fault(fault))),
        }
    }

    async fn list(
        &mut self,
        bucket: Resource<HostBucket>,
        glob: String,
        after: Option<String>,
        max: u32,
    ) -> Answer<Vec<store::Object>> {
        let HostBucket(bucket) = self.table.get(&bucket)?;
        let page = bucket.list(&glob, after.as_deref(), max.min(OBJECTS_OF_A_CALL_MAX)).await;
        Ok(answer(&self.secrets, page).map(|page| page.into_iter().map(object).collect()))
    }

    async fn blob(
        &mut self,
        bucket: Resource<HostBucket>,
        path: String,
    ) -> Answer<Resource<HostBlob>> {
        let HostBucket(bucket) = self.table.get(&bucket)?;
        if self.files >= FILES_MAX {
            return Ok(Err(too_many_files()));
        }
        let blob = answer(&self.secrets, bucket.blob(&path).await);
        self.hold_file(blob.map(HostBlob))
    }

    async fn put_if_absent(
        &mut self,
        bucket: Resource<HostBucket>,
        path: String,
        body: Vec<u8>,
    ) -> Answer<bool> {
        let HostBucket(bucket) = self.table.get(&bucket)?;
        Ok(answer(&self.secrets, bucket.put_if_absent(&path, body).await))
    }

    async fn upload(
        &mut self,
        bucket: Resource<HostBucket>,
        path: String,
    ) -> Answer<Resource<HostUpload>> {
        let HostBucket(bucket) = self.table.get(&bucket)?;
        if self.files >= FILES_MAX {
            return Ok(Err(too_many_files()));
        }
        let upload = answer(&self.secrets, bucket.upload(&path).await);
        self.hold_file(upload.map(HostUpload))
    }

    async fn finish(
        &mut self,
        _bucket: Resource<HostBucket>,
        uploads: Vec<Resource<HostUpload>>,
        if_absent: bool,
    ) -> wasmtime::Result<Vec<Result<bool, types::Fault>>> {
        bound("finish", uploads.len())?;
        let secrets = self.secrets.clone();
        let mut finishing = Vec::with_capacity(uploads.len());
        for upload in &uploads {
            let HostUpload(upload) = self.table.get(upload)?;
            finishing.push(upload.finish(if_absent));
        }
        let finished = stream::iter(finishing).buffered(OBJECTS_AT_ONCE_MAX);
        Ok(finished.map(|it| answer(&secrets, it)).collect().await)
    }

    async fn delete(
        &mut self,
        bucket: Resource<HostBucket>,
        paths: Vec<String>,
    ) -> wasmtime::Result<Vec<Result<(), types::Fault>>> {
        bound("delete", paths.len())?;
        let secrets = self.secrets.clone();
        let HostBucket(bucket) = self.table.get(&bucket)?;
        let deleting: Vec<_> = paths.iter().map(|path| bucket.delete(path)).collect();
        let deleted = stream::iter(deleting).buffered(OBJECTS_AT_ONCE_MAX);
        Ok(deleted.map(|it| answer(&secrets, it)).collect().await)
    }

    async fn drop(&mut self, bucket: Resource<HostBucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl store::HostBlob for Guest {
    async fn about(&mut self, blob: Resource<HostBlob>) -> Answer<store::Object> {
        let HostBlob(blob) = self.table.get(&blob)?;
        Ok(answer(&self.secrets, blob.about()).map(object))
    }

    async fn read(&mut self, blob: Resource<HostBlob>, at: u64, max: u32) -> Answer<Vec<u8>> {
        let HostBlob(blob) = self.table.get(&blob)?;
        Ok(answer(&self.secrets, blob.read(at, max).await))
    }

    async fn scan(
        &mut self,
        blob: Resource<HostBlob>,
        format: String,
        options: String,
        at: u64,
        complete: bool,
    ) -> Answer<Resource<HostScan>> {
        let HostBlob(blob) = self.table.get(&blob)?;
        if self.files >= FILES_MAX {
            return Ok(Err(too_many_files()));
        }
        // It keeps the blob's file open, whatever becomes of the blob.
        let scan = Scan::open(blob.clone(), &format, &options, at, complete);
        self.hold_file(scan.map(HostScan).map_err(|error| format_fault(&error)))
    }

    async fn drop(&mut self, blob: Resource<HostBlob>) -> wasmtime::Result<()> {
        self.table.delete(blob)?;
        self.files -= 1;
        Ok(())
    }
}

impl store::HostScan for Guest {
    async fn next(
        &mut self,
        scan: Resource<HostScan>,
        max_bytes: u32,
    ) -> Answer<Option<formats::Decoded>> {
        let HostScan(scan) = self.table.get_mut(&scan)?;
        let before = scan.held_bytes();
        let next = scan.next(max_bytes.max(SCAN_BYTES_MIN)).await;
        self.scanned = self.scanned - before + scan.held_bytes();
        if self.scanned > SCANS_BYTES_MAX {
            bail!(
                "its scans hold {} bytes of rows that they have begun, and may hold \
                 {SCANS_BYTES_MAX}",
                self.scanned
            );
        }
        Ok(match next {
            Ok(decoded) => Ok(decoded.map(|Decoded { batch, ends }| formats::Decoded {
                batch: convert::to_guest_batch(batch),
                ends,
            })),
            Err(ScanError::Objects(error)) => answer(&self.secrets, Err(error)),
            Err(ScanError::Decode { path, source: error }) => {
                Err(types::Fault::Fatal(types::Detail {
                    code: error.code().to_owned(),
                    message: self.secrets.hide(format!("`{path}`: {error}")),
                }))
            }
        })
    }

    async fn drop(&mut self, scan: Resource<HostScan>) -> wasmtime::Result<()> {
        let HostScan(scan) = self.table.delete(scan)?;
        self.scanned -= scan.held_bytes();
        self.files -= 1;
        Ok(())
    }
}

impl store::HostUpload for Guest {
    async fn write(&mut self, upload: Resource<HostUpload>, part: Vec<u8>) -> Answer<()> {
        let HostUpload(upload) = self.table.get(&upload)?;
        Ok(answer(&self.secrets, upload.write(part).await))
    }

    async fn write_from(
        &mut self,
        upload: Resource<HostUpload>,
        writer: Resource<HostWriter>,
        last: bool,
    ) -> Answer<()> {
        let HostWriter(encoder) = self.table.get_mut(&writer)?;
        if last {
            let before = encoder.buffered();
            encoder.finish();
            self.encoded += encoder.buffered() - before;
        }
        // Taken only once it is written: after a fault the guest sends it again.
        let part = encoder.encoded().to_vec();
        let HostUpload(upload) = self.table.get(&upload)?;
        let written = upload.write(part).await;
        if written.is_ok() {
            self.encoded -= self.table.get_mut(&writer)?.0.take().len();
        }
        Ok(answer(&self.secrets, written))
    }

    async fn drop(&mut self, upload: Resource<HostUpload>) -> wasmtime::Result<()> {
        self.table.delete(upload)?;
        self.files -= 1;
        Ok(())
    }
}

/// Files cost the whole worker: it may open so many for one instance.
fn too_many_files() -> types::Fault {
    types::Fault::Config(types::Detail {
        code: "too-many-files".to_owned(),
        message: format!(
            "an instance may have {FILES_MAX} files open; give the connector more tasks"
        ),
    })
}

fn object(object: Object) -> store::Object {
    store::Object {
        path: object.path,
        size: object.size,
        etag: object.etag,
        modified_ms: object.modified_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_words_hold_no_secret_after_it_is_open_either() {
        let error = ObjectsError::NotFound { path: "in/hunter22/a".to_owned() };
        let fault = answer::<()>(&Secrets::of(&["hunter22"]), Err(error)).unwrap_err();
        assert!(format!("{fault:?}").contains("in/********/a"), "{fault:?}");
    }
}
