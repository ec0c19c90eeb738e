//! PostgreSQL.

use std::ops::Range;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow, PgSslMode, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions, Executor, Row, TypeInfo};

use super::unsuited;
use crate::bind::{Cells, Column, Statement, TableColumn};
use crate::classify::SqlError;
use crate::config::{Server, Tls};
use crate::limits::{QUERY_ROWS_MAX, SERVER_TIME_MAX_S};

pub(super) fn options(server: &Server, writes: bool) -> Result<PgConnectOptions, SqlError> {
    let port = server.port_or(5432).ok_or_else(|| SqlError::Setting {
        setting: "port",
        reason: "is no port's number".to_owned(),
    })?;
    // A socket's peer would be let in as whom the worker runs as.
    if server.host.starts_with('/') {
        let reason = "is a socket's folder; a name or an address is wanted".to_owned();
        return Err(SqlError::Setting { setting: "host", reason });
    }
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&server.host)
        .port(port)
        .database(&server.database)
        .username(&server.user)
        // An empty one is none, and no environment's takes its place.
        .password(server.password.as_deref().unwrap_or_default())
        .application_name("longshore")
        .ssl_mode(match server.tls {
            Tls::Disable => PgSslMode::Disable,
            Tls::Prefer => PgSslMode::Prefer,
            Tls::Require => PgSslMode::Require,
            Tls::VerifyCa => PgSslMode::VerifyCa,
            Tls::VerifyFull => PgSslMode::VerifyFull,
        });
    if let Some(ca) = &server.ca {
        options = options.ssl_root_cert(ca);
    }
    if !writes {
        options = options.options([("default_transaction_read_only", "on")]);
    }
    Ok(options.disable_statement_logging())
}

/// What every connection is told first.
pub(super) fn prepared(options: PoolOptions<Postgres>) -> PoolOptions<Postgres> {
    options.after_connect(|connection, _| {
        Box::pin(async move {
            let limit = format!("SET statement_timeout = '{SERVER_TIME_MAX_S}s'");
            connection.execute(AssertSqlSafe(limit)).await.map(drop)
        })
    })
}

type Bound<'q> = Query<'q, Postgres, PgArguments>;

fn picked<T: Clone>(cells: &[Option<T>], rows: &Range<usize>) -> Vec<Option<T>> {
    cells[rows.clone()].to_vec()
}

pub(super) async fn apply(
    connection: &mut PgConnection,
    statement: &Statement,
    columns: &[Column],
    rows: Range<usize>,
) -> Result<(), sqlx::Error> {
    let Statement::Arrays(text) = statement else { return Err(unsuited("rows")) };
    let mut query: Bound<'_> = sqlx::query(AssertSqlSafe(text.clone()));
    for column in columns {
        query = match column {
            Cells::Booleans(cells) => query.bind(picked(cells, &rows)),
            Cells::Ints(cells) => query.bind(picked(cells, &rows)),
            Cells::Floats(cells) => query.bind(picked(cells, &rows)),
            Cells::Texts(cells) => query.bind(picked(cells, &rows)),
            Cells::Bytes(cells) => query.bind(picked(cells, &rows)),
        };
    }
    query.execute(connection).await.map(drop)
}

pub(super) async fn query(
    connection: &mut PgConnection,
    statement: &str,
    parameters: &[Column],
) -> Result<Vec<Column>, sqlx::Error> {
    let mut query: Bound<'_> = sqlx::query(AssertSqlSafe(statement.to_owned()));
    for column in parameters {
        query = match column {
            Cells::Booleans(cells) => query.bind(cells.first().copied().flatten()),
            Cells::Ints(cells) => query.bind(cells.first().copied().flatten()),
            Cells::Floats(cells) => query.bind(cells.first().copied().flatten()),
            Cells::Texts(cells) => query.bind(cells.first().cloned().flatten()),
            Cells::Bytes(cells) => query.bind(cells.first().cloned().flatten()),
        };
    }
    let found = query.fetch_all(connection).await?;
    if found.len() > QUERY_ROWS_MAX {
        return Err(unsuited("so many rows"));
    }
    let Some(first) = found.first() else { return Ok(Vec::new()) };
    (0..first.len()).map(|at| answered(&found, at)).collect()
}

fn answered(rows: &[PgRow], at: usize) -> Result<Column, sqlx::Error> {
    Ok(match rows[0].column(at).type_info().name() {
        "BOOL" => {
            Cells::Booleans(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?)
        }
        "INT8" => Cells::Ints(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
        "INT4" => Cells::Ints(
            rows.iter()
                .map(|row| Ok(row.try_get::<Option<i32>, _>(at)?.map(i64::from)))
                .collect::<Result<_, sqlx::Error>>()?,
        ),
        "FLOAT8" => {
            Cells::Floats(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?)
        }
        "BYTEA" => Cells::Bytes(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
        _ => Cells::Texts(rows.iter().map(|row| row.try_get(at)).collect::<Result<_, _>>()?),
    })
}

/// `to_regclass` takes a name as a statement does, so its parts are quoted.
pub(super) async fn table(
    connection: &mut PgConnection,
    schema: Option<&str>,
    table: &str,
) -> Result<Vec<TableColumn>, sqlx::Error> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let name = match schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(table)),
        None => quoted(table),
    };
    let rows = sqlx::query(
        "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
         a.atthasdef OR a.attidentity <> '', k.place \
         FROM pg_attribute a \
         LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
         LEFT JOIN LATERAL (SELECT (o - 1)::int4 AS place \
             FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(n, o) WHERE u.n = a.attnum) k ON true \
         WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
         AND a.attgenerated = '' ORDER BY a.attnum",
    )
    .bind(name)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TableColumn {
                name: row.try_get(0)?,
                sql_type: row.try_get(1)?,
                nullable: row.try_get(2)?,
                defaulted: row.try_get(3)?,
                key: row.try_get::<Option<i32>, _>(4)?.map(|place| place as u32),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_no_socket_and_a_port_is_a_number() {
        let server = |host: &str, port: &str| -> Server {
            let json =
                format!(r#"{{"host":"{host}","port":"{port}","database":"shop","user":"me"}}"#);
            serde_json::from_str(&json).unwrap()
        };
        let refused = |host, port| match options(&server(host, port), true) {
            Err(SqlError::Setting { setting, .. }) => setting,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused("/run/postgresql", "5432"), "host");
        assert_eq!(refused("db", "x"), "port");
        let fine = options(&server("db", "5433"), true).unwrap();
        assert_eq!((fine.get_host(), fine.get_port()), ("db", 5433));
    }
}
