//! Rows of objects, here called files, to a topic, as by `file-source` and `s3-source`.
//!
//! A pass goes over the files in byte order of their paths and reads each from
//! where it was read to. Bounded, one pass is all; with `tail`, pass follows
//! pass, and a file is opened again only when it changed.

mod files;
mod positions;
mod rows;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::time::Duration;

use longshore_sdk::objects::{Bucket, Object, Scan};
use longshore_sdk::{About, Config, ConfigError, Fault, Next, Plugin, Polled, Source, Task, host};
use serde_json::{Value, json};

use crate::kind::Kind;
use crate::options::{SourceOptions, first};
use crate::plan::{Share, plan};
use crate::state::{Position, Start};

use files::Files;
use positions::Positions;
use rows::Rows;

/// A poll without a wait may still look at files for so long.
const LOOK_MS_MIN: i64 = 50;

/// One task of a source.
#[derive(Debug)]
pub struct ObjectSource<K> {
    options: SourceOptions,
    bucket: Bucket,
    files: Files,
    positions: Positions,
    /// The file whose turn it is; kept over a fault, to be tried again.
    current: Option<Object>,
    reading: Option<Reading>,
    /// Rows were found in this pass.
    found: bool,
    /// Told with the next poll, since this one had rows to give out.
    trouble: Option<Fault>,
    kind: PhantomData<K>,
}

/// A file being read.
#[derive(Debug)]
struct Reading {
    scan: Scan,
    etag: String,
}

impl<K: Kind> Plugin for ObjectSource<K> {
    const ABOUT: About = K::SOURCE;

    fn config_schema() -> Value {
        SourceOptions::schema::<K>()
    }

    fn validate(config: &Config) -> Vec<ConfigError> {
        SourceOptions::read::<K>(config).err().unwrap_or_default()
    }
}

impl<K: Kind> Source for ObjectSource<K> {
    fn plan(config: &Config, max_tasks: u32) -> Result<Vec<Task>, Fault> {
        Ok(plan(&SourceOptions::read::<K>(config).map_err(first)?, max_tasks))
    }

    fn open(config: &Config, task: &Task) -> Result<Self, Fault> {
        let options = SourceOptions::read::<K>(config).map_err(first)?;
        let share = Share::read(task)?;
        Ok(Self {
            bucket: Bucket::open(&options.connection)?,
            files: Files::new(options.globs.clone(), share),
            positions: Positions::new(options.tail, K::GROWS),
            current: None,
            reading: None,
            found: false,
            trouble: None,
            kind: PhantomData,
            options,
        })
    }

    fn poll(&mut self, wait: Duration, max_bytes: u32) -> Result<Polled, Fault> {
        if let Some(fault) = self.trouble.take() {
            return Err(fault);
        }
        let budget = max_bytes.min(self.options.batch_max_bytes).max(1);
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let deadline_ms = host::now_ms().saturating_add(wait_ms.max(LOOK_MS_MIN));
        let mut rows = Rows::default();
        let next = match self.gather(&mut rows, budget, deadline_ms) {
            Ok(next) => next,
            Err(fault) if rows.is_empty() => return Err(fault),
            Err(fault) => {
                self.trouble = Some(fault);
                Next::More
            }
        };
        Ok(rows.polled(&self.options.topic, next))
    }
}

impl<K: Kind> ObjectSource<K> {
    fn gather(&mut self, rows: &mut Rows, budget: u32, deadline_ms: i64) -> Result<Next, Fault> {
        let mut looked = false;
        loop {
            if rows.bytes() >= budget || host::stopping() {
                return Ok(Next::More);
            }
            if self.current.is_none() {
                // One file is looked at whatever the time, so that polls get on.
                if looked && host::now_ms() >= deadline_ms {
                    return Ok(Next::More);
                }
                looked = true;
                self.current = self.files.next(&self.bucket, &mut self.positions, rows)?;
            }
            let Some(object) = self.current.take() else {
                return self.pass_ended();
            };
            match self.read(&object, rows, budget) {
                Ok(true) => {}
                Ok(false) => self.current = Some(object),
                Err(fault) => {
                    self.reading = None;
                    self.current = Some(object);
                    return Err(fault);
                }
            }
        }
    }

