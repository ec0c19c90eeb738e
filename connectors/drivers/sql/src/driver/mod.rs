//! The kinds of databases behind one face.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`postgres`], [`mysql`], [`sqlite`] | one kind each: connecting, binding, tables, answers |
//! | [`rows`] | statements of many rows, where there are no arrays |
//! | [`gate`] | which statements of a plugin's SQLite takes |

mod gate;
mod mysql;
mod postgres;
mod rows;
mod sqlite;

use std::ops::Range;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{AssertSqlSafe, Database as Sqlx, MySql, Postgres, Sqlite};

use crate::bind::{Column, Statement, TableColumn};
use crate::classify::SqlError;
use crate::config::SqlConfig;
use crate::limits::{CONNECT_TIME_MAX, CONNECTIONS_MAX};

/// Which SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgresql,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// Lets a plugin's statement through, or says why not.
    pub(crate) fn gate(self, statement: &str) -> Result<(), SqlError> {
        let refused = if self == Self::Sqlite { gate::refuses(statement) } else { None };
        refused.map_or(Ok(()), |reason| Err(SqlError::Misuse(reason)))
    }
}

/// The connections to one database.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Postgres(sqlx::Pool<Postgres>),
    MySql(sqlx::Pool<MySql>),
    Sqlite(sqlx::Pool<Sqlite>),
}

/// One connection. When it is dropped it is closed, and the server rolls back what it
/// was at, unless it was said to be well: then it is used again.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    well: bool,
}

#[derive(Debug)]
enum Connection {
    Postgres(PoolConnection<Postgres>),
    MySql(PoolConnection<MySql>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.well {
            return;
        }
        match &mut self.connection {
            Connection::Postgres(it) => it.close_on_drop(),
            Connection::MySql(it) => it.close_on_drop(),
            Connection::Sqlite(it) => it.close_on_drop(),
        }
    }
}

fn options<DB: Sqlx>() -> PoolOptions<DB> {
    PoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(CONNECT_TIME_MAX)
}

impl Pool {
    /// Connects to nothing yet.
    pub(crate) fn new(config: &SqlConfig, writes: bool) -> Result<Self, SqlError> {
        Ok(match config {
            SqlConfig::Postgresql(server) => Self::Postgres(
                postgres::prepared(options()).connect_lazy_with(postgres::options(server, writes)?),
            ),
            SqlConfig::Mysql(server) | SqlConfig::Mariadb(server) => Self::MySql(
                mysql::prepared(options(), writes).connect_lazy_with(mysql::options(server)?),
            ),
            SqlConfig::Sqlite { root, file } => {
                Self::Sqlite(options().connect_lazy_with(sqlite::options(root, file, writes)?))
            }
        })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgresql,
            Self::MySql(_) => Dialect::Mysql,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub(crate) async fn session(&self) -> Result<Session, sqlx::Error> {
        let connection = match self {
            Self::Postgres(pool) => Connection::Postgres(Box::pin(pool.acquire()).await?),
            Self::MySql(pool) => Connection::MySql(Box::pin(pool.acquire()).await?),
            Self::Sqlite(pool) => Connection::Sqlite(Box::pin(pool.acquire()).await?),
        };
        Ok(Session { connection, well: false })
    }
}

impl Session {
    /// Whether the connection is used again when it is dropped, or closed.
    pub(crate) fn keep_if(&mut self, well: bool) {
        self.well = well;
    }

    /// Which SQL it speaks.
    pub(crate) fn dialect(&self) -> Dialect {
        match &self.connection {
            Connection::Postgres(_) => Dialect::Postgresql,
            Connection::MySql(_) => Dialect::Mysql,
            Connection::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// What begins a transaction.
    pub(crate) fn begin_statement(&self, writes: bool) -> &'static str {
        match &self.connection {
            Connection::Postgres(_) => "BEGIN",
            Connection::MySql(_) => "START TRANSACTION",
            // The lock for writing is taken at once: taken later it could not be waited for.
            Connection::Sqlite(_) if writes => "BEGIN IMMEDIATE",
            Connection::Sqlite(_) => "BEGIN",
        }
    }

    /// A statement without parameters.
    pub(crate) async fn run(&mut self, statement: &str) -> Result<(), sqlx::Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        match &mut self.connection {
            Connection::Postgres(it) => statement.execute(&mut **it).await.map(drop),
            Connection::MySql(it) => statement.execute(&mut **it).await.map(drop),
            Connection::Sqlite(it) => statement.execute(&mut **it).await.map(drop),
        }
    }

    /// A statement with those of the rows.
    pub(crate) async fn apply(
        &mut self,
        statement: &Statement,
        columns: &[Column],
        rows: Range<usize>,
    ) -> Result<(), sqlx::Error> {
        match &mut self.connection {
            Connection::Postgres(it) => postgres::apply(it, statement, columns, rows).await,
            Connection::MySql(it) => mysql::apply(it, statement, columns, rows).await,
            Connection::Sqlite(it) => sqlite::apply(it, statement, columns, rows).await,
        }
    }

    /// What a query answers.
    pub(crate) async fn query(
        &mut self,
        statement: &str,
        parameters: &[Column],
    ) -> Result<Vec<Column>, sqlx::Error> {
        match &mut self.connection {
            Connection::Postgres(it) => postgres::query(it, statement, parameters).await,
            Connection::MySql(it) => mysql::query(it, statement, parameters).await,
            Connection::Sqlite(it) => sqlite::query(it, statement, parameters).await,
        }
    }

    /// The columns of a table; none of one that is not there.
    pub(crate) async fn table(
        &mut self,
        schema: Option<&str>,
        table: &str,
    ) -> Result<Vec<TableColumn>, sqlx::Error> {
        match &mut self.connection {
            Connection::Postgres(it) => postgres::table(it, schema, table).await,
            Connection::MySql(it) => mysql::table(it, schema, table).await,
            Connection::Sqlite(it) => sqlite::table(it, schema, table).await,
        }
    }
}

/// A wrong way to bind for a dialect: no correct plugin asks for it.
fn unsuited(how: &str) -> sqlx::Error {
    sqlx::Error::InvalidArgument(format!("this database has no statements of {how}"))
}
