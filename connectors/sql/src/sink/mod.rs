//! Records of topics to rows of tables: `sql-sink`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`partition`] | one topic-partition: what of it waits, and how far it is written |
//! | [`buffer`] | rows that wait, in the groups that one statement writes |
//! | [`store`] | the database as the sink needs it |
//!
//! What a call brings is written by a later one, together with its position: a record
//! that this call refuses has its dead letter before any position passes it.

pub mod buffer;
pub mod partition;
pub mod store;

use std::collections::BTreeMap;

use longshore_sdk::host::now_ms;
use longshore_sdk::sql::Database;
use longshore_sdk::values::Schemas;
use longshore_sdk::{
    About, Config, ConfigError, Fault, Form, Mark, Partition, Plugin, Progress, Records, Reject,
    Sink,
};
use serde_json::Value;

use crate::options::SinkOptions;
use crate::plan::{Place, row, table};
use crate::state::Positions;
use crate::tables::Tables;
use partition::{Desk, Writing};
use store::{Store, Transaction};

/// What the rows of all partitions may take in memory before they are written.
const BUFFERED_BYTES_MAX: usize = 32 << 20;

/// How long a call goes on to other partitions. One that waits for a lock may take as long
/// as a statement more, and a call has 30 seconds.
const CALL_TIME_MAX_MS: i64 = 8_000;

/// A task of the sink over any database.
#[derive(Debug)]
pub struct Task<S> {
    desk: Desk<S>,
    partitions: BTreeMap<(String, u32), Writing>,
    schemas: Schemas,
    /// The partition that was written last, so that each has its turn.
    last: Option<(String, u32)>,
}

impl<S: Store> Task<S> {
    /// Opens the task; the table of the positions is made if it is not there.
    pub fn open(store: S, options: SinkOptions) -> Result<Self, Fault> {
        let positions = Positions::open(&store, &options.offsets_table, &options.name)?;
        let desk = Desk { options, store, positions, tables: Tables::default() };
        Ok(Self { desk, partitions: BTreeMap::new(), schemas: Schemas::new(), last: None })
    }

    /// Partitions come; each goes on where the database says.
    pub fn assigned(&mut self, partitions: &[Partition]) -> Result<Vec<Mark>, Fault> {
        let transaction = self.desk.store.begin()?;
        let mut marks = Vec::new();
        for partition in partitions {
            let position = self.desk.positions.read(&transaction, partition)?;
            let writing = Writing::new(partition.clone(), position);
            self.partitions.insert(key(partition), writing);
            marks.extend(position.map(|next| Mark { partition: partition.clone(), next }));
        }
        transaction.commit()?;
        Ok(marks)
    }

    /// Partitions go, with what of them is written.
    pub fn revoked(&mut self, partitions: &[Partition]) -> Progress {
        let mut progress = Progress::default();
        let until = now_ms() + CALL_TIME_MAX_MS;
        for partition in partitions {
            if let Some(mut writing) = self.partitions.remove(&key(partition)) {
                writing.begin();
                // Whoever has it next writes what is left.
                let has_time = now_ms() < until;
                let flushed = if has_time { writing.flush(&mut self.desk) } else { Ok(()) };
                writing.tell(flushed, &mut progress);
            }
        }
        progress
    }

    /// Takes records of one partition up, after what waited of it is written.
    pub fn put(
        &mut self,
        from: &Partition,
        topic: &str,
        records: &Records,
    ) -> Result<Vec<Reject>, Fault> {
        self.make_room(from)?;
        let Self { desk, partitions, schemas, .. } = self;
        let writing = partitions.get_mut(&key(from)).ok_or_else(|| unassigned(from))?;
        let table = table(&desk.options, topic);
        let batch = records.read();
        let mut rejects = Vec::new();
        for record in batch.iter() {
            let offset = record.offset.unwrap_or_default();
            let datums = schemas.key(&record).and_then(|key| Ok((key, schemas.value(&record)?)));
            let (key, value) = match datums {
                Ok(datums) => datums,
                Err(error) => {
                    rejects.push(Reject::new(record.at, "not-a-value", error));
                    continue;
                }
            };
            let place = Place { topic: &from.topic, partition: from.number, offset };
            match row(&desk.options, place, &key, &value) {
                Ok(planned) => writing.buffer.push(&desk.options, &table, offset, planned),
                Err((code, words)) => rejects.push(Reject::new(record.at, code, words)),
            }
        }
        if let Some(last) = batch.columns.offset.last() {
            writing.given(last + 1);
        }
        Ok(rejects)
    }

