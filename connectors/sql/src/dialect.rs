//! Names, types and statements of each kind of database.

use longshore_sdk::sql::{Dialect, RowStatement, Statement};
use longshore_sdk::values::{Kind, Logical, Schema};

use crate::format::{Cell, Shape, default};
use crate::options::InsertMode;
use crate::plan::{ColumnPlan, Deed};

/// A name, quoted: whatever is in it is a part of it.
pub fn quoted(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Mysql => format!("`{}`", name.replace('`', "``")),
        Dialect::Postgresql | Dialect::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A table's name, with its schema if it has one.
pub fn table_name(dialect: Dialect, table: &[String]) -> String {
    table.iter().map(|part| quoted(dialect, part)).collect::<Vec<_>>().join(".")
}

/// The type of a column that is made.
pub fn sql_type(dialect: Dialect, schema: Option<&Schema>, key: bool) -> String {
    let Some(schema) = schema else {
        return match (dialect, key) {
            (Dialect::Mysql, true) => "VARCHAR(255)".to_owned(),
            (Dialect::Mysql, false) => "LONGTEXT".to_owned(),
            _ => "TEXT".to_owned(),
        };
    };
    let [postgresql, mysql, sqlite] = match (schema.logical(), schema.kind) {
        (Some(Logical::Decimal), _) => {
            let scale = schema.scale().unwrap_or(0).clamp(0, 30);
            // SQLite would make a float of it.
            return match dialect {
                Dialect::Postgresql => "NUMERIC".to_owned(),
                Dialect::Mysql => format!("DECIMAL(65,{scale})"),
                Dialect::Sqlite => "TEXT".to_owned(),
            };
        }
        (Some(Logical::Date), _) => ["DATE", "DATE", "TEXT"],
        (Some(Logical::Time), _) => ["TIME(3)", "TIME(3)", "TEXT"],
        (Some(Logical::Timestamp), _) => ["TIMESTAMP(3)", "DATETIME(3)", "TEXT"],
        (None, Kind::Boolean) => ["BOOLEAN", "BOOLEAN", "INTEGER"],
        (None, Kind::Int8) => ["SMALLINT", "TINYINT", "INTEGER"],
        (None, Kind::Int16) => ["SMALLINT", "SMALLINT", "INTEGER"],
        (None, Kind::Int32) => ["INTEGER", "INTEGER", "INTEGER"],
        (None, Kind::Int64) => ["BIGINT", "BIGINT", "INTEGER"],
        (None, Kind::Float32) => ["REAL", "FLOAT", "REAL"],
        (None, Kind::Float64) => ["DOUBLE PRECISION", "DOUBLE", "REAL"],
        (None, Kind::String) if key => ["TEXT", "VARCHAR(255)", "TEXT"],
        (None, Kind::String) => ["TEXT", "LONGTEXT", "TEXT"],
        (None, Kind::Bytes) if key => ["BYTEA", "VARBINARY(255)", "BLOB"],
        (None, Kind::Bytes) => ["BYTEA", "LONGBLOB", "BLOB"],
        (None, Kind::Array | Kind::Map | Kind::Struct) => ["JSONB", "JSON", "TEXT"],
    };
    match dialect {
        Dialect::Postgresql => postgresql,
        Dialect::Mysql => mysql,
        Dialect::Sqlite => sqlite,
    }
    .to_owned()
}

/// A default in a definition, where the dialect has one for the type.
fn default_clause(dialect: Dialect, column: &ColumnPlan) -> Option<String> {
    let cell = default(column.schema.as_ref()?)?;
    // MySQL has no defaults for long text.
    if dialect == Dialect::Mysql
        && column.schema.as_ref().is_some_and(|it| it.kind == Kind::String)
        && !column.key
    {
        return None;
    }
    Some(match cell {
        Cell::Boolean(flag) if dialect == Dialect::Postgresql => flag.to_string(),
        Cell::Boolean(flag) => i32::from(flag).to_string(),
        Cell::Int(number) => number.to_string(),
        Cell::Float(number) => number.to_string(),
        Cell::Text(text) => {
            let text = if dialect == Dialect::Mysql { text.replace('\\', "\\\\") } else { text };
            format!("'{}'", text.replace('\'', "''"))
        }
        Cell::Null | Cell::Bytes(_) => return None,
    })
}

fn definition(dialect: Dialect, column: &ColumnPlan, required: bool) -> String {
    let mut text = quoted(dialect, &column.name);
    text.push(' ');
    text.push_str(&sql_type(dialect, column.schema.as_ref(), column.key));
    if let Some(default) = default_clause(dialect, column) {
        text.push_str(" DEFAULT ");
        text.push_str(&default);
    }
    if column.key || required {
        text.push_str(" NOT NULL");
    }
    text
}

/// Makes a table of these columns.
pub fn create(dialect: Dialect, table: &[String], columns: &[ColumnPlan]) -> String {
    let required = |column: &ColumnPlan| {
        column.schema.as_ref().is_some_and(|schema| !schema.optional && schema.default.is_none())
    };
    let mut parts: Vec<String> =
        columns.iter().map(|column| definition(dialect, column, required(column))).collect();
    let keys: Vec<_> = columns.iter().filter(|column| column.key).collect();
    if !keys.is_empty() {
        let names: Vec<_> = keys.iter().map(|column| quoted(dialect, &column.name)).collect();
        parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
    }
    let engine = if dialect == Dialect::Mysql { " ENGINE=InnoDB" } else { "" };
    let table = table_name(dialect, table);
    format!("CREATE TABLE IF NOT EXISTS {table} ({}){engine}", parts.join(", "))
}

/// Adds a column; rows that are there have none of it, so it may be null.
pub fn add_column(dialect: Dialect, table: &[String], column: &ColumnPlan) -> String {
    let column = definition(dialect, &ColumnPlan { key: false, ..column.clone() }, false);
    format!("ALTER TABLE {} ADD COLUMN {column}", table_name(dialect, table))
}

/// A column of a statement: as it is planned, and as the table has it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its name in the table.
    pub name: &'a str,
    /// Its type there.
    pub sql_type: &'a str,
    /// It is of the primary key.
    pub key: bool,
    /// What its cells go as.
    pub shape: Shape,
}

