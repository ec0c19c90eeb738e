//! The files of a topic-partition that were begun at one offset and end at one, from
//! their first record to their finish.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use longshore_sdk::formats::Writer;
use longshore_sdk::objects::{Bucket, Upload};
use longshore_sdk::{Fault, Records, Reject, host};

use super::places::Places;
use crate::names::{Boundary, Names, Seen};
use crate::options::SinkOptions;

/// A file sends what is encoded to its upload from so many bytes on: a worker has
/// sixteen tasks of many files each.
const SEND_BYTES: u64 = 256 << 10;

/// A boundary object is far smaller.
const BOUNDARY_BYTES_MAX: u32 = 1 << 16;

/// Files that are finished by one call: uploads of no more are begun for that.
const FINISHED_AT_ONCE: usize = 32;

/// Files that are not finished, one in each folder that had a record.
#[derive(Debug)]
pub(super) struct Open {
    /// The offset in their names.
    pub(super) start: i64,
    /// One past the last offset taken.
    pub(super) next: i64,
    /// Records taken.
    pub(super) count: u64,
    /// When the first record was taken, milliseconds since the epoch.
    pub(super) begun_ms: i64,
    /// Where an earlier life, or a finish that failed, decided that they end.
    pub(super) decided: Option<Boundary>,
    /// It was decided here: no such file can be there yet.
    ours: bool,
    ends: Option<(Seen, Seen)>,
    files: BTreeMap<Rc<str>, File>,
}

/// One of them.
#[derive(Debug)]
struct File {
    writer: Writer,
    /// Bytes encoded.
    encoded: u64,
    /// Of these, what went to the upload.
    sent: u64,
    upload: Option<Upload>,
}

impl Open {
    pub(super) fn begin(start: i64, decided: Option<Boundary>) -> Self {
        Self {
            start,
            next: start,
            count: 0,
            begun_ms: host::now_ms(),
            decided,
            ours: false,
            ends: None,
            files: BTreeMap::new(),
        }
    }

    /// The first record that was taken.
    pub(super) fn first(&self) -> Option<Seen> {
        self.ends.map(|(first, _)| first)
    }

    /// Whether a file was begun in the folder.
    pub(super) fn has(&self, folder: &str) -> bool {
        self.files.contains_key(folder)
    }

    /// How many files were begun.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// How many of them have uploads.
    pub(super) fn uploads(&self) -> usize {
        self.files.values().filter(|file| file.upload.is_some()).count()
    }

    /// Takes the records of a run, of which `first` and `last` are the ends.
    pub(super) fn take(
        &mut self,
        options: &SinkOptions,
        records: &Records,
        run: Range<usize>,
        places: &Places,
        ends: (Seen, Seen),
    ) -> Result<Vec<Reject>, Fault> {
        let mut rejects = Vec::new();
        let mut runs: BTreeMap<Rc<str>, Vec<u32>> = BTreeMap::new();
        match places {
            Places::One(folder) => {
                runs.insert(Rc::clone(folder), (run.start as u32..run.end as u32).collect());
            }
            Places::Each(folders) => {
                for at in run.clone() {
                    match &folders[at] {
                        Ok(folder) => runs.entry(Rc::clone(folder)).or_default().push(at as u32),
                        Err(why) => rejects.push(Reject::new(at as u32, why.code, &why.message)),
                    }
                }
            }
        }
        // A file that cannot be begun leaves none of the run's records in another.
        for folder in runs.keys() {
            if !self.files.contains_key(folder) {
                let writer = Writer::create(options.format.name(), "{}")?;
                self.files.insert(Rc::clone(folder), File::begin(writer));
            }
        }
        for (at, (folder, which)) in runs.into_iter().enumerate() {
            let file = self.files.get_mut(&folder).expect("it was begun above");
            let appended = file.writer.append(records, &which).map_err(|fault| match at {
                0 => fault,
                // The same call again would write the others twice: a restart does not.
                _ => Fault::fatal("half-written", fault.detail().message.clone()),
            });
            rejects.extend(appended?);
            file.encoded = file.writer.size();
        }
        rejects.sort_by_key(|reject| reject.at);
        let (first, last) = ends;
        self.ends = Some((self.first().unwrap_or(first), last));
        self.next = last.offset + 1;
        self.count += run.len() as u64;
        Ok(rejects)
    }

    /// Bytes sent to the uploads.
    pub(super) fn sent(&self) -> u64 {
        self.files.values().map(|file| file.sent).sum()
    }

    /// Bytes encoded and not yet sent to the uploads.
    pub(super) fn unsent(&self) -> u64 {
        self.files.values().map(File::unsent).sum()
    }

