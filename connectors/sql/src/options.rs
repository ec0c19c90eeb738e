//! The options of `sql-sink`, read once, and their schema.

use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

const BATCH_SIZE: usize = 3000;
const BATCH_SIZE_MAX: usize = 100_000;
const TABLE_NAME_FORMAT: &str = "${topic}";
const OFFSETS_TABLE: &str = "longshore_offsets";
/// The columns of `pk.mode=kafka`, unless `pk.fields` names others.
const KAFKA_FIELDS: [&str; 3] = ["__connect_topic", "__connect_partition", "__connect_offset"];

/// What becomes of a record whose row is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertMode {
    /// The database refuses it.
    Insert,
    /// It takes the row's place.
    Upsert,
    /// It takes the row's place, and without one it is nothing.
    Update,
}

/// Where a row's primary key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    /// There is none.
    None,
    /// From where the record lies: topic, partition and offset.
    Kafka,
    /// From the record's key.
    RecordKey,
    /// From fields of the record's value.
    RecordValue,
}

/// The options of `sql-sink`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkOptions {
    /// The connector's name, under which its positions are kept.
    pub name: String,
    /// The connection to the database.
    pub connection: String,
    /// The table of a topic: a schema, if one is named, and the table's name.
    pub table_name_format: Vec<String>,
    /// `insert.mode`.
    pub insert_mode: InsertMode,
    /// `pk.mode`.
    pub key_mode: KeyMode,
    /// `pk.fields`; of `pk.mode=kafka` always three.
    pub key_fields: Vec<String>,
    /// `fields.whitelist`: the value's fields that are written; empty: all.
    pub fields: Vec<String>,
    /// Tables that are missing are made.
    pub auto_create: bool,
    /// Columns that are missing are added.
    pub auto_evolve: bool,
    /// A tombstone deletes the row of its key.
    pub delete_enabled: bool,
    /// Rows that are written at once, about.
    pub batch_size: usize,
    /// The table of the positions.
    pub offsets_table: Vec<String>,
}

impl SinkOptions {
    /// JSON Schema of the options.
    pub fn schema() -> Value {
        let text = |default: &str, words: &str| json!({ "type": "string", "default": default, "description": words });
        let flag =
            |words: &str| json!({ "type": "boolean", "default": false, "description": words });
        json!({
            "type": "object",
            "properties": {
                "connection": { "type": "string", "default": "database", "x-connection": "write",
                    "description": "The connection to the database." },
                "table.name.format": text(TABLE_NAME_FORMAT,
                    "The table of a topic, a schema and a dot before it if need be."),
                "insert.mode": { "type": "string", "enum": ["insert", "upsert", "update"],
                    "default": "insert",
                    "description": "What becomes of a record whose row is there already." },
                "pk.mode": { "type": "string", "default": "none",
                    "enum": ["none", "kafka", "record_key", "record_value"],
                    "description": "Where a row's primary key comes from." },
                "pk.fields": text("", "The primary key's columns, separated by commas."),
                "fields.whitelist": text("", "Fields of the value that are written, separated by commas; empty: all."),
                "auto.create": flag("Make tables that are missing."),
                "auto.evolve": flag("Add columns that are missing."),
                "delete.enabled": flag("A tombstone deletes the row of its key."),
                "batch.size": { "type": "integer", "default": BATCH_SIZE, "minimum": 1,
                    "maximum": BATCH_SIZE_MAX,
                    "description": "Rows of a partition that are written at once, about." },
                "offsets.table": text(OFFSETS_TABLE,
                    "The table that keeps how far each partition is written."),
            },
        })
    }