/// The statement for rows of these columns, and the order in which it wants them.
pub fn statement(
    dialect: Dialect,
    table: &[String],
    deed: Deed,
    mode: InsertMode,
    columns: &[Target<'_>],
) -> (Statement, Vec<usize>) {
    let order: Vec<usize> = (0..columns.len()).collect();
    let writer = Writer { dialect, table: table_name(dialect, table), columns };
    match (dialect, deed, mode) {
        (Dialect::Postgresql, ..) => (Statement::Arrays(writer.arrays(deed, mode)), order),
        (_, Deed::Delete, _) => (Statement::Rows(writer.delete_rows()), order),
        (_, Deed::Write, InsertMode::Update) => {
            // The key's columns stand at the end.
            let (keys, others): (Vec<_>, Vec<_>) =
                order.into_iter().partition(|at| columns[*at].key);
            (Statement::Each(writer.update()), others.into_iter().chain(keys).collect())
        }
        (_, Deed::Write, _) => (Statement::Rows(writer.insert_rows(mode)), order),
    }
}

/// A type of PostgreSQL without its length: a cast to one with a length cuts in silence,
/// where writing to the column refuses what is too long.
fn unbounded(sql_type: &str) -> String {
    let Some((name, rest)) = sql_type.split_once('(') else { return sql_type.to_owned() };
    let behind = rest.split_once(')').map_or("", |(_, behind)| behind);
    match name {
        // Without a length they would have that of one.
        "character" => format!("bpchar{behind}"),
        "bit" => format!("bit varying{behind}"),
        name => format!("{name}{behind}"),
    }
}

struct Writer<'a> {
    dialect: Dialect,
    table: String,
    columns: &'a [Target<'a>],
}