    /// Writes what waits of the partitions, as many as there is time for, each in its turn.
    /// One's trouble does not hold up the others.
    pub fn write(&mut self) -> Progress {
        let mut progress = Progress::default();
        let until = now_ms() + CALL_TIME_MAX_MS;
        for at in self.turns() {
            if now_ms() >= until {
                break;
            }
            let writing = self.partitions.get_mut(&at).expect("it was there just now");
            writing.begin();
            let flushed = writing.flush(&mut self.desk);
            writing.tell(flushed, &mut progress);
            self.last = Some(at);
        }
        progress
    }

    /// All partitions, beginning behind the one that was written last.
    fn turns(&self) -> Vec<(String, u32)> {
        let mut all: Vec<_> = self.partitions.keys().cloned().collect();
        let done = self.last.as_ref().map_or(0, |last| all.partition_point(|at| at <= last));
        all.rotate_left(done);
        all
    }

    fn make_room(&mut self, from: &Partition) -> Result<(), Fault> {
        let bytes: usize = self.partitions.values().map(|it| it.buffer.bytes()).sum();
        let full = bytes > BUFFERED_BYTES_MAX;
        let writing = self.partitions.get_mut(&key(from)).ok_or_else(|| unassigned(from))?;
        writing.begin();
        if full || writing.is_unsure() || writing.buffer.rows() >= self.desk.options.batch_size {
            writing.flush(&mut self.desk)?;
        }
        if writing.is_unsure() {
            let words = "nobody knows yet how the last transaction ended";
            return Err(Fault::retry("position-unsure", words));
        }
        if !full {
            return Ok(());
        }
        let until = now_ms() + CALL_TIME_MAX_MS;
        for writing in self.partitions.values_mut().take_while(|_| now_ms() < until) {
            // What goes wrong is told of each by the next `tick`.
            writing.begin();
            let _ = writing.flush(&mut self.desk);
        }
        let bytes: usize = self.partitions.values().map(|it| it.buffer.bytes()).sum();
        match bytes > BUFFERED_BYTES_MAX {
            true => Err(Fault::retry("buffer-full", "rows wait that cannot be written yet")),
            false => Ok(()),
        }
    }
}

fn key(partition: &Partition) -> (String, u32) {
    (partition.topic.clone(), partition.number)
}

fn unassigned(partition: &Partition) -> Fault {
    let Partition { topic, number } = partition;
    Fault::fatal("not-assigned", format!("{topic}-{number} was not assigned to this task"))
}

/// The task of `sql-sink`.
#[derive(Debug)]
pub struct SqlSink(Task<Database>);

impl Plugin for SqlSink {
    const ABOUT: About = About {
        name: "sql-sink",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes records to tables of a database, each exactly once",
    };
    const INPUT: Form = Form::Values;

    fn config_schema() -> Value {
        SinkOptions::schema()
    }

    fn validate(config: &Config) -> Vec<ConfigError> {
        SinkOptions::read(config).err().unwrap_or_default()
    }
}

impl Sink for SqlSink {
    fn open(config: &Config) -> Result<Self, Fault> {
        let options = SinkOptions::read(config).map_err(|errors| {
            errors.into_iter().next().expect("options that are refused have an error")
        })?;
        let database = Database::open(&options.connection)?;
        Ok(Self(Task::open(database, options)?))
    }

    fn assigned(&mut self, partitions: &[Partition]) -> Result<Vec<Mark>, Fault> {
        self.0.assigned(partitions)
    }

    fn revoked(&mut self, partitions: &[Partition]) -> Result<Progress, Fault> {
        Ok(self.0.revoked(partitions))
    }

    fn put(
        &mut self,
        from: &Partition,
        topic: &str,
        records: Records,
    ) -> Result<Vec<Reject>, Fault> {
        self.0.put(from, topic, &records)
    }

    fn tick(&mut self) -> Result<Progress, Fault> {
        Ok(self.0.write())
    }

    fn drain(&mut self) -> Result<Progress, Fault> {
        Ok(self.0.write())
    }
}
