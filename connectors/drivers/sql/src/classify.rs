//! What can go wrong with a database, and what to do about it.

use std::time::Duration;

use longshore_driver_common::Denied;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

/// What a task does about an error: the faults of the plugin contract, and a row's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing was applied; the same again after a pause may succeed.
    Retry,
    /// Wait for the user to change configuration, grants or tables.
    Config,
    /// Stop the task; an operator must look.
    Fatal,
    /// One of the rows cannot be there; the others can.
    Row,
}

/// An operation on a database that failed.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The server, or the library that speaks to it.
    #[error("{doing}: {}", words(source))]
    Sql {
        /// What was tried, as `beginning a transaction`.
        doing: &'static str,
        /// What it says.
        #[source]
        source: sqlx::Error,
    },
    /// No answer in time.
    #[error("{doing}: no answer within {limit:?}; the connection is closed")]
    Timeout {
        /// What was tried.
        doing: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// A write through a connection that was granted for reading.
    #[error(
        "nothing is written: the connection was granted for reading only (`verbs: [read, write]` allows both)"
    )]
    ReadOnly,
    /// The worker may no longer write for this task.
    #[error(
        "nothing is written: this worker's lease on the task has ended, another worker may own it"
    )]
    Fenced,
    /// Settings that cannot be.
    #[error("the connection's `{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A call that no correct plugin makes.
    #[error("{0}")]
    Misuse(String),
    /// A transaction was used after it failed.
    #[error("the transaction is over: it failed before, and was rolled back")]
    Over,
}

/// The server's own words, or the library's.
fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => format!("{} ({code})", error.message()),
            None => error.message().to_owned(),
        },
        other => other.to_string(),
    }
}

impl From<Denied> for SqlError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::ReadOnly => Self::ReadOnly,
            Denied::Fenced => Self::Fenced,
        }
    }
}

impl SqlError {
    pub(crate) fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { doing, source }
    }

    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Sql { source, .. } => of(source).0,
            Self::Timeout { .. } | Self::Fenced | Self::Over => Class::Retry,
            Self::ReadOnly | Self::Setting { .. } => Class::Config,
            Self::Misuse(_) => Class::Fatal,
        }
    }

    /// A stable name in kebab-case, for metrics and alerts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sql { source, .. } => of(source).1,
            Self::Timeout { .. } => "timeout",
            Self::ReadOnly => "read-only",
            Self::Fenced => "lease-over",
            Self::Setting { .. } => "connection-invalid",
            Self::Misuse(_) => "misuse",
            Self::Over => "transaction-over",
        }
    }
}

fn of(error: &sqlx::Error) -> (Class, &'static str) {
    match error {
        sqlx::Error::Database(error) => database(&**error),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => (Class::Retry, "connection-lost"),
        sqlx::Error::PoolTimedOut => (Class::Retry, "not-connected"),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
            (Class::Retry, "connection-lost")
        }
        sqlx::Error::Tls(_) => (Class::Config, "tls"),
        sqlx::Error::Configuration(_) => (Class::Config, "connection-invalid"),
        _ => (Class::Fatal, "sql"),
    }
}

fn database(error: &dyn DatabaseError) -> (Class, &'static str) {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return sqlstate(error.code());
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return mysql(error.number());
    }
    let code = error.code().and_then(|code| code.parse().ok());
    code.map_or((Class::Fatal, "sql"), sqlite)
}

