//! The options, read once, and their schema.

use longshore_sdk::search::OPERATIONS_OF_A_CALL_MAX;
use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

/// What `bulk.size.bytes` may be: a server takes 100 MB unless set otherwise, and a call
/// 64 MiB.
const BULK_BYTES: [usize; 2] = [1 << 10, 20 << 20];

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMethod {
    /// It takes the place of what was there.
    Insert,
    /// Its fields go into what was there.
    Upsert,
}

/// What becomes of a record without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNull {
    /// It is refused.
    Fail,
    /// It is passed over.
    Ignore,
    /// The document of its key goes.
    Delete,
}

/// What becomes of documents that the server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMalformed {
    /// Their records are refused: `errors.tolerance` says what follows.
    Fail,
    /// They are logged and passed over.
    Warn,
    /// They are passed over.
    Ignore,
}

/// The options of the sink.
#[derive(Debug, Clone)]
pub struct SinkOptions {
    /// The connection to the cluster.
    pub connection: String,
    /// The document's id says where its record is, and not its key.
    pub key_ignore: bool,
    /// How a document is written.
    pub write_method: WriteMethod,
    /// What becomes of a record without a value.
    pub on_null: OnNull,
    /// What becomes of documents that the server refuses.
    pub on_malformed: OnMalformed,
    /// Operations of one request at the most.
    pub batch_size: usize,
    /// What the documents of one request have in bytes, about; one may have more.
    pub bulk_bytes: usize,
}

impl SinkOptions {
    /// JSON Schema of the options.
    pub fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "connection": { "type": "string", "default": "elasticsearch", "x-connection": "write",
                    "description": "The connection to the cluster." },
                "key.ignore": { "type": "boolean", "default": false,
                    "description": "Whether a document's id is topic+partition+offset of its record; else it is the record's key." },
                "write.method": { "type": "string", "enum": ["insert", "upsert"], "default": "insert",
                    "description": "Whether a document takes the place of the one that its id has, or its fields go into that." },
                "behavior.on.null.values": { "type": "string", "enum": ["fail", "ignore", "delete"], "default": "fail",
                    "description": "What becomes of a record without a value: it is refused, passed over, or deletes the document of its key." },
                "behavior.on.malformed.documents": { "type": "string", "enum": ["fail", "warn", "ignore"], "default": "fail",
                    "description": "What becomes of documents that the server refuses: errors.tolerance says it, they are logged and passed over, or passed over." },
                "batch.size": { "type": "integer", "default": 2000, "minimum": 1, "maximum": OPERATIONS_OF_A_CALL_MAX,
                    "description": "Documents of one request at the most." },
                "bulk.size.bytes": { "type": "integer", "default": 5 << 20, "minimum": BULK_BYTES[0], "maximum": BULK_BYTES[1],
                    "description": "What the documents of one request have in bytes at the most, unless a single one has more." },
            },
        })
    }

    /// Reads the options, telling all that is wrong at once.
    pub fn read(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader { config, errors: Vec::new() };
        let write_methods = [("insert", WriteMethod::Insert), ("upsert", WriteMethod::Upsert)];
        let on_null =
            [("fail", OnNull::Fail), ("ignore", OnNull::Ignore), ("delete", OnNull::Delete)];
        let on_malformed = [
            ("fail", OnMalformed::Fail),
            ("warn", OnMalformed::Warn),
            ("ignore", OnMalformed::Ignore),
        ];
        let options = Self {
            connection: config.get("connection").unwrap_or("elasticsearch").to_owned(),
            key_ignore: reader.one_of("key.ignore", &[("false", false), ("true", true)]),
            write_method: reader.one_of("write.method", &write_methods),
            on_null: reader.one_of("behavior.on.null.values", &on_null),
            on_malformed: reader.one_of("behavior.on.malformed.documents", &on_malformed),
            batch_size: reader.bounded("batch.size", 2000, [1, OPERATIONS_OF_A_CALL_MAX]),
            bulk_bytes: reader.bounded("bulk.size.bytes", 5 << 20, BULK_BYTES),
        };
        if options.key_ignore {
            let reason = "has no effect with `key.ignore=true`: no two records have one document";
            if options.write_method == WriteMethod::Upsert {
                reader.errors.push(ConfigError::at("write.method", format!("`upsert` {reason}")));
            }
            if options.on_null == OnNull::Delete {
                let name = "behavior.on.null.values";
                reader.errors.push(ConfigError::at(name, format!("`delete` {reason}")));
            }
        }
        if reader.errors.is_empty() { Ok(options) } else { Err(reader.errors) }
    }
}

/// Reads options; one that is wrong has its default, and is told.
struct Reader<'a> {
    config: &'a Config,
    errors: Vec<ConfigError>,
}

impl Reader<'_> {
    /// The first is the default.
    fn one_of<T: Copy>(&mut self, name: &str, known: &[(&str, T)]) -> T {
        let text = self.config.get(name).unwrap_or(known[0].0);
        let found = known.iter().find(|(known, _)| *known == text);
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            let message = format!("`{text}` is none of {}", names.join(", "));
            self.errors.push(ConfigError::at(name, message));
        }
        found.unwrap_or(&known[0]).1
    }

    fn bounded(&mut self, name: &str, default: usize, [min, max]: [usize; 2]) -> usize {
        match self.config.parsed(name, default) {
            Ok(value) if (min..=max).contains(&value) => return value,
            Ok(value) => {
                let message = format!("`{value}` is not between {min} and {max}");
                self.errors.push(ConfigError::at(name, message));
            }
            Err(error) => self.errors.push(error),
        }
        default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<SinkOptions, Vec<ConfigError>> {
        SinkOptions::read(&options.iter().copied().collect())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let options = read(&[]).unwrap();
        assert_eq!((options.key_ignore, options.write_method), (false, WriteMethod::Insert));
        assert_eq!((options.on_null, options.on_malformed), (OnNull::Fail, OnMalformed::Fail));
        assert_eq!((options.batch_size, options.bulk_bytes), (2000, 5_242_880));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let wrong = [
            ("key.ignore", "yes"),
            ("write.method", "update"),
            ("behavior.on.null.values", "skip"),
            ("behavior.on.malformed.documents", "retry"),
            ("batch.size", "10001"),
            ("bulk.size.bytes", "x"),
        ];
        let errors = read(&wrong).unwrap_err();
        let told: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(told, wrong.map(|(name, _)| name));
        assert_eq!(read(&[("bulk.size.bytes", "20971521")]).unwrap_err().len(), 1);
    }

    #[test]
    fn what_needs_keys_is_not_without_them() {
        let options = [
            ("key.ignore", "true"),
            ("write.method", "upsert"),
            ("behavior.on.null.values", "delete"),
        ];
        assert_eq!(read(&options).unwrap_err().len(), 2);
        assert!(read(&options[1..]).is_ok());
    }
}
