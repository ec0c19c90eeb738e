//! SQLite.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Row, TypeInfo, ValueRef};

use super::{rows as many, unsuited};
use crate::bind::{Cells, Column, Statement, TableColumn};
use crate::classify::SqlError;
use crate::limits::QUERY_ROWS_MAX;

/// How long a writer waits for another, less than a statement may take.
const BUSY_TIME_MAX: Duration = Duration::from_secs(10);

/// The file is one of its folder: no name leads out of it.
pub(super) fn options(
    root: &Path,
    file: &str,
    writes: bool,
) -> Result<SqliteConnectOptions, SqlError> {
    if file.is_empty() || file.contains(['/', '\0']) || [".", ".."].contains(&file) {
        let reason = "is no name of a file in the folder `root`".to_owned();
        return Err(SqlError::Setting { setting: "file", reason });
    }
    let path = root.join(file);
    if path.is_symlink() {
        let reason = "is a symbolic link; name the file itself".to_owned();
        return Err(SqlError::Setting { setting: "file", reason });
    }
    Ok(SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(writes)
        .read_only(!writes)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIME_MAX)
        .disable_statement_logging())
}

type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(mut query: Bound<'q>, columns: &[Column], row: usize) -> Bound<'q> {
    for column in columns {
        query = match column {
            Cells::Booleans(cells) => query.bind(cells[row]),
            Cells::Ints(cells) => query.bind(cells[row]),
            Cells::Floats(cells) => query.bind(cells[row]),
            Cells::Texts(cells) => query.bind(cells[row].clone()),
            Cells::Bytes(cells) => query.bind(cells[row].clone()),
        };
    }
    query
}

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    statement: &Statement,
    columns: &[Column],
    mut rows: Range<usize>,
) -> Result<(), sqlx::Error> {
    while !rows.is_empty() {
        let (text, count, again) = match statement {
            Statement::Arrays(_) => return Err(unsuited("arrays")),
            Statement::Each(text) => (text.clone(), 1, true),
            Statement::Rows(statement) => {
                let count = many::fitting(columns, rows.clone());
                (many::text(statement, count), count, many::comes_again(columns, count))
            }
        };
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(again);
        for row in rows.start..rows.start + count {
            query = bind(query, columns, row);
        }
        query.execute(&mut *connection).await?;
        rows.start += count;
    }
    Ok(())
}

pub(super) async fn query(
    connection: &mut SqliteConnection,
    statement: &str,
    parameters: &[Column],
) -> Result<Vec<Column>, sqlx::Error> {
    let query = bind(sqlx::query(AssertSqlSafe(statement.to_owned())), parameters, 0);
    let found = query.fetch_all(connection).await?;
    if found.len() > QUERY_ROWS_MAX {
        return Err(unsuited("so many rows"));
    }
    let Some(first) = found.first() else { return Ok(Vec::new()) };
    (0..first.len()).map(|at| answered(&found, at)).collect()
}

/// A column has what its values have: SQLite's types are theirs.
fn answered(rows: &[SqliteRow], at: usize) -> Result<Column, sqlx::Error> {
    let mut kind = String::from("NULL");
    for row in rows {
        let value = row.try_get_raw(at)?;
        if !value.is_null() {
            kind = value.type_info().name().to_owned();
            break;
        }
    }
    Ok(match kind.as_str() {
        "INTEGER" => Cells::Ints(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
        "REAL" => Cells::Floats(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
        "BLOB" => Cells::Bytes(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
        _ => Cells::Texts(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
    })
}

pub(super) async fn table(
    connection: &mut SqliteConnection,
    schema: Option<&str>,
    table: &str,
) -> Result<Vec<TableColumn>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT name, type, NOT \"notnull\" AND pk = 0, \
         dflt_value IS NOT NULL OR (pk > 0 AND type = 'INTEGER'), pk \
         FROM pragma_table_info(?, ?) ORDER BY cid",
    )
    .bind(table)
    .bind(schema.unwrap_or("main"))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let place: i64 = row.try_get(4)?;
            Ok(TableColumn {
                name: row.try_get(0)?,
                sql_type: row.try_get(1)?,
                nullable: row.try_get::<i64, _>(2)? != 0,
                defaulted: row.try_get::<i64, _>(3)? != 0,
                key: u32::try_from(place - 1).ok(),
            })
        })
        .collect()
}
