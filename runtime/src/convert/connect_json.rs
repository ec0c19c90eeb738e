//! `json`: JSON as Kafka Connect's `JsonConverter` reads and writes it.

use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::json::{checked, utf8, write_on_one_line};
use super::json_data::{self, Dialect, Form};
use super::json_schemas;
use super::json_tree::{self, Envelope};
use super::{ConvertError, Converter};
use crate::data::{Datum, SchemaRef};

const NAME: &str = "json";

/// The converter's options, under `key.converter.` or `value.converter.`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonOptions {
    /// `schemas.enable`: every value is `{"schema": ..., "payload": ...}`.
    pub schemas: bool,
    /// `schemas.cache.size`: the most schemas that are kept, each way.
    pub schemas_kept_max: usize,
    /// `decimal.format=NUMERIC`: decimals are numbers, and not base64 of their bytes.
    pub numeric_decimals: bool,
    /// `replace.null.with.default`: a null stands for its field's default.
    pub null_is_default: bool,
}

impl Default for JsonOptions {
    /// Kafka Connect's, but for schemas: the short name `json` means none.
    fn default() -> Self {
        Self {
            schemas: false,
            schemas_kept_max: 1000,
            numeric_decimals: false,
            null_is_default: true,
        }
    }
}

/// JSON text, with schemas or without.
///
/// Without schemas text passes into a writer's JSON as it is, line breaks between its
/// tokens taken out: numbers keep their digits and objects the order of their keys. Of
/// an envelope the payload passes.
#[derive(Debug)]
pub struct JsonConverter {
    options: JsonOptions,
    /// Schemas by the text that they were read from.
    read: Mutex<IndexMap<Box<str>, Option<SchemaRef>>>,
    /// Texts of schemas by their address: each is kept with its schema, so that no
    /// other can have its place.
    written: Mutex<IndexMap<usize, Written>>,
}

/// A schema, and its text.
type Written = (SchemaRef, Box<[u8]>);

impl JsonConverter {
    /// A converter with these options.
    pub fn new(options: JsonOptions) -> Self {
        Self { options, read: Mutex::default(), written: Mutex::default() }
    }

    /// One for JSON without schemas.
    pub fn plain() -> Self {
        Self::new(JsonOptions::default())
    }

    fn form(&self) -> Form {
        let JsonOptions { numeric_decimals, null_is_default, .. } = self.options;
        Form { numeric_decimals, null_is_default, dialect: Dialect::Connect }
    }

    fn envelope(&self, text: &str) -> Result<Datum, ConvertError> {
        let not_json = |reason| ConvertError::NotJson { reason };
        let envelope = Envelope::parse(text).map_err(not_json)?;
        let Some(Envelope { schema, payload }) = envelope else {
            // It may be no JSON at all.
            checked(text.as_bytes())?;
            return Err(ConvertError::Data {
                converter: NAME,
                reason: "with `schemas.enable` it must be an object of `schema` and `payload` and \
                         nothing else; for plain JSON set `schemas.enable=false`"
                    .to_owned(),
            });
        };
        let schema = self.schema(schema)?;
        let value = json_data::read(schema.as_ref(), Some(&payload), self.form());
        Ok(Datum { schema, value: value.map_err(|error| error.of(NAME))? })
    }

    fn schema(&self, text: &str) -> Result<Option<SchemaRef>, ConvertError> {
        let mut known = self.read.lock().expect("no holder panics");
        if let Some(schema) = known.get(text) {
            return Ok(schema.clone());
        }
        let json =
            json_tree::Json::parse(text).map_err(|reason| ConvertError::NotJson { reason })?;
        let schema = json_schemas::read(&json, self.form()).map_err(|error| error.of(NAME))?;
        keep(&mut known, text.into(), schema.clone(), self.options.schemas_kept_max);
        Ok(schema)
    }

    fn write_schema(
        &self,
        schema: Option<&SchemaRef>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConvertError> {
        let Some(schema) = schema else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let mut known = self.written.lock().expect("no holder panics");
        let address = Arc::as_ptr(schema) as usize;
        if let Some((_, text)) = known.get(&address) {
            out.extend_from_slice(text);
            return Ok(());
        }
        let begin = out.len();
        json_schemas::write(schema, None, self.form(), out).map_err(|error| error.of(NAME))?;
        let kept = (schema.clone(), out[begin..].into());
        keep(&mut known, address, kept, self.options.schemas_kept_max);
        Ok(())
    }
}

/// Adds an entry, and takes the oldest away if there are too many.
fn keep<K: std::hash::Hash + Eq, V>(known: &mut IndexMap<K, V>, key: K, value: V, max: usize) {
    known.insert(key, value);
    if known.len() > max {
        known.shift_remove_index(0);
    }
}

impl Converter for JsonConverter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, bytes: Option<&[u8]>) -> Result<(), ConvertError> {
        let Some(bytes) = bytes else { return Ok(()) };
        match self.options.schemas {
            true => self.envelope(utf8(NAME, bytes)?).map(drop),
            false => checked(bytes).map(drop),
        }
    }

    fn write_json(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        let Some(bytes) = bytes else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        if !self.options.schemas {
            write_on_one_line(checked(bytes)?, out);
            return Ok(());
        }
        let Datum { schema, value } = self.envelope(utf8(NAME, bytes)?)?;
        let begin = out.len();
        json_data::write(schema.as_deref(), &value, self.form(), out).map_err(|error| {
            out.truncate(begin);
            error.of(NAME)
        })
    }

    /// With schemas the value is the whole envelope.
    fn from_json(&self, value: &Json) -> Result<Option<Vec<u8>>, ConvertError> {
        if value.is_null() {
            return Ok(None);
        }
        let text = value.to_string();
        if self.options.schemas {
            self.envelope(&text)?;
        }
        Ok(Some(text.into_bytes()))
    }

    fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError> {
        let Some(bytes) = bytes else { return Ok(Datum::default()) };
        let text = utf8(NAME, bytes)?;
        if self.options.schemas {
            return self.envelope(text);
        }
        let not_json = |reason| ConvertError::NotJson { reason };
        let json = json_tree::Json::parse(text).map_err(not_json)?;
        let value = json_data::read(None, Some(&json), self.form());
        Ok(Datum::plain(value.map_err(|error| error.of(NAME))?))
    }

    fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        let Datum { schema, value } = datum;
        if schema.is_none() && value.is_null() {
            return Ok(false);
        }
        if self.options.schemas {
            out.extend_from_slice(b"{\"schema\":");
            self.write_schema(schema.as_ref(), out)?;
            out.extend_from_slice(b",\"payload\":");
        }
        let written = json_data::write(schema.as_deref(), value, self.form(), out);
        written.map_err(|error| error.of(NAME))?;
        if self.options.schemas {
            out.push(b'}');
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