    /// Sends what is encoded where there is so much of it.
    pub(super) fn send(
        &mut self,
        bucket: &Bucket,
        names: &Names,
        from_bytes: u64,
    ) -> Result<(), Fault> {
        for (folder, file) in &mut self.files {
            if file.unsent() >= from_bytes {
                file.send(bucket, &names.file(folder, self.start), false)?;
            }
        }
        Ok(())
    }

    /// Sends what is encoded when it is worth it.
    pub(super) fn send_if_large(&mut self, bucket: &Bucket, names: &Names) -> Result<(), Fault> {
        self.send(bucket, names, SEND_BYTES)
    }

    /// Finishes the files; answers where the next begin. After a fault they can
    /// be finished again: each step leaves what it did.
    pub(super) fn finish(&mut self, bucket: &Bucket, names: &Names) -> Result<i64, Fault> {
        let next = self.decided.as_ref().map_or(self.next, |decided| decided.next);
        // All of its records were refused: a file without records is none.
        self.files.retain(|_, file| file.encoded > 0);
        if self.files.is_empty() {
            return Ok(next);
        }
        self.decide(bucket, names)?;
        while !self.files.is_empty() {
            let mut finishing: Vec<_> = self.files.iter_mut().take(FINISHED_AT_ONCE).collect();
            for (folder, file) in &mut finishing {
                file.send(bucket, &names.file(folder, self.start), true)?;
            }
            let uploads: Vec<_> = finishing
                .iter()
                .map(|(_, file)| file.upload.as_ref().expect("it was sent above"))
                .collect();
            let answers = bucket.finish(&uploads, true);
            let folders: Vec<_> = finishing.iter().map(|(folder, _)| Rc::clone(folder)).collect();
            for (folder, answer) in folders.into_iter().zip(answers) {
                if !answer? && self.ours {
                    return Err(without_boundary(&names.file(&folder, self.start)));
                }
                self.files.remove(&folder);
            }
        }
        Ok(next)
    }

    /// Puts the boundary object.
    fn decide(&mut self, bucket: &Bucket, names: &Names) -> Result<(), Fault> {
        if self.decided.is_some() {
            return Ok(());
        }
        let (first, last) = self.ends.expect("a file with bytes has records");
        let layout = Some(names.layout().to_owned());
        let own = Boundary { next: self.next, first, last, layout };
        let path = names.boundary(self.start);
        if bucket.put_if_absent(&path, &own.write())? {
            (self.decided, self.ours) = (Some(own), true);
            return Ok(());
        }
        let found = read_boundary(bucket, &path)?;
        if !found.agrees(first) {
            return Err(foreign(&path, first));
        }
        if !found.is_laid_out_as(names.layout()) {
            return Err(other_layout(&path, &found, names.layout()));
        }
        if (found.next, found.last) == (own.next, own.last) {
            self.decided = Some(own);
            return Ok(());
        }
        let message = format!(
            "`{path}` ends the file at offset {} and this task at {}: another task wrote \
             this partition; a restart goes on from what is committed",
            found.next, self.next
        );
        Err(Fault::fatal("boundary-conflict", message))
    }
}

impl File {
    fn begin(writer: Writer) -> Self {
        Self { writer, encoded: 0, sent: 0, upload: None }
    }

    fn unsent(&self) -> u64 {
        self.encoded - self.sent
    }

    fn send(&mut self, bucket: &Bucket, path: &str, last: bool) -> Result<(), Fault> {
        let upload = match &self.upload {
            Some(upload) => upload,
            None => self.upload.insert(bucket.upload(path)?),
        };
        upload.write_from(&self.writer, last)?;
        self.encoded = self.writer.size();
        self.sent = self.encoded;
        Ok(())
    }
}

pub(super) fn read_boundary(bucket: &Bucket, path: &str) -> Result<Boundary, Fault> {
    Boundary::read(path, &bucket.blob(path)?.read(0, BOUNDARY_BYTES_MAX)?)
}

fn without_boundary(path: &str) -> Fault {
    let message = format!(
        "`{path}` is there without its boundary object: it is not of this topic's life; \
         empty the folder or choose another `path`"
    );
    Fault::config("foreign-files", message)
}

/// The options that name the files of a boundary were changed.
pub(super) fn other_layout(path: &str, boundary: &Boundary, layout: &str) -> Fault {
    let theirs = boundary.layout.as_deref().unwrap_or_default();
    let message = format!(
        "`{path}` tells of files up to offset {} that are laid out as `{theirs}`, and the options \
         say `{layout}` now: their records would be written to other files once more. Put the \
         options back until offset {} is committed, or choose another `path`",
        boundary.next, boundary.next
    );
    Fault::config("layout-changed", message)
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