/// PostgreSQL's codes (its manual's appendix A).
fn sqlstate(code: &str) -> (Class, &'static str) {
    match code {
        "23505" => (Class::Row, "unique-violation"),
        "23502" => (Class::Row, "not-null-violation"),
        "23503" => (Class::Row, "foreign-key-violation"),
        "23514" => (Class::Row, "check-violation"),
        "21000" => (Class::Row, "same-key-twice"),
        "40P01" => (Class::Retry, "deadlock"),
        "40001" => (Class::Retry, "serialization-failure"),
        "42501" => (Class::Config, "access-denied"),
        "42P01" | "42703" => (Class::Config, "no-such-table"),
        "3D000" | "3F000" => (Class::Config, "no-such-database"),
        "25006" => (Class::Retry, "server-read-only"),
        "25P03" => (Class::Retry, "rolled-back"),
        "57014" => (Class::Retry, "timeout"),
        // What the values of a column are is not what it takes.
        "42804" | "42846" => (Class::Row, "data-exception"),
        // Such as the entry of an index.
        "54000" => (Class::Row, "too-large"),
        "P0001" => (Class::Row, "refused-by-trigger"),
        _ => match code.get(..2).unwrap_or_default() {
            "22" => (Class::Row, "data-exception"),
            "23" => (Class::Row, "constraint-violation"),
            "08" => (Class::Retry, "connection-lost"),
            "28" => (Class::Config, "login-refused"),
            "40" => (Class::Retry, "rolled-back"),
            "42" => (Class::Config, "statement-refused"),
            "53" => (Class::Retry, "server-full"),
            "55" => (Class::Retry, "locked"),
            "57" => (Class::Retry, "server-stopping"),
            _ => (Class::Fatal, "sql"),
        },
    }
}

/// The numbers of MySQL and MariaDB.
fn mysql(number: u16) -> (Class, &'static str) {
    match number {
        1022 | 1062 | 1169 | 1586 => (Class::Row, "unique-violation"),
        1048 | 1263 | 1364 => (Class::Row, "not-null-violation"),
        1216 | 1217 | 1451 | 1452 => (Class::Row, "foreign-key-violation"),
        3819 | 4025 => (Class::Row, "check-violation"),
        1264 | 1265 | 1292 | 1300 | 1366 | 1367 | 1406 | 1411 | 1416 | 1425 | 1426 | 1525
        | 1690 | 3140 | 3156 | 4038 => (Class::Row, "data-exception"),
        1644 => (Class::Row, "refused-by-trigger"),
        1213 => (Class::Retry, "deadlock"),
        1020 | 1412 | 1615 => (Class::Retry, "table-changed"),
        1205 | 1317 | 3024 => (Class::Retry, "locked"),
        1040 | 1041 | 1203 | 1226 => (Class::Retry, "server-full"),
        1021 | 1114 => (Class::Retry, "no-space"),
        1053 | 1077 | 1079 | 1080 | 1158..=1161 | 1184 | 1927 => (Class::Retry, "server-stopping"),
        1290 | 1792 | 1836 => (Class::Retry, "server-read-only"),
        1045 | 1251 | 1698 | 1862 => (Class::Config, "login-refused"),
        1044 | 1142 | 1143 | 1227 | 1370 => (Class::Config, "access-denied"),
        1049 => (Class::Config, "no-such-database"),
        1051 | 1054 | 1146 => (Class::Config, "no-such-table"),
        1064 | 1071 | 1118 | 1170 => (Class::Config, "statement-refused"),
        _ => (Class::Fatal, "sql"),
    }
}

