//! One file being written, from its first record to its finish.

use longshore_sdk::formats::Writer;
use longshore_sdk::objects::{Bucket, Upload};
use longshore_sdk::{Fault, Records, Reject, host};

use crate::format::{Boundary, Names, Seen};
use crate::options::SinkOptions;

/// A file sends what is encoded to its upload from so many bytes on: a worker has
/// sixteen tasks of many files each.
const SEND_BYTES: u64 = 256 << 10;

/// A boundary object is far smaller.
const BOUNDARY_BYTES_MAX: u32 = 1 << 16;

/// A file that is not finished.
#[derive(Debug)]
pub(super) struct Open {
    /// The offset in its name.
    pub(super) start: i64,
    /// One past the last offset taken.
    pub(super) next: i64,
    /// Records taken.
    pub(super) count: u64,
    /// When its first record was taken, milliseconds since the epoch.
    pub(super) begun_ms: i64,
    /// Where an earlier life decided that it ends.
    pub(super) decided: Option<Boundary>,
    ends: Option<(Seen, Seen)>,
    writer: Writer,
    sent: u64,
    upload: Option<Upload>,
}

impl Open {
    pub(super) fn begin(
        options: &SinkOptions,
        start: i64,
        decided: Option<Boundary>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            start,
            next: start,
            count: 0,
            begun_ms: host::now_ms(),
            decided,
            ends: None,
            writer: Writer::create(options.format.name(), "{}")?,
            sent: 0,
            upload: None,
        })
    }

    /// Takes the records `which`, of which `first` and `last` are the ends.
    pub(super) fn take(
        &mut self,
        records: &Records,
        which: &[u32],
        first: Seen,
        last: Seen,
    ) -> Result<Vec<Reject>, Fault> {
        let rejects = self.writer.append(records, which)?;
        self.ends = Some((self.ends.map_or(first, |(first, _)| first), last));
        self.next = last.offset + 1;
        self.count += which.len() as u64;
        Ok(rejects)
    }

    /// Bytes encoded and not yet sent to the upload.
    pub(super) fn unsent(&self) -> u64 {
        self.writer.size() - self.sent
    }

    /// Sends what is encoded when it is worth it.
    pub(super) fn send_if_large(&mut self, bucket: &Bucket, names: &Names) -> Result<(), Fault> {
        if self.unsent() >= SEND_BYTES { self.send(bucket, names, false) } else { Ok(()) }
    }

    pub(super) fn send(&mut self, bucket: &Bucket, names: &Names, last: bool) -> Result<(), Fault> {
        let upload = match &self.upload {
            Some(upload) => upload,
            None => self.upload.insert(bucket.upload(&names.file(self.start))?),
        };
        upload.write_from(&self.writer, last)?;
        self.sent = self.writer.size();
        Ok(())
    }

    /// Finishes the file; answers where the next begins. After a fault it can
    /// be finished again: each step leaves what it did.
    pub(super) fn finish(&mut self, bucket: &Bucket, names: &Names) -> Result<i64, Fault> {
        let next = self.decided.as_ref().map_or(self.next, |decided| decided.next);
        if self.writer.size() == 0 {
            // All were refused: a file without records is none.
            return Ok(next);
        }
        let path = names.file(self.start);
        self.send(bucket, names, true)?;
        let ours = self.decide(bucket, names)?;
        let upload = self.upload.as_ref().expect("it was sent above");
        let mut answers = bucket.finish(&[upload], true);
        let finished = answers.pop().expect("an answer an upload")?;
        if !finished && ours {
            let message = format!(
                "`{path}` is there without its boundary object: it is not of this topic's life; \
                 empty the folder or choose another `path`"
            );
            return Err(Fault::config("foreign-files", message));
        }
        Ok(next)
    }

    /// Puts the boundary object. True: nobody had decided before.
    fn decide(&mut self, bucket: &Bucket, names: &Names) -> Result<bool, Fault> {
        if self.decided.is_some() {
            return Ok(false);
        }
        let (first, last) = self.ends.expect("a file with bytes has records");
        let own = Boundary { next: self.next, first, last };
        let path = names.boundary(self.start);
        if bucket.put_if_absent(&path, &own.write())? {
            return Ok(true);
        }
        let found = read_boundary(bucket, &path)?;
        if !found.agrees(first) {
            return Err(foreign(&path, first));
        }
        if found == own {
            self.decided = Some(own);
            return Ok(false);
        }
        let message = format!(
            "`{path}` ends the file at offset {} and this task at {}: another task wrote \
             this partition; a restart goes on from what is committed",
            found.next, self.next
        );
        Err(Fault::fatal("boundary-conflict", message))
    }
}

pub(super) fn read_boundary(bucket: &Bucket, path: &str) -> Result<Boundary, Fault> {
    Boundary::read(path, &bucket.blob(path)?.read(0, BOUNDARY_BYTES_MAX)?)
}

pub(super) fn foreign(boundary: &str, seen: Seen) -> Fault {
    let message = format!(
        "`{boundary}` tells of another record at offset {} (here it has the timestamp {}): the \
         folder holds files of an earlier topic of this name; empty it, choose another `path`, or \
         go on with the log that they came from (`longshore run --data-dir`)",
        seen.offset, seen.timestamp_ms
    );
    Fault::config("foreign-files", message)
}