    /// Reads the options, telling all that is wrong at once.
    pub fn read(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut wrong = |name: &str, message: &str| errors.push(ConfigError::at(name, message));
        let insert_mode = match config.get("insert.mode").unwrap_or("insert") {
            "insert" => InsertMode::Insert,
            "upsert" => InsertMode::Upsert,
            "update" => InsertMode::Update,
            _ => {
                wrong("insert.mode", "must be insert, upsert or update");
                InsertMode::Insert
            }
        };
        let key_mode = match config.get("pk.mode").unwrap_or("none") {
            "none" => KeyMode::None,
            "kafka" => KeyMode::Kafka,
            "record_key" => KeyMode::RecordKey,
            "record_value" => KeyMode::RecordValue,
            _ => {
                wrong("pk.mode", "must be none, kafka, record_key or record_value");
                KeyMode::None
            }
        };
        let mut key_fields = list(config.get("pk.fields"));
        match key_mode {
            KeyMode::None if insert_mode != InsertMode::Insert => {
                wrong("pk.mode", "cannot be none where `insert.mode` is upsert or update");
            }
            KeyMode::Kafka if key_fields.is_empty() => {
                key_fields = KAFKA_FIELDS.map(str::to_owned).into();
            }
            KeyMode::Kafka if key_fields.len() != 3 => {
                wrong("pk.fields", "must name three columns, for topic, partition and offset");
            }
            _ => {}
        }
        let delete_enabled = flag(config, "delete.enabled", &mut errors);
        if delete_enabled && key_mode != KeyMode::RecordKey {
            let message = "needs `pk.mode=record_key`: a tombstone has nothing but its key";
            errors.push(ConfigError::at("delete.enabled", message));
        }
        let batch_size = match config.parsed("batch.size", BATCH_SIZE) {
            Ok(size @ 1..=BATCH_SIZE_MAX) => size,
            Ok(_) => {
                let message = format!("must be from 1 to {BATCH_SIZE_MAX}");
                errors.push(ConfigError::at("batch.size", message));
                1
            }
            Err(error) => {
                errors.push(error);
                1
            }
        };
        let mut table = |name: &str, default: &str| {
            let parts: Vec<_> = config
                .get(name)
                .unwrap_or(default)
                .trim()
                .split('.')
                .map(|part| part.trim().to_owned())
                .collect();
            if parts.len() > 2 || parts.iter().any(String::is_empty) {
                errors
                    .push(ConfigError::at(name, "must be a table, or a schema, a dot and a table"));
            }
            parts
        };
        let table_name_format = table("table.name.format", TABLE_NAME_FORMAT);
        let offsets_table = table("offsets.table", OFFSETS_TABLE);
        let options = Self {
            name: config.get("name").unwrap_or_default().to_owned(),
            connection: config.get("connection").unwrap_or("database").to_owned(),
            table_name_format,
            insert_mode,
            key_mode,
            key_fields,
            fields: list(config.get("fields.whitelist")),
            auto_create: flag(config, "auto.create", &mut errors),
            auto_evolve: flag(config, "auto.evolve", &mut errors),
            delete_enabled,
            batch_size,
            offsets_table,
        };
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }
}

fn flag(config: &Config, name: &str, errors: &mut Vec<ConfigError>) -> bool {
    config.parsed(name, false).unwrap_or_else(|error| {
        errors.push(error);
        false
    })
}

fn list(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<SinkOptions, Vec<String>> {
        let config: Config = options.iter().copied().collect();
        SinkOptions::read(&config)
            .map_err(|errors| errors.into_iter().map(|error| error.path).collect())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let own = read(&[("name", "orders")]).unwrap();
        assert_eq!((own.insert_mode, own.key_mode), (InsertMode::Insert, KeyMode::None));
        assert_eq!((own.table_name_format, own.batch_size), (vec!["${topic}".to_owned()], 3000));
        assert_eq!(own.offsets_table, ["longshore_offsets"]);
        let kafka = read(&[("pk.mode", "kafka")]).unwrap();
        assert_eq!(kafka.key_fields[2], "__connect_offset");
        let schema = read(&[("table.name.format", "shop.k_${topic}")]).unwrap();
        assert_eq!(schema.table_name_format, ["shop", "k_${topic}"]);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let wrong = read(&[
            ("insert.mode", "replace"),
            ("pk.mode", "kafka"),
            ("pk.fields", "a,b"),
            ("delete.enabled", "true"),
            ("batch.size", "0"),
            ("table.name.format", "a.b.c"),
            ("auto.create", "maybe"),
        ]);
        let paths = [
            "insert.mode",
            "pk.fields",
            "delete.enabled",
            "batch.size",
            "table.name.format",
            "auto.create",
        ];
        assert_eq!(wrong.unwrap_err(), paths);
        assert_eq!(read(&[("insert.mode", "upsert")]).unwrap_err(), ["pk.mode"]);
    }

    /// The options table of the README, `name` and `default` of each row.
    #[test]
    fn the_readme_tells_every_option_with_its_default() {
        let readme = include_str!("../README.md");
        let section = readme.split("### Options of sql-sink").nth(1).expect("it is there");
        let rows = section.lines().skip_while(|line| !line.starts_with("| `"));
        let mut found: Vec<(String, String)> = rows
            .take_while(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<_> =
                    line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
                (cells[1].clone(), cells[2].clone())
            })
            .collect();
        let schema = SinkOptions::schema();
        let mut expected: Vec<_> = schema["properties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, option)| {
                let default = match &option["default"] {
                    Value::String(text) if text.is_empty() => "empty".to_owned(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                (name.clone(), default)
            })
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}