    fn pass_ended(&mut self) -> Result<Next, Fault> {
        if !self.options.tail {
            if let Some(path) = self.files.missing() {
                let message = format!(
                    "there is no file `{path}` in the connection `{}`",
                    self.options.connection
                );
                return Err(Fault::config("no-such-file", message));
            }
            return Ok(Next::Done);
        }
        self.files.rewind();
        Ok(if std::mem::take(&mut self.found) { Next::More } else { Next::Idle })
    }

    /// Reads on in a file. True: it has no more for now.
    fn read(&mut self, object: &Object, rows: &mut Rows, budget: u32) -> Result<bool, Fault> {
        let path = object.path.as_str();
        let reading = match &mut self.reading {
            Some(reading) => reading,
            none => match open::<K>(&self.options, &self.bucket, &self.positions, object)? {
                Some(reading) => none.insert(reading),
                None => {
                    self.positions.looked(object);
                    return Ok(true);
                }
            },
        };
        let room = budget.saturating_sub(rows.bytes()).max(1);
        let decoded = match reading.scan.next(room) {
            Err(fault) if fault.detail().code == "not-found" => {
                host::warn(&format!("`{path}` was deleted while it was read; the rest is skipped"));
                self.reading = None;
                return Ok(true);
            }
            other => other.map_err(|fault| with_remedy(fault, path))?,
        };
        let Some(decoded) = decoded else {
            self.reading = None;
            self.positions.looked(object);
            return Ok(true);
        };
        if let Some(end) = decoded.ends.last() {
            let position = Position { position: *end, etag: Some(reading.etag.clone()) };
            rows.add(decoded.batch);
            rows.save(path, position.clone());
            self.positions.set(path, position);
            self.found = true;
        }
        Ok(false)
    }
}

/// Opens a file where it was read to; none if there is nothing more in it.
fn open<K: Kind>(
    options: &SourceOptions,
    bucket: &Bucket,
    positions: &Positions,
    object: &Object,
) -> Result<Option<Reading>, Fault> {
    let path = object.path.as_str();
    if positions.unchanged(object) {
        return Ok(None);
    }
    let before = positions.get(path);
    if Position::start(before, object).position() >= object.size {
        return Ok(None);
    }
    let blob = match bucket.blob(path) {
        // Deleted since it was listed.
        Err(fault) if fault.detail().code == "not-found" => return Ok(None),
        other => other?,
    };
    // What is open now may be another file than what was listed.
    let object = blob.about()?;
    let start = Position::start(before, &object);
    match start {
        Start::New | Start::Resume(_) => {}
        Start::Truncated => {
            host::info(&format!("`{path}` was truncated; it is read from its start"))
        }
        Start::Replaced => {
            host::info(&format!("`{path}` is another file now; it is read from its start"))
        }
    }
    let format = json!({ "max-row-bytes": options.max_row_bytes }).to_string();
    let is_whole = !options.tail || !K::GROWS;
    let scan = blob.scan("lines", &format, start.position(), is_whole)?;
    Ok(Some(Reading { scan, etag: object.etag }))
}

fn with_remedy(fault: Fault, path: &str) -> Fault {
    let detail = fault.detail();
    if detail.code != "row-too-long" {
        return fault;
    }
    let place = if detail.message.contains(path) { String::new() } else { format!("`{path}`: ") };
    let message = format!(
        "{place}{}; raise `max.row.bytes`, and with it the topic's `max.message.bytes` and the \
         producer's `max.request.size`, or break the row up",
        detail.message
    );
    Fault::fatal("row-too-long", message)
}
