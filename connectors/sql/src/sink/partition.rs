//! One topic-partition: what of it waits, and how far it is written.

use longshore_sdk::{Fault, LateReject, Mark, Partition, Progress, Stalled};

use super::buffer::{Buffer, Group};
use super::store::{Store, Transaction};
use crate::dialect::{Target, statement};
use crate::format::column;
use crate::options::{InsertMode, SinkOptions};
use crate::plan::Deed;
use crate::state::Positions;
use crate::tables::{Tables, find};

/// What all partitions of a task write with.
#[derive(Debug)]
pub struct Desk<S> {
    /// The options.
    pub options: SinkOptions,
    /// The database.
    pub store: S,
    /// Where the positions are.
    pub positions: Positions,
    /// The tables.
    pub tables: Tables,
}

/// A partition that is being written.
#[derive(Debug)]
pub struct Writing {
    partition: Partition,
    /// Rows of earlier calls.
    pub buffer: Buffer,
    /// Where the database says that it goes on; `None` where it says nothing.
    position: Option<i64>,
    /// One past the last offset given.
    next: Option<i64>,
    /// What a commit may have made the position, of which nothing was heard.
    unsure: Option<i64>,
    /// Refused, and not told yet.
    late: Vec<LateReject>,
    /// What was refused is told with the call that runs, or not at all yet: its dead
    /// letters are not written, so no position may pass it.
    held: bool,
    told: Option<i64>,
}

impl Writing {
    /// Begins where the database says.
    pub fn new(partition: Partition, position: Option<i64>) -> Self {
        Self {
            partition,
            buffer: Buffer::default(),
            position,
            next: None,
            unsure: None,
            late: Vec::new(),
            held: false,
            told: position,
        }
    }

    /// Another call: what was told with the last one is known.
    pub fn begin(&mut self) {
        self.held &= !self.late.is_empty();
    }

    /// Everything below was given.
    pub fn given(&mut self, next: i64) {
        self.next = Some(next);
    }

    /// Whether it must be found out first how the last transaction ended.
    pub fn is_unsure(&self) -> bool {
        self.unsure.is_some()
    }

    /// Writes what waits, with its position, in one transaction. Rows that the database
    /// refuses are taken out, and nothing is written: they must be told before.
    pub fn flush<S: Store>(&mut self, desk: &mut Desk<S>) -> Result<(), Fault> {
        let Some(next) = self.next.filter(|next| self.position != Some(*next)) else {
            return Ok(());
        };
        if self.held {
            return Ok(());
        }
        let written = self.write(desk, next);
        if written.is_err() {
            // They may be others than they were.
            desk.tables.forget();
        }
        written
    }

    fn write<S: Store>(&mut self, desk: &mut Desk<S>, next: i64) -> Result<(), Fault> {
        if self.unsure.is_some() && self.settle(desk)? {
            return Ok(());
        }
        let mut refused = Vec::new();
        let mut fitted = Vec::new();
        for group in self.buffer.groups() {
            let (table, columns) = (&group.table, &group.columns);
            let Desk { options, store, tables, .. } = &mut *desk;
            match tables.fit(store, options, table, columns, group.deed)? {
                Ok(there) => fitted.push(there),
                Err(unfit) => {
                    for row in &group.rows {
                        refused.push(self.late(row.offset, "missing-column", &unfit.0));
                    }
                }
            }
        }
        if !refused.is_empty() {
            self.refuse(refused);
            return Ok(());
        }
        let transaction = desk.store.begin()?;
        let found = desk.positions.read(&transaction, &self.partition)?;
        if found != self.position {
            return Err(self.other(found));
        }
        for (group, there) in self.buffer.groups().iter().zip(&fitted) {
            if there.is_empty() {
                continue;
            }
            refused.extend(self.apply(desk, &transaction, group, there)?);
        }
        if !refused.is_empty() {
            drop(transaction);
            self.refuse(refused);
            return Ok(());
        }
        let anew = self.position.is_none();
        if !desk.positions.write(&transaction, &self.partition, next, anew)? {
            return Err(self.other(None));
        }
        self.unsure = Some(next);
        transaction.commit()?;
        self.done(Some(next));
        Ok(())
    }

