//! What the plugin contract's interface `sql` binds to.

use std::borrow::Cow;
use std::future::Future;
use std::ops::Range;

use tokio::time::timeout;

use longshore_driver_common::{Access, Denied};

use crate::classify::{Class, SqlError};
use crate::config::SqlConfig;
use crate::driver::{Dialect, Pool, Session};
use crate::limits::STATEMENT_TIME_MAX;

/// One column of many rows: an element a row, `None` for null.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// True and false.
    Booleans(Vec<Option<bool>>),
    /// Whole numbers.
    Ints(Vec<Option<i64>>),
    /// Floats.
    Floats(Vec<Option<f64>>),
    /// Text, and all that is written as text.
    Texts(Vec<Option<String>>),
    /// Bytes.
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Cells {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Booleans(cells) => cells.len(),
            Self::Ints(cells) => cells.len(),
            Self::Floats(cells) => cells.len(),
            Self::Texts(cells) => cells.len(),
            Self::Bytes(cells) => cells.len(),
        }
    }

    /// True without any row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes a row's cell is.
    pub(crate) fn bytes(&self, row: usize) -> usize {
        match self {
            Self::Booleans(_) => 1,
            Self::Ints(_) | Self::Floats(_) => 8,
            Self::Texts(cells) => cells[row].as_ref().map_or(1, String::len),
            Self::Bytes(cells) => cells[row].as_ref().map_or(1, Vec::len),
        }
    }
}

/// A column of what is sent or of what comes back.
pub type Column = Cells;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the dialect writes it.
    pub sql_type: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether the database has a value for it where none is given.
    pub defaulted: bool,
    /// Its place in the primary key, from 0.
    pub key: Option<u32>,
}

/// A statement of rows one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowStatement {
    /// What stands before the rows.
    pub head: String,
    /// A row, with a `?` for each column.
    pub row: String,
    /// What stands behind them.
    pub tail: String,
}

/// How the rows of a statement are bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Each column is one parameter, an array.
    Arrays(String),
    /// Rows one behind the other.
    Rows(RowStatement),
    /// Once a row.
    Each(String),
}

impl Statement {
    /// Its text, for one row.
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Arrays(text) | Self::Each(text) => text.into(),
            Self::Rows(RowStatement { head, row, tail }) => format!("{head}{row}{tail}").into(),
        }
    }
}

/// A row that the database refuses.
#[derive(Debug)]
pub struct Refused {
    /// Its index.
    pub row: usize,
    /// Why.
    pub error: SqlError,
}

/// A database, open for one task.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Pool,
    access: Access,
}

impl Database {
    /// Opens the database of a connection: it answers, and takes the user.
    pub async fn open(config: &SqlConfig, access: Access) -> Result<Self, SqlError> {
        let pool = Pool::new(config, matches!(access, Access::Write(_)))?;
        let database = Self { pool, access };
        drop(database.session().await?);
        Ok(database)
    }

    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        self.pool.dialect()
    }

    async fn session(&self) -> Result<Session, SqlError> {
        in_time("connecting", self.pool.session()).await
    }

    /// A table by its name, a schema before it or none.
    pub async fn table(&self, name: &[String]) -> Result<Option<Vec<TableColumn>>, SqlError> {
        let (schema, table) = match name {
            [table] => (None, table.as_str()),
            [schema, table] => (Some(schema.as_str()), table.as_str()),
            _ => return Err(SqlError::Misuse("a table's name has one part or two".to_owned())),
        };
        let mut session = self.session().await?;
        let columns = in_time("looking at a table", session.table(schema, table)).await;
        session.keep_if(columns.is_ok());
        Ok(columns?).map(|columns| (!columns.is_empty()).then_some(columns))
    }

    /// A statement by itself.
    pub async fn execute(&self, statement: &str) -> Result<(), SqlError> {
        self.access.check()?;
        self.dialect().gate(statement)?;
        let mut session = self.session().await?;
        let done = in_time("executing a statement", session.run(statement)).await;
        session.keep_if(done.is_ok());
        done
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Transaction, SqlError> {
        let mut session = self.session().await?;
        let begin = session.begin_statement(matches!(self.access, Access::Write(_)));
        in_time("beginning a transaction", session.run(begin)).await?;
        Ok(Transaction { session: Some(session), access: self.access.clone() })
    }
}

/// A transaction. Dropping it rolls back: its connection is closed.
#[derive(Debug)]
pub struct Transaction {
    /// None once it is over.
    session: Option<Session>,
    access: Access,
}

impl Transaction {
    /// Applies a statement to rows. Those that the database refuses are told, the
    /// others are applied.
    pub async fn apply(
        &mut self,
        statement: &Statement,
        columns: &[Column],
    ) -> Result<Vec<Refused>, SqlError> {
        self.access.check()?;
        let rows = columns.first().map_or(0, Column::len);
        if columns.iter().any(|column| column.len() != rows) {
            return Err(SqlError::Misuse("the columns of a statement differ in length".to_owned()));
        }
        let mut session = self.session.take().ok_or(SqlError::Over)?;
        session.dialect().gate(&statement.text())?;
        let mut refused = Vec::new();
        let mut open = Vec::new();
        if rows > 0 {
            open.push(0..rows);
        }
        while let Some(range) = open.pop() {
            match in_time("applying rows", within(&mut session, statement, columns, &range)).await {
                Ok(()) => {}
                Err(error) if error.class() == Class::Row => {
                    in_time("rolling rows back", session.run("ROLLBACK TO SAVEPOINT longshore"))
                        .await?;
                    let middle = range.start + range.len() / 2;
                    match range.len() {
                        1 => refused.push(Refused { row: range.start, error }),
                        // The first half is the next.
                        _ => open.extend([middle..range.end, range.start..middle]),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.session = Some(session);
        Ok(refused)
    }

    /// Rows that a query answers, a column each; a bounded number of them.
    pub async fn query(
        &mut self,
        statement: &str,
        parameters: &[Column],
    ) -> Result<Vec<Column>, SqlError> {
        let mut session = self.session.take().ok_or(SqlError::Over)?;
        session.dialect().gate(statement)?;
        let answer = in_time("querying", session.query(statement, parameters)).await?;
        self.session = Some(session);
        Ok(answer)
    }

    /// Makes it durable. After an error nobody knows whether it is.
    pub async fn commit(&mut self) -> Result<(), SqlError> {
        let mut session = self.session.take().ok_or(SqlError::Over)?;
        if self.access.check() == Err(Denied::Fenced) {
            return Err(SqlError::Fenced);
        }
        in_time("committing", session.run("COMMIT")).await?;
        session.keep_if(true);
        Ok(())
    }
}

async fn within(
    session: &mut Session,
    statement: &Statement,
    columns: &[Column],
    rows: &Range<usize>,
) -> Result<(), sqlx::Error> {
    session.run("SAVEPOINT longshore").await?;
    session.apply(statement, columns, rows.clone()).await?;
    session.run("RELEASE SAVEPOINT longshore").await
}

async fn in_time<T>(
    doing: &'static str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, SqlError> {
    match timeout(STATEMENT_TIME_MAX, work).await {
        Ok(done) => done.map_err(SqlError::sql(doing)),
        Err(_) => Err(SqlError::Timeout { doing, limit: STATEMENT_TIME_MAX }),
    }
}
