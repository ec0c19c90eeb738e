//! Transforms of records on their way (KIP-66), and the predicates that they may
//! depend on (KIP-585): Kafka Connect's own, by their names, options and rules.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`record`] | a record as transforms see it |
//! | [`chain`] | `transforms` and `predicates` of a connector, read and applied |
//! | [`registry`] | all transforms and predicates there are |
//! | [`options`] | the options that they have |
//! | `predicates` | `HasHeaderKey`, `RecordIsTombstone`, `TopicNameMatches` |
//! | `fields` | what transforms of fields share; paths to nested fields |
//! | `java_regex` | regular expressions and replacements as Java has them |
//! | one file each | the transforms |
//!
//! Where Kafka Connect would change data in silence, a transform fails here instead;
//! each such place says so. A connector without transforms comes through none of this.

mod cast;
pub mod chain;
mod drop_headers;
mod extract_field;
mod fields;
mod filter;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod java_regex;
mod mask_field;
pub mod options;
mod predicates;
pub mod record;
mod regex_router;
pub mod registry;
mod replace_field;
mod set_schema_metadata;
mod timestamp_converter;
mod timestamp_router;
mod value_to_key;

use std::fmt;

pub use chain::Chain;
pub use record::Record;

use crate::data::DataError;

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Keep,
    /// It goes no further.
    Drop,
}

/// One transform, configured. It works on one record after the other and may keep
/// what it found out about their schemas.
pub trait Transform: fmt::Debug + Send {
    /// Changes a record. After an error the record is not to be used any more.
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError>;
}

/// Why a record cannot be transformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformError {
    /// A stable name in kebab-case, for metrics and dead letters.
    pub code: &'static str,
    /// Prose.
    pub message: String,
}

impl TransformError {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<DataError> for TransformError {
    fn from(error: DataError) -> Self {
        Self { code: "schema-mismatch", message: error.0 }
    }
}

#[cfg(test)]
mod java_tests;
#[cfg(test)]
mod tests;
