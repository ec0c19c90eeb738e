//! Converters between a topic's bytes and values.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`scalar`] | `string` and `bytes` |
//! | [`numbers`] | `short`, `integer`, `long`, `float`, `double`, `boolean` |
//! | [`csv`] | `csv`: comma-separated values |
//! | [`connect_json`] | `json`: JSON without schemas, or in envelopes with one |
//! | `json_tree`, `json_data`, `json_schemas` | JSON taken apart; data and schemas in it |
//! | [`json`] | JSON text, and the escaping that all share |
//! | [`avro`] | `avro`: Avro with the schemas of a registry |
//! | [`json_schema`] | `json-schema`: JSON with its schema in a registry |
//! | [`registered`] | what converters with a registry are; from which side to which |
//! | `cbor` | values as plugins read and write them |
//! | [`header`] | `header.converter` of a connector |
//! | [`config`] | `key.converter` and `value.converter` of a connector |
//! | [`registry_config`] | the options of converters with a registry |
//!
//! A converter goes from bytes to one JSON value straight into the writer's
//! buffer; no tree is built between, but for JSON with schemas. Between bytes and
//! [data](crate::data) it goes for transforms alone: a value's tree takes memory for
//! each record, and a connector without transforms has none made. The encodings are
//! Kafka Connect's own, so that its serializers and ours read each other.

pub mod avro;
pub(crate) mod cbor;
pub mod config;
pub mod connect_json;
pub mod csv;
pub mod header;
pub mod json;
mod json_data;
pub mod json_schema;
pub(crate) mod json_schemas;
mod json_tree;
pub mod numbers;
pub mod registered;
pub mod registry_config;
pub mod scalar;

use std::fmt::Debug;
use std::sync::Arc;

pub use config::{ConverterError, named};
pub use connect_json::JsonConverter;
pub use csv::CsvConverter;
pub use header::HeaderConverter;
pub use numbers::{BooleanConverter, NumberConverter};
pub use registered::{Passage, Passages, RegistryConverter, Side};
pub use scalar::{BytesConverter, StringConverter};

use crate::data::{DataError, Datum};
use crate::registry::RegistryError;

/// What makes the bytes of a key or value unreadable, or a JSON value one that
/// cannot become such bytes. It names neither record nor topic: the caller does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// `string` or `json` met bytes that are not UTF-8.
    #[error(
        "not UTF-8 from byte {at} of {len} on, as the {converter} converter needs; \
         the bytes converter takes any"
    )]
    NotUtf8 {
        /// The converter's short name.
        converter: &'static str,
        /// First byte that is not UTF-8.
        at: usize,
        /// Length of the whole, in bytes.
        len: usize,
    },
    /// A converter of numbers met another length than its own.
    #[error("{found} bytes, but the {converter} converter reads exactly {expected}, big-endian")]
    Length {
        /// The converter's short name.
        converter: &'static str,
        /// Bytes that it reads.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// Data that is not what its schema says, or that the converter cannot hold.
    #[error("refused by the {converter} converter: {reason}")]
    Data {
        /// The converter's short name.
        converter: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry did not tell which schema it has.
    #[error("without a schema: {0}")]
    Registry(RegistryError),
    /// `json` met bytes that are not one JSON value.
    #[error("not JSON: {reason}; the string converter takes any text")]
    NotJson {
        /// What the parser said, with line and column.
        reason: String,
    },
    /// A JSON value of a kind that the converter cannot write.
    #[error("the {converter} converter writes {expected}, and not {found}")]
    Unsuited {
        /// The converter's short name.
        converter: &'static str,
        /// The JSON values that it takes.
        expected: &'static str,
        /// What it was given.
        found: String,
    },
}

impl ConvertError {
    /// A stable name in kebab-case, for metrics, alerts and dead letters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } => "not-utf8",
            Self::Length { converter, .. } => match *converter {
                "short" => "not-a-short",
                "integer" => "not-an-integer",
                "long" => "not-a-long",
                "float" => "not-a-float",
                "double" => "not-a-double",
                _ => "not-a-boolean",
            },
            Self::Data { .. } => "schema-mismatch",
            Self::Registry(error) => error.code(),
            Self::NotJson { .. } => "not-json",
            Self::Unsuited { .. } => "unsuited-value",
        }
    }

    /// True if the same may succeed later: nothing is wrong with the record.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Registry(error) if error.may_pass())
    }
}

impl DataError {
    /// The same as that converter's error.
    pub(crate) fn of(self, converter: &'static str) -> ConvertError {
        ConvertError::Data { converter, reason: self.0 }
    }
}

/// What of a record a converter reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

/// Between the bytes of a key or value in a topic and one JSON value.
///
/// Null bytes (a tombstone, a record without a key) are JSON's `null` in every
/// converter, both ways.
pub trait Converter: Debug + Send + Sync {
    /// The short name, as `key.converter` has it.
    fn name(&self) -> &'static str;

    /// Whether [`write_json`](Self::write_json) would succeed, without writing.
    fn check(&self, bytes: Option<&[u8]>) -> Result<(), ConvertError>;

    /// Appends one JSON value, on one line, to `out`. On an error `out` is as
    /// it was.
    fn write_json(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), ConvertError>;

    /// The bytes that stand for `value` in a topic, `None` for null.
    #[expect(clippy::wrong_self_convention, reason = "the other way of `write_json`")]
    fn from_json(&self, value: &serde_json::Value) -> Result<Option<Vec<u8>>, ConvertError>;

    /// What the bytes say (`Converter.toConnectData`).
    fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError>;

    /// Appends the bytes of data to `out` (`Converter.fromConnectData`); false, and
    /// nothing, for null. On an error `out` may hold a part of it.
    fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<bool, ConvertError>;
}

/// The converters of one connector.
#[derive(Debug, Clone)]
pub struct Converters {
    /// Reads and writes keys.
    pub key: Arc<dyn Converter>,
    /// Reads and writes values.
    pub value: Arc<dyn Converter>,
}

impl Default for Converters {
    /// All as `string`, which is what a file of text holds.
    fn default() -> Self {
        let string: Arc<dyn Converter> = Arc::new(StringConverter);
        Self { key: Arc::clone(&string), value: string }
    }
}
