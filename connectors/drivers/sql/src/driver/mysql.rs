//! MySQL and MariaDB.

use std::ops::Range;

use sqlx::mysql::{
    MySql, MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode,
};
use sqlx::pool::PoolOptions;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions, Executor, Row, TypeInfo};

use super::{rows as many, unsuited};
use crate::bind::{Cells, Column, Statement, TableColumn};
use crate::classify::SqlError;
use crate::config::{Server, Tls};
use crate::limits::{QUERY_ROWS_MAX, SERVER_TIME_MAX_S};

pub(super) fn options(server: &Server) -> Result<MySqlConnectOptions, SqlError> {
    let port = server.port_or(3306).ok_or_else(|| SqlError::Setting {
        setting: "port",
        reason: "is no port's number".to_owned(),
    })?;
    let mut options = MySqlConnectOptions::new()
        .host(&server.host)
        .port(port)
        .database(&server.database)
        .username(&server.user)
        .charset("utf8mb4")
        .ssl_mode(match server.tls {
            Tls::Disable => MySqlSslMode::Disabled,
            Tls::Prefer => MySqlSslMode::Preferred,
            Tls::Require => MySqlSslMode::Required,
            Tls::VerifyCa => MySqlSslMode::VerifyCa,
            Tls::VerifyFull => MySqlSslMode::VerifyIdentity,
        });
    if let Some(password) = &server.password {
        options = options.password(password);
    }
    if let Some(ca) = &server.ca {
        options = options.ssl_ca(ca);
    }
    Ok(options.disable_statement_logging())
}

/// What every connection is told first. In strict mode a value that its column cannot
/// hold is refused; otherwise it would be cut, in silence.
pub(super) fn prepared(options: PoolOptions<MySql>, writes: bool) -> PoolOptions<MySql> {
    options.after_connect(move |connection, _| {
        Box::pin(async move {
            connection
                .execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
                .await?;
            let waits = format!(
                "SET SESSION innodb_lock_wait_timeout = {SERVER_TIME_MAX_S}, \
                 SESSION lock_wait_timeout = {SERVER_TIME_MAX_S}"
            );
            connection.execute(AssertSqlSafe(waits)).await?;
            if !writes {
                connection.execute("SET SESSION TRANSACTION READ ONLY").await?;
            }
            Ok(())
        })
    })
}

type Bound<'q> = Query<'q, MySql, MySqlArguments>;

fn bind<'q>(mut query: Bound<'q>, columns: &'q [Column], row: usize) -> Bound<'q> {
    for column in columns {
        query = match column {
            Cells::Booleans(cells) => query.bind(cells[row]),
            Cells::Ints(cells) => query.bind(cells[row]),
            Cells::Floats(cells) => query.bind(cells[row]),
            Cells::Texts(cells) => query.bind(cells[row].as_deref()),
            Cells::Bytes(cells) => query.bind(cells[row].as_deref()),
        };
    }
    query
}

pub(super) async fn apply(
    connection: &mut MySqlConnection,
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
    connection: &mut MySqlConnection,
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

fn answered(rows: &[MySqlRow], at: usize) -> Result<Column, sqlx::Error> {
    Ok(match rows[0].column(at).type_info().name() {
        "BOOLEAN" => {
            Cells::Booleans(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?)
        }
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
            Cells::Ints(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?)
        }
        "DOUBLE" => {
            Cells::Floats(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?)
        }
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            Cells::Bytes(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?)
        }
        _ => Cells::Texts(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
    })
}

pub(super) async fn table(
    connection: &mut MySqlConnection,
    schema: Option<&str>,
    table: &str,
) -> Result<Vec<TableColumn>, sqlx::Error> {
    // The dictionary's own types differ from server to server.
    let rows = sqlx::query(
        "SELECT CAST(c.column_name AS CHAR), CAST(c.column_type AS CHAR), \
         CAST(c.is_nullable = 'YES' AS SIGNED), \
         CAST(c.column_default IS NOT NULL OR c.extra LIKE '%auto_increment%' AS SIGNED), \
         CAST(k.ordinal_position - 1 AS SIGNED) \
         FROM information_schema.columns c \
         LEFT JOIN information_schema.key_column_usage k \
         ON k.table_schema = c.table_schema AND k.table_name = c.table_name \
         AND k.column_name = c.column_name AND k.constraint_name = 'PRIMARY' \
         WHERE c.table_schema = COALESCE(?, DATABASE()) AND c.table_name = ? \
         AND c.extra NOT LIKE '%GENERATED%' ORDER BY c.ordinal_position",
    )
    .bind(schema)
    .bind(table)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TableColumn {
                name: row.try_get(0)?,
                sql_type: row.try_get(1)?,
                nullable: row.try_get::<i64, _>(2)? != 0,
                defaulted: row.try_get::<i64, _>(3)? != 0,
                key: row.try_get::<Option<i64>, _>(4)?.map(|place| place as u32),
            })
        })
        .collect()
}
