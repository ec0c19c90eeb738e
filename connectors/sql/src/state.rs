//! Positions: how far each partition is written, kept in the database with the data.
//!
//! A row for each partition says at which offset it goes on. It is read and written in
//! the transaction that writes the data, so data and position are durable together; and
//! whoever finds another position than the one that he left there writes nothing: a
//! worker that lost its membership and does not know it yet is stopped by that.

use longshore_sdk::sql::{Column, Dialect, RowStatement, Statement};
use longshore_sdk::{Fault, Partition};

use crate::dialect::table_name;
use crate::sink::store::{Store, Transaction};

/// The positions of one connector.
#[derive(Debug, Clone)]
pub struct Positions {
    dialect: Dialect,
    table: Vec<String>,
    connector: String,
}

impl Positions {
    /// The table is made if it is not there.
    pub fn open<S: Store>(store: &S, table: &[String], connector: &str) -> Result<Self, Fault> {
        if connector.is_empty() {
            let words = "a connector without a name has no positions";
            return Err(Fault::config("no-name", words));
        }
        let (dialect, table) = (store.dialect(), table.to_vec());
        if store.table(&table)?.is_none() {
            store.execute(&definition(dialect, &table))?;
        }
        Ok(Self { dialect, table, connector: connector.to_owned() })
    }

    fn place(&self, partition: &Partition) -> [Column; 3] {
        [
            Column::texts([Some(self.connector.as_str())]),
            Column::texts([Some(partition.topic.as_str())]),
            Column::ints([Some(i64::from(partition.number))]),
        ]
    }

    /// Where a partition goes on, held until the transaction's end; `None` where nothing
    /// of it was ever written.
    pub fn read<T: Transaction>(
        &self,
        transaction: &T,
        partition: &Partition,
    ) -> Result<Option<i64>, Fault> {
        let [one, two, three] = self.parameters();
        // SQLite's transactions hold the whole database.
        let hold = if self.dialect == Dialect::Sqlite { "" } else { " FOR UPDATE" };
        let table = table_name(self.dialect, &self.table);
        let statement = format!(
            "SELECT next_offset FROM {table} WHERE connector = {one} AND topic = {two} \
             AND kafka_partition = {three}{hold}"
        );
        let found = transaction.query(&statement, &self.place(partition))?;
        Ok(found.first().and_then(|column| column.int(0)))
    }

    /// Writes where a partition goes on: anew if nothing of it was ever written. False: it
    /// was there after all.
    pub fn write<T: Transaction>(
        &self,
        transaction: &T,
        partition: &Partition,
        next: i64,
        anew: bool,
    ) -> Result<bool, Fault> {
        let table = table_name(self.dialect, &self.table);
        let [connector, topic, number] = self.place(partition);
        let next = Column::ints([Some(next)]);
        let (statement, columns) = match (anew, self.dialect) {
            (true, Dialect::Postgresql) => (
                Statement::Arrays(format!(
                    "INSERT INTO {table} (connector, topic, kafka_partition, next_offset) \
                     SELECT u.a, u.b, u.c::integer, u.d \
                     FROM UNNEST($1::text[], $2::text[], $3::int8[], $4::int8[]) AS u(a, b, c, d)"
                )),
                [connector, topic, number, next],
            ),
            (true, _) => (
                Statement::Rows(RowStatement {
                    head: format!(
                        "INSERT INTO {table} (connector, topic, kafka_partition, next_offset) \
                         VALUES "
                    ),
                    row: "(?, ?, ?, ?)".to_owned(),
                    tail: String::new(),
                }),
                [connector, topic, number, next],
            ),
            (false, Dialect::Postgresql) => (
                Statement::Arrays(format!(
                    "UPDATE {table} AS t SET next_offset = u.a \
                     FROM UNNEST($1::int8[], $2::text[], $3::text[], $4::int8[]) AS u(a, b, c, d) \
                     WHERE t.connector = u.b AND t.topic = u.c AND t.kafka_partition = u.d"
                )),
                [next, connector, topic, number],
            ),
            (false, _) => (
                Statement::Each(format!(
                    "UPDATE {table} SET next_offset = ? \
                     WHERE connector = ? AND topic = ? AND kafka_partition = ?"
                )),
                [next, connector, topic, number],
            ),
        };
        Ok(transaction.apply(&statement, &columns)?.is_empty())
    }

    fn parameters(&self) -> [&'static str; 3] {
        match self.dialect {
            Dialect::Postgresql => ["$1", "$2", "$3"],
            Dialect::Mysql | Dialect::Sqlite => ["?", "?", "?"],
        }
    }
}

/// Names that differ in case alone are two, so MySQL's own order of text will not do.
fn definition(dialect: Dialect, table: &[String]) -> String {
    let (text, end) = match dialect {
        Dialect::Mysql => {
            ("VARCHAR(250) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", " ENGINE=InnoDB")
        }
        Dialect::Postgresql | Dialect::Sqlite => ("VARCHAR(250)", ""),
    };
    format!(
        "CREATE TABLE IF NOT EXISTS {} (connector {text} NOT NULL, topic {text} NOT NULL, \
         kafka_partition INTEGER NOT NULL, next_offset BIGINT NOT NULL, \
         PRIMARY KEY (connector, topic, kafka_partition)){end}",
        table_name(dialect, table)
    )
}