/// SQLite's codes; the lowest byte is the primary one.
fn sqlite(code: i32) -> (Class, &'static str) {
    match code {
        1555 | 2067 | 2579 => (Class::Row, "unique-violation"),
        1299 => (Class::Row, "not-null-violation"),
        787 => (Class::Row, "foreign-key-violation"),
        275 => (Class::Row, "check-violation"),
        _ => match code & 0xff {
            19 => (Class::Row, "constraint-violation"),
            18 | 20 => (Class::Row, "data-exception"),
            5 | 6 => (Class::Retry, "locked"),
            10 => (Class::Retry, "io"),
            13 => (Class::Retry, "no-space"),
            7 | 9 | 15 => (Class::Retry, "interrupted"),
            3 | 8 | 14 | 23 => (Class::Config, "access-denied"),
            1 => (Class::Config, "statement-refused"),
            _ => (Class::Fatal, "sql"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code that the tables tell apart, with what becomes of it.
    #[test]
    fn postgresqls_codes_are_told_apart() {
        let cases = [
            ("23505", Class::Row, "unique-violation"),
            ("23502", Class::Row, "not-null-violation"),
            ("23503", Class::Row, "foreign-key-violation"),
            ("23514", Class::Row, "check-violation"),
            ("23P01", Class::Row, "constraint-violation"),
            ("22001", Class::Row, "data-exception"),
            ("22P02", Class::Row, "data-exception"),
            ("21000", Class::Row, "same-key-twice"),
            ("40P01", Class::Retry, "deadlock"),
            ("40001", Class::Retry, "serialization-failure"),
            ("40002", Class::Retry, "rolled-back"),
            ("08006", Class::Retry, "connection-lost"),
            ("53300", Class::Retry, "server-full"),
            ("55P03", Class::Retry, "locked"),
            ("57P01", Class::Retry, "server-stopping"),
            ("25006", Class::Retry, "server-read-only"),
            ("28P01", Class::Config, "login-refused"),
            ("3D000", Class::Config, "no-such-database"),
            ("42501", Class::Config, "access-denied"),
            ("42P01", Class::Config, "no-such-table"),
            ("42601", Class::Config, "statement-refused"),
            ("42846", Class::Row, "data-exception"),
            ("54000", Class::Row, "too-large"),
            ("P0001", Class::Row, "refused-by-trigger"),
            ("25P03", Class::Retry, "rolled-back"),
            ("57014", Class::Retry, "timeout"),
            ("XX000", Class::Fatal, "sql"),
            ("", Class::Fatal, "sql"),
        ];
        for (code, class, name) in cases {
            assert_eq!(sqlstate(code), (class, name), "{code}");
        }
    }

    #[test]
    fn mysqls_numbers_are_told_apart() {
        let cases = [
            (1062, Class::Row, "unique-violation"),
            (1048, Class::Row, "not-null-violation"),
            (1452, Class::Row, "foreign-key-violation"),
            (4025, Class::Row, "check-violation"),
            (1406, Class::Row, "data-exception"),
            (1213, Class::Retry, "deadlock"),
            (1205, Class::Retry, "locked"),
            (1412, Class::Retry, "table-changed"),
            (1644, Class::Row, "refused-by-trigger"),
            (1040, Class::Retry, "server-full"),
            (1114, Class::Retry, "no-space"),
            (1053, Class::Retry, "server-stopping"),
            (1290, Class::Retry, "server-read-only"),
            (1045, Class::Config, "login-refused"),
            (1142, Class::Config, "access-denied"),
            (1049, Class::Config, "no-such-database"),
            (1146, Class::Config, "no-such-table"),
            (1064, Class::Config, "statement-refused"),
            (1105, Class::Fatal, "sql"),
        ];
        for (number, class, name) in cases {
            assert_eq!(mysql(number), (class, name), "{number}");
        }
    }

    #[test]
    fn sqlites_codes_are_told_apart() {
        let cases = [
            (2067, Class::Row, "unique-violation"),
            (1299, Class::Row, "not-null-violation"),
            (787, Class::Row, "foreign-key-violation"),
            (275, Class::Row, "check-violation"),
            (19, Class::Row, "constraint-violation"),
            (20, Class::Row, "data-exception"),
            (517, Class::Retry, "locked"),
            (266, Class::Retry, "io"),
            (13, Class::Retry, "no-space"),
            (9, Class::Retry, "interrupted"),
            (14, Class::Config, "access-denied"),
            (1, Class::Config, "statement-refused"),
            (11, Class::Fatal, "sql"),
        ];
        for (code, class, name) in cases {
            assert_eq!(sqlite(code), (class, name), "{code}");
        }
    }

    #[test]
    fn what_the_library_says_is_classed_too() {
        let class = |source| SqlError::Sql { doing: "x", source }.class();
        assert_eq!(class(sqlx::Error::PoolTimedOut), Class::Retry);
        assert_eq!(
            class(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())),
            Class::Retry
        );
        assert_eq!(class(sqlx::Error::Protocol("x".into())), Class::Retry);
        assert_eq!(class(sqlx::Error::Tls("x".into())), Class::Config);
        assert_eq!(class(sqlx::Error::Configuration("x".into())), Class::Config);
        assert_eq!(class(sqlx::Error::RowNotFound), Class::Fatal);
        assert_eq!(SqlError::Fenced.class(), Class::Retry);
        assert_eq!(SqlError::ReadOnly.class(), Class::Config);
        assert_eq!(SqlError::Misuse(String::new()).class(), Class::Fatal);
        let slow = SqlError::Timeout { doing: "applying rows", limit: Duration::from_secs(1) };
        assert_eq!((slow.class(), slow.code()), (Class::Retry, "timeout"));
    }
}