impl Writer<'_> {
    fn name(&self, column: &Target<'_>) -> String {
        quoted(self.dialect, column.name)
    }

    fn all(&self, each: impl Fn(usize, &Target<'_>) -> String) -> Vec<String> {
        self.columns.iter().enumerate().map(|(at, column)| each(at, column)).collect()
    }

    fn those(&self, key: bool, each: impl Fn(usize, &Target<'_>) -> String) -> Vec<String> {
        let columns = self.columns.iter().enumerate().filter(|(_, column)| column.key == key);
        columns.map(|(at, column)| each(at, column)).collect()
    }

    fn names(&self) -> String {
        self.all(|_, column| self.name(column)).join(", ")
    }

    /// One statement for any number of rows: they come as an array a column, and each
    /// cell is cast to what the table has.
    fn arrays(&self, deed: Deed, mode: InsertMode) -> String {
        let kind = |shape| match shape {
            Shape::Booleans => "bool",
            Shape::Ints => "int8",
            Shape::Floats => "float8",
            Shape::Texts => "text",
            Shape::Bytes => "bytea",
        };
        let parameters =
            self.all(|at, column| format!("${}::{}[]", at + 1, kind(column.shape))).join(", ");
        let cells = self.all(|at, _| format!("c{at}")).join(", ");
        let rows = format!("UNNEST({parameters}) AS u({cells})");
        let cast =
            |at: usize, column: &Target<'_>| format!("u.c{at}::{}", unbounded(column.sql_type));
        let on_keys = || {
            self.those(true, |at, column| format!("t.{} = {}", self.name(column), cast(at, column)))
                .join(" AND ")
        };
        let table = &self.table;
        match (deed, mode) {
            (Deed::Delete, _) => {
                format!("DELETE FROM {table} AS t USING {rows} WHERE {}", on_keys())
            }
            (Deed::Write, InsertMode::Update) => {
                let set = self
                    .those(false, |at, column| {
                        format!("{} = {}", self.name(column), cast(at, column))
                    })
                    .join(", ");
                format!("UPDATE {table} AS t SET {set} FROM {rows} WHERE {}", on_keys())
            }
            (Deed::Write, _) => {
                let cells = self.all(cast).join(", ");
                let names = self.names();
                let conflict = self.on_conflict(mode, "EXCLUDED");
                format!("INSERT INTO {table} ({names}) SELECT {cells} FROM {rows}{conflict}")
            }
        }
    }

    fn on_conflict(&self, mode: InsertMode, new: &str) -> String {
        if mode != InsertMode::Upsert {
            return String::new();
        }
        let keys = self.those(true, |_, column| self.name(column)).join(", ");
        let set = self.those(false, |_, column| {
            let name = self.name(column);
            format!("{name} = {new}.{name}")
        });
        match set.is_empty() {
            true => format!(" ON CONFLICT ({keys}) DO NOTHING"),
            false => format!(" ON CONFLICT ({keys}) DO UPDATE SET {}", set.join(", ")),
        }
    }

    fn row(&self) -> String {
        format!("({})", self.all(|_, _| "?".to_owned()).join(", "))
    }

    fn insert_rows(&self, mode: InsertMode) -> RowStatement {
        let tail = match self.dialect {
            Dialect::Mysql if mode == InsertMode::Upsert => {
                let mut set = self.those(false, |_, column| {
                    let name = self.name(column);
                    format!("{name} = VALUES({name})")
                });
                if set.is_empty() {
                    set = self.those(true, |_, column| {
                        let name = self.name(column);
                        format!("{name} = {name}")
                    });
                }
                format!(" ON DUPLICATE KEY UPDATE {}", set.join(", "))
            }
            _ => self.on_conflict(mode, "excluded"),
        };
        let head = format!("INSERT INTO {} ({}) VALUES ", self.table, self.names());
        RowStatement { head, row: self.row(), tail }
    }

    fn delete_rows(&self) -> RowStatement {
        let values = if self.dialect == Dialect::Sqlite { "VALUES " } else { "" };
        let head = format!("DELETE FROM {} WHERE ({}) IN ({values}", self.table, self.names());
        RowStatement { head, row: self.row(), tail: ")".to_owned() }
    }

    fn update(&self) -> String {
        let equals = |_: usize, column: &Target<'_>| format!("{} = ?", self.name(column));
        let (set, keys) = (self.those(false, equals).join(", "), self.those(true, equals));
        format!("UPDATE {} SET {set} WHERE {}", self.table, keys.join(" AND "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Target<'static>; 2] = [
        Target { name: "id", sql_type: "integer", key: true, shape: Shape::Ints },
        Target { name: "na\"`me", sql_type: "text", key: false, shape: Shape::Texts },
    ];

    fn told(dialect: Dialect, deed: Deed, mode: InsertMode) -> String {
        let table = ["shop".to_owned(), "orders".to_owned()];
        match statement(dialect, &table, deed, mode, &COLUMNS).0 {
            Statement::Arrays(text) | Statement::Each(text) => text,
            Statement::Rows(RowStatement { head, row, tail }) => format!("{head}{row}{tail}"),
        }
    }

    #[test]
    fn statements_of_postgresql() {
        let told = |deed, mode| told(Dialect::Postgresql, deed, mode);
        assert_eq!(
            told(Deed::Write, InsertMode::Insert),
            r#"INSERT INTO "shop"."orders" ("id", "na""`me") SELECT u.c0::integer, u.c1::text FROM UNNEST($1::int8[], $2::text[]) AS u(c0, c1)"#
        );
        assert!(
            told(Deed::Write, InsertMode::Upsert)
                .ends_with(r#" ON CONFLICT ("id") DO UPDATE SET "na""`me" = EXCLUDED."na""`me""#)
        );
        assert_eq!(
            told(Deed::Write, InsertMode::Update),
            r#"UPDATE "shop"."orders" AS t SET "na""`me" = u.c1::text FROM UNNEST($1::int8[], $2::text[]) AS u(c0, c1) WHERE t."id" = u.c0::integer"#
        );
        assert!(
            told(Deed::Delete, InsertMode::Upsert)
                .starts_with(r#"DELETE FROM "shop"."orders" AS t USING UNNEST("#)
        );
    }

    #[test]
    fn a_cast_of_postgresql_cuts_nothing() {
        assert_eq!(unbounded("integer"), "integer");
        assert_eq!(unbounded("character varying(5)"), "character varying");
        assert_eq!(unbounded("character(5)[]"), "bpchar[]");
        assert_eq!(unbounded("bit(3)"), "bit varying");
        assert_eq!(unbounded("timestamp(3) without time zone"), "timestamp without time zone");
    }

    #[test]
    fn statements_of_mysql() {
        let told = |deed, mode| told(Dialect::Mysql, deed, mode);
        assert_eq!(
            told(Deed::Write, InsertMode::Upsert),
            "INSERT INTO `shop`.`orders` (`id`, `na\"``me`) VALUES (?, ?) ON DUPLICATE KEY UPDATE `na\"``me` = VALUES(`na\"``me`)"
        );
        assert_eq!(
            told(Deed::Write, InsertMode::Update),
            "UPDATE `shop`.`orders` SET `na\"``me` = ? WHERE `id` = ?"
        );
        assert_eq!(
            told(Deed::Delete, InsertMode::Insert),
            "DELETE FROM `shop`.`orders` WHERE (`id`, `na\"``me`) IN ((?, ?))"
        );
    }

    #[test]
    fn statements_of_sqlite() {
        let told = |deed, mode| told(Dialect::Sqlite, deed, mode);
        assert!(told(Deed::Write, InsertMode::Upsert).ends_with(
            r#"VALUES (?, ?) ON CONFLICT ("id") DO UPDATE SET "na""`me" = excluded."na""`me""#
        ));
        assert!(told(Deed::Delete, InsertMode::Insert).ends_with("IN (VALUES (?, ?))"));
    }

    #[test]
    fn an_update_wants_the_key_at_the_end() {
        let (_, order) =
            statement(Dialect::Mysql, &["t".to_owned()], Deed::Write, InsertMode::Update, &COLUMNS);
        assert_eq!(order, [1, 0]);
    }

    #[test]
    fn a_table_is_made_of_what_the_schemas_say() {
        let column = |name: &str, schema, key| ColumnPlan { name: name.to_owned(), schema, key };
        let defaulted = Schema { default: Some("it's".into()), ..Schema::new(Kind::String) };
        let columns = [
            column("id", Some(Schema::new(Kind::String)), true),
            column("price", Some(Schema::decimal(2)), false),
            column("at", Some(Schema::logical_type(Logical::Timestamp).optional()), false),
            column("note", Some(defaulted), false),
        ];
        let table = ["orders".to_owned()];
        assert_eq!(
            create(Dialect::Postgresql, &table, &columns),
            r#"CREATE TABLE IF NOT EXISTS "orders" ("id" TEXT NOT NULL, "price" NUMERIC NOT NULL, "at" TIMESTAMP(3), "note" TEXT DEFAULT 'it''s', PRIMARY KEY ("id"))"#
        );
        assert_eq!(
            create(Dialect::Mysql, &table, &columns),
            "CREATE TABLE IF NOT EXISTS `orders` (`id` VARCHAR(255) NOT NULL, `price` DECIMAL(65,2) NOT NULL, `at` DATETIME(3), `note` LONGTEXT, PRIMARY KEY (`id`)) ENGINE=InnoDB"
        );
        assert_eq!(
            add_column(Dialect::Sqlite, &table, &columns[1]),
            r#"ALTER TABLE "orders" ADD COLUMN "price" TEXT"#
        );
    }
}
