//! The data model: what keys, values and headers are between their bytes and
//! the transforms.
//!
//! It is Kafka Connect's (`org.apache.kafka.connect.data`), so that its transforms
//! and schemas mean here what they mean there.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`schema`] | what a value is: its type, name, version, default, parameters |
//! | [`value`] | values of any type, maps and structs; a value with its schema |
//! | [`decimal`] | decimals of any size, with their scale |
//! | [`logical`] | `Decimal`, `Date`, `Time` and `Timestamp` |
//! | [`calendar`] | days and their numbers |
//! | [`date_format`] | dates to text and back, by patterns of `SimpleDateFormat` |
//! | [`java_text`] | the text that Java has for numbers and structures |
//! | [`literal`] | what a text says, as header values have it |

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod calendar;
pub mod date_format;
pub mod decimal;
pub mod java_text;
pub mod literal;
pub mod logical;
pub mod schema;
pub mod value;

pub use decimal::Decimal;
pub use schema::{Kind, Schema, SchemaRef};
pub use value::{Datum, Map, Struct, Value};

/// A value that is not what its schema says, or that cannot become what is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);

impl DataError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
