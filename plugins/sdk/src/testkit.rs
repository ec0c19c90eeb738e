//! All imports played natively, for a plugin's unit tests.
//!
//! ```
//! use longshore_sdk::testkit::Testkit;
//!
//! let kit = Testkit::new();
//! kit.connection("files");
//! kit.put_object("files", "a.txt", b"one\ntwo\n");
//! // ... open a source natively, poll it ...
//! assert_eq!(kit.logged(), Vec::<String>::new());
//! ```
//!
//! Each thread has a world of its own, so tests run side by side; a new
//! [`Testkit`] empties it. The clock stands still unless the test moves it.

mod hosted;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use crate::host::Level;
use crate::http::{Failure, Request, Response};
use crate::objects::Object;
use crate::search::{self, Operation, Outcome};
use crate::{Batch, Checkpoint, Config, Fault, Next, Output, Records, Source};

pub use hosted::Hosted;

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: Level,
    /// Its message.
    pub message: String,
    /// Names and values beside the message.
    pub fields: Vec<(String, String)>,
}

/// How a source ended a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionEnd {
    /// With [`commit`](crate::transactions::commit).
    Commit,
    /// With [`abort`](crate::transactions::abort).
    Abort,
}

#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) bytes: Vec<u8>,
    pub(crate) modified_ms: i64,
    /// Another one for each object put; a file that grows keeps its own.
    pub(crate) etag: u64,
}

impl Stored {
    pub(crate) fn about(&self, path: &str) -> Object {
        Object {
            path: path.to_owned(),
            size: self.bytes.len() as u64,
            etag: self.etag.to_string(),
            modified_ms: self.modified_ms,
        }
    }
}

type Server = dyn Fn(&Request) -> Result<Response, Failure>;

/// A server that the test plays.
#[derive(Clone)]
pub(crate) struct Played(pub(crate) Rc<Server>);

impl std::fmt::Debug for Played {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Played")
    }
}

type Engine = dyn Fn(&Operation) -> Result<Outcome, search::Failure>;

/// A search engine that the test plays.
#[derive(Clone)]
pub(crate) struct PlayedCluster(pub(crate) Rc<Engine>);

impl std::fmt::Debug for PlayedCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlayedCluster")
    }
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) log: Vec<LogLine>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) gauges: BTreeMap<String, f64>,
    pub(crate) observed: BTreeMap<String, Vec<f64>>,
    pub(crate) stopping: bool,
    pub(crate) now_ms: i64,
    pub(crate) random: u64,
    pub(crate) checkpoints: BTreeMap<String, String>,
    pub(crate) schemas: Vec<String>,
    pub(crate) state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) objects: BTreeMap<String, BTreeMap<String, Stored>>,
    pub(crate) servers: BTreeMap<String, Played>,
    pub(crate) clusters: BTreeMap<String, PlayedCluster>,
    pub(crate) etags: u64,
    pub(crate) uploads: usize,
    pub(crate) put_ms: i64,
    pub(crate) list_ms: i64,
    pub(crate) unpinned: bool,
    pub(crate) transactions: Vec<TransactionEnd>,
}

impl World {
    /// An object as it is put now.
    pub(crate) fn stored(&mut self, bytes: Vec<u8>) -> Stored {
        self.etags += 1;
        Stored { bytes, modified_ms: self.now_ms, etag: self.etags }
    }
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

pub(crate) fn with_world<R>(call: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(call)
}

/// The world of this thread.
#[derive(Debug)]
pub struct Testkit {
    /// It stays on its thread.
    bound: PhantomData<Rc<()>>,
}

impl Default for Testkit {
    fn default() -> Self {
        Self::new()
    }
}

impl Testkit {
    /// An empty world at 2024-01-01T00:00:00Z.
    pub fn new() -> Self {
        with_world(|world| *world = World { now_ms: 1_704_067_200_000, ..World::default() });
        Self { bound: PhantomData }
    }

    /// Grants a connection to an empty object store.
    pub fn connection(&self, name: &str) {
        with_world(|world| {
            world.objects.entry(name.to_owned()).or_default();
        });
    }

    /// Grants a connection to an HTTP server, whose answers are the test's.
    pub fn server(
        &self,
        connection: &str,
        answer: impl Fn(&Request) -> Result<Response, Failure> + 'static,
    ) {
        let played = Played(Rc::new(answer));
        with_world(|world| world.servers.insert(connection.to_owned(), played));
    }

    /// Grants a connection to a search engine, whose answers are the test's.
    pub fn cluster(
        &self,
        connection: &str,
        answer: impl Fn(&Operation) -> Result<Outcome, search::Failure> + 'static,
    ) {
        let played = PlayedCluster(Rc::new(answer));
        with_world(|world| world.clusters.insert(connection.to_owned(), played));
    }

