//! `header.converter`: how a header that a transform adds becomes bytes.
//!
//! Headers that came with a record keep the bytes that they came with: no transform
//! looks into their values.

use std::sync::Arc;

use super::{ConvertError, Converter};
use crate::data::{Datum, literal};

/// The short name of Kafka Connect's `SimpleHeaderConverter`.
pub const SIMPLE: &str = "simple";

/// How headers are written.
#[derive(Debug, Clone, Default)]
pub enum HeaderConverter {
    /// As text that says what they are (`SimpleHeaderConverter`).
    #[default]
    Simple,
    /// As keys and values are.
    Of(Arc<dyn Converter>),
}

impl HeaderConverter {
    /// The converter's short name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Simple => SIMPLE,
            Self::Of(converter) => converter.name(),
        }
    }

    /// Appends a header's bytes; false, and nothing, for null.
    pub fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        match self {
            Self::Of(converter) => converter.write(datum, out),
            Self::Simple if datum.value.is_null() => Ok(false),
            Self::Simple => {
                let text = literal::text(&datum.value).map_err(|error| error.of(SIMPLE))?;
                out.extend_from_slice(text.as_bytes());
                Ok(true)
            }
        }
    }
}