    /// Finds out how the last transaction ended. True: it was durable after all, and
    /// nothing was added since.
    fn settle<S: Store>(&mut self, desk: &mut Desk<S>) -> Result<bool, Fault> {
        let transaction = desk.store.begin()?;
        let found = desk.positions.read(&transaction, &self.partition)?;
        transaction.commit()?;
        if found == self.unsure {
            self.done(found);
            return Ok(true);
        }
        if found != self.position {
            return Err(self.moved(found));
        }
        // A row that is there was held by the transaction until it ended. Without one it
        // may still be at it.
        if found.is_some() {
            self.unsure = None;
        }
        Ok(false)
    }

    /// Another position than the one that was looked for: of the transaction of which
    /// nothing was heard, which the next try finds, or of somebody else.
    fn other(&self, found: Option<i64>) -> Fault {
        if self.unsure.is_some() && (found.is_none() || found == self.unsure) {
            let words = "the last transaction became durable late";
            return Fault::retry("position-unsure", words);
        }
        self.moved(found)
    }

    fn apply<S: Store>(
        &self,
        desk: &Desk<S>,
        transaction: &S::Transaction,
        group: &Group,
        there: &[longshore_sdk::sql::TableColumn],
    ) -> Result<Vec<LateReject>, Fault> {
        let dialect = desk.store.dialect();
        let rows = group.to_write(desk.options.insert_mode);
        let (mut columns, mut targets) = (Vec::new(), Vec::new());
        for (at, planned) in group.columns.iter().enumerate() {
            let cells = rows.iter().map(|row| &group.rows[*row].cells[at]);
            let (shape, column) = match column(cells, dialect) {
                Ok(made) => made,
                Err(why) => {
                    let words = format!("the column `{}`: {why}", planned.name);
                    let all = group.rows.iter();
                    return Ok(all
                        .map(|row| self.late(row.offset, "mixed-column", &words))
                        .collect());
                }
            };
            let own = find(there, &planned.name).ok_or_else(|| {
                Fault::retry("table-changed", format!("`{}` is gone", planned.name))
            })?;
            columns.push(column);
            targets.push(Target {
                name: &own.name,
                sql_type: &own.sql_type,
                key: planned.key,
                shape,
            });
        }
        let mode = desk.options.insert_mode;
        if mode == InsertMode::Update
            && group.deed == Deed::Write
            && targets.iter().all(|it| it.key)
        {
            // A row that has nothing but its key is as it was.
            return Ok(Vec::new());
        }
        let (statement, order) = statement(dialect, &group.table, group.deed, mode, &targets);
        let columns: Vec<_> = order.into_iter().map(|at| columns[at].clone()).collect();
        let rejects = transaction.apply(&statement, &columns)?;
        Ok(rejects
            .into_iter()
            .map(|reject| {
                let row = &group.rows[rows[reject.at as usize]];
                self.late(row.offset, &reject.why.code, &reject.why.message)
            })
            .collect())
    }

    fn late(&self, offset: i64, code: &str, message: &str) -> LateReject {
        LateReject {
            partition: self.partition.clone(),
            offset,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    fn refuse(&mut self, refused: Vec<LateReject>) {
        let offsets: Vec<_> = refused.iter().map(|reject| reject.offset).collect();
        self.buffer.refuse(&offsets);
        self.late.extend(refused);
        self.held = true;
    }

    fn done(&mut self, position: Option<i64>) {
        self.position = position;
        self.unsure = None;
        self.buffer.clear();
    }

    fn moved(&self, found: Option<i64>) -> Fault {
        let Partition { topic, number } = &self.partition;
        let words = format!(
            "the database has another position of {topic}-{number} than this task left there \
             ({found:?}, not {:?}): somebody else writes it, or changed it",
            self.position
        );
        Fault::fatal("position-moved", words)
    }

    /// Tells what became durable and what was refused, and what went wrong.
    pub fn tell(&mut self, flushed: Result<(), Fault>, progress: &mut Progress) {
        if let Some(next) = self.position.filter(|_| self.position != self.told) {
            progress.marks.push(Mark { partition: self.partition.clone(), next });
            self.told = self.position;
        }
        progress.rejects.append(&mut self.late);
        if let Err(fault) = flushed {
            progress.stalled.push(Stalled { partition: self.partition.clone(), fault });
        }
    }
}