    /// Puts an object, replacing what was there.
    pub fn put_object(&self, connection: &str, path: &str, bytes: &[u8]) {
        with_world(|world| {
            let stored = world.stored(bytes.to_vec());
            world.objects.entry(connection.to_owned()).or_default().insert(path.to_owned(), stored);
        });
    }

    /// Changes an object's bytes in place, as a local file grows or is cut: it
    /// keeps its etag.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn change_object(&self, connection: &str, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        with_world(|world| {
            let objects = world.objects.get_mut(connection).expect("the connection is there");
            change(&mut objects.get_mut(path).expect("the object is there").bytes);
        });
    }

    /// Renames an object, which keeps its etag.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn rename_object(&self, connection: &str, from: &str, to: &str) {
        with_world(|world| {
            let objects = world.objects.get_mut(connection).expect("the connection is there");
            let stored = objects.remove(from).expect("the object is there");
            objects.insert(to.to_owned(), stored);
        });
    }

    /// Deletes an object.
    pub fn delete_object(&self, connection: &str, path: &str) {
        with_world(|world| world.objects.get_mut(connection).map(|objects| objects.remove(path)));
    }

    /// The bytes of an object.
    pub fn object(&self, connection: &str, path: &str) -> Option<Vec<u8>> {
        with_world(|world| Some(world.objects.get(connection)?.get(path)?.bytes.clone()))
    }

    /// The paths of all objects, sorted.
    pub fn paths(&self, connection: &str) -> Vec<String> {
        with_world(|world| {
            world.objects.get(connection).map(|o| o.keys().cloned().collect()).unwrap_or_default()
        })
    }

    /// Saves checkpoints, as the host does once the outputs are durable.
    pub fn save(&self, saved: &[Checkpoint]) {
        with_world(|world| {
            for checkpoint in saved {
                match &checkpoint.offset {
                    Some(offset) => {
                        world.checkpoints.insert(checkpoint.partition.clone(), offset.clone())
                    }
                    None => world.checkpoints.remove(&checkpoint.partition),
                };
            }
        });
    }

    /// All saved checkpoints.
    pub fn checkpoints(&self) -> BTreeMap<String, String> {
        with_world(|world| world.checkpoints.clone())
    }

    /// All keyed state.
    pub fn state(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        with_world(|world| world.state.clone())
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        with_world(|world| world.now_ms += by.as_millis() as i64);
    }

    /// How long each object takes from now on until it is put.
    pub fn puts_take(&self, time: Duration) {
        with_world(|world| world.put_ms = time.as_millis() as i64);
    }

    /// How long each page of a listing takes from now on, of objects or of checkpoints.
    pub fn lists_take(&self, time: Duration) {
        with_world(|world| world.list_ms = time.as_millis() as i64);
    }

    /// From now on an object that is deleted cannot be read on, as in S3; a local file
    /// stays with those who have it open.
    pub fn deleted_objects_are_gone(&self) {
        with_world(|world| world.unpinned = true);
    }

    /// Whether the host wants the task to finish.
    pub fn stop(&self, stopping: bool) {
        with_world(|world| world.stopping = stopping);
    }

    /// The messages logged so far.
    pub fn logged(&self) -> Vec<String> {
        with_world(|world| world.log.iter().map(|line| line.message.clone()).collect())
    }

    /// How transactions were ended so far.
    pub fn transactions(&self) -> Vec<TransactionEnd> {
        with_world(|world| world.transactions.clone())
    }

    /// A counter's value.
    pub fn counter(&self, metric: &str) -> u64 {
        with_world(|world| world.counters.get(metric).copied().unwrap_or(0))
    }

    /// A handle on `batch`, as a sink or a processor is given it.
    pub fn records(&self, batch: Batch) -> Records {
        Records { batch: Rc::new(batch) }
    }

    /// A batch as read from a topic: offsets from `first_offset`.
    pub fn from_topic(
        &self,
        first_offset: i64,
        records: &[(Option<&str>, Option<&str>)],
    ) -> Records {
        let mut batch = Batch::new();
        for (key, value) in records {
            batch.push(key.map(str::as_bytes), value.map(str::as_bytes));
        }
        batch.columns.offset = (first_offset..).take(records.len()).collect();
        self.records(batch)
    }

    /// Plans and runs every task of a source until none has more to read now,
    /// saving each poll's checkpoints. Gives the outputs in order.
    pub fn run_source<S: Source>(&self, config: &Config) -> Result<Vec<Output>, Fault> {
        let mut outputs = Vec::new();
        for task in S::plan(config, 1)? {
            let mut source = S::open(config, &task)?;
            for polls in 1.. {
                let polled = source.poll(Duration::ZERO, 1 << 20)?;
                outputs.extend(polled.outputs);
                self.save(&polled.saved);
                source.committed(polls)?;
                if polled.next != Next::More {
                    break;
                }
            }
            source.close();
        }
        Ok(outputs)
    }
}
