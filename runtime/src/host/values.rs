//! Records in the form `values`: what the connector's converters make of a topic's bytes
//! and write of a plugin's values, with the schemas' ids.
//!
//! The profile is `plugins/wit/values.md`. A record that a converter cannot read is left
//! out of what the guest is handed, and refused in its place.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::limits::{SCHEMA_BYTES_MAX, SCHEMAS_MAX};
use crate::batch::Batch;
use crate::convert::{Converter, Converters, Part, cbor, json_schemas};
use crate::data::schema::Schema;
use crate::data::{DataError, Datum, SchemaRef, Value};
use crate::task::failures::{Failure, Stage};
use crate::task::plugin::Reject;

/// Schemas whose address is kept, so that a record's is found without its text.
const ADDRESSES_MAX: usize = 1000;

/// A batch beside the ids of its schemas: one a record, or none at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct WithSchemas {
    pub(super) batch: Batch,
    pub(super) key_schema: Vec<u32>,
    pub(super) value_schema: Vec<u32>,
}

/// The schemas that one instance knows, by ids from 1.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    known: Vec<(SchemaRef, Arc<str>)>,
    by_text: HashMap<Arc<str>, u32>,
    /// By address: each is kept with its schema, so that no other can have its place.
    by_address: IndexMap<usize, (SchemaRef, u32)>,
    bytes: usize,
}

impl Schemas {
    /// The schema behind an id, and its text.
    pub(super) fn get(&self, id: u32) -> Option<&(SchemaRef, Arc<str>)> {
        self.known.get((id as usize).checked_sub(1)?)
    }

    /// The id of a schema that a guest tells.
    pub(super) fn define(&mut self, text: &str) -> Result<u32, DataError> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(too_large());
        }
        let schema = json_schemas::from_text(text)?;
        self.id_of(&schema)
    }

    fn id_of(&mut self, schema: &SchemaRef) -> Result<u32, DataError> {
        let address = Arc::as_ptr(schema) as usize;
        if let Some((_, id)) = self.by_address.get(&address) {
            return Ok(*id);
        }
        let text = json_schemas::to_text(schema)?;
        let id = match self.by_text.get(text.as_str()) {
            Some(id) => *id,
            None => self.add(schema, text.into())?,
        };
        self.by_address.insert(address, (schema.clone(), id));
        if self.by_address.len() > ADDRESSES_MAX {
            self.by_address.shift_remove_index(0);
        }
        Ok(id)
    }

    fn add(&mut self, schema: &SchemaRef, text: Arc<str>) -> Result<u32, DataError> {
        if self.bytes + text.len() > SCHEMA_BYTES_MAX || self.known.len() == SCHEMAS_MAX {
            return Err(too_large());
        }
        self.bytes += text.len();
        self.known.push((schema.clone(), text.clone()));
        let id = self.known.len() as u32;
        self.by_text.insert(text, id);
        Ok(id)
    }
}

fn too_large() -> DataError {
    DataError(format!(
        "its schema is one too many: a task keeps {SCHEMAS_MAX}, and {SCHEMA_BYTES_MAX} bytes of \
         their text"
    ))
}

/// A batch as a guest reads it, and what it does not read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) shown: WithSchemas,
    /// The index of each in the batch that it was read from.
    pub(super) origins: Vec<u32>,
    /// Records that could not be read, by their index there.
    pub(super) unread: Vec<Reject>,
}

/// Reads a topic's batch.
pub(super) fn read(batch: &Batch, converters: &Converters, schemas: &mut Schemas) -> Read {
    let mut read = Read::default();
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut next_header = 0;
    for at in 0..batch.len() {
        let count = batch.columns.header_count.get(at).copied().unwrap_or(0) as usize;
        let headers = next_header..next_header + count;
        next_header = headers.end;
        let ids =
            part(Part::Key, &*converters.key, batch.key(at), schemas, &mut key).and_then(|ours| {
                let value_part = batch.value(at);
                Ok((ours, part(Part::Value, &*converters.value, value_part, schemas, &mut value)?))
            });
        let ((key_id, has_key), (value_id, has_value)) = match ids {
            Ok(ids) => ids,
            Err(failure) => {
                read.unread.push(Reject { at: at as u32, failure });
                continue;
            }
        };
        let shown = &mut read.shown;
        shown.batch.push(
            has_key.then_some(&*key),
            has_value.then_some(&*value),
            batch.timestamp_ms(at),
        );
        if let Some(offset) = batch.offset(at) {
            shown.batch.columns.offset.push(offset);
        }
        for header in headers {
            shown.batch.push_header(batch.header_name(header), batch.header_value(header));
        }
        shown.key_schema.push(key_id);
        shown.value_schema.push(value_id);
        read.origins.push(at as u32);
    }
    let counts = &mut read.shown.batch.columns.header_count;
    if !counts.is_empty() {
        counts.resize(read.origins.len(), 0);
    }
    read
}

/// Puts the CBOR of a key or value in the place of what `out` has: the id of its schema,
/// and whether it is there at all.
fn part(
    part: Part,
    converter: &dyn Converter,
    bytes: Option<&[u8]>,
    schemas: &mut Schemas,
    out: &mut Vec<u8>,
) -> Result<(u32, bool), Failure> {
    let (stage, name) = match part {
        Part::Key => (Stage::KeyConverter, "key"),
        Part::Value => (Stage::ValueConverter, "value"),
    };
    let Some(bytes) = bytes else { return Ok((0, false)) };
    let Datum { schema, value } = converter.read(Some(bytes)).map_err(|error| Failure {
        stage,
        code: error.code().to_owned(),
        message: format!("the {name} is {error}"),
    })?;
    let unfit = |error: DataError| Failure {
        stage,
        code: "not-a-plugins-value".to_owned(),
        message: format!("the {name} cannot be handed to the plugin: {error}"),
    };
    let schema = schema.or_else(|| match &value {
        Value::Struct(value) => Some(value.schema().clone()),
        _ => None,
    });
    let id = schema.as_ref().map_or(Ok(0), |schema| schemas.id_of(schema)).map_err(unfit)?;
    if value.is_null() {
        return Ok((id, false));
    }
    out.clear();
    cbor::write(schema.as_deref(), &value, out).map_err(unfit)?;
    Ok((id, true))
}

/// What a guest gave out, as the topic's bytes.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) batch: Batch,
    /// Records that a converter cannot write: their value as the guest gave it.
    pub(super) unwritten: Vec<(Vec<u8>, Failure)>,
}

/// Writes what a guest gave out; an error says how it broke the profile.
pub(super) fn write(
    given: &WithSchemas,
    converters: &Converters,
    schemas: &Schemas,
) -> Result<Written, String> {
    let mut written = Written::default();
    let batch = &given.batch;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut next_header = 0;
    for at in 0..batch.len() {
        let count = batch.columns.header_count.get(at).copied().unwrap_or(0) as usize;
        let headers = next_header..next_header + count;
        next_header = headers.end;
        let datum = |part: &str, ids: &[u32], bytes: Option<&[u8]>| {
            let id = ids.get(at).copied().unwrap_or(0);
            datum(schemas, id, bytes)
                .map_err(|error| format!("the {part} of record {at} is no value: {error}"))
        };
        let key_datum = datum("key", &given.key_schema, batch.key(at))?;
        let value_datum = datum("value", &given.value_schema, batch.value(at))?;
        let there = bytes_of(Part::Key, &*converters.key, &key_datum, &mut key).and_then(|ours| {
            Ok((ours, bytes_of(Part::Value, &*converters.value, &value_datum, &mut value)?))
        });
        match there {
            Ok((has_key, has_value)) => {
                let (key, value) = (has_key.then_some(&*key), has_value.then_some(&*value));
                written.batch.push(key, value, batch.timestamp_ms(at));
                for header in headers {
                    let (name, value) = (batch.header_name(header), batch.header_value(header));
                    written.batch.push_header(name, value);
                }
            }
            Err(failure) => {
                let payload = batch.value(at).unwrap_or_default().to_vec();
                written.unwritten.push((payload, failure));
            }
        }
    }
    let records = written.batch.len();
    let counts = &mut written.batch.columns.header_count;
    if !counts.is_empty() {
        counts.resize(records, 0);
    }
    Ok(written)
}

fn datum(schemas: &Schemas, id: u32, bytes: Option<&[u8]>) -> Result<Datum, String> {
    let schema = match (id, schemas.get(id)) {
        (0, _) => None,
        (_, Some((schema, _))) => Some(schema.clone()),
        _ => return Err(format!("nobody gave the id {id} to a schema")),
    };
    let value = match bytes {
        Some(bytes) => cbor::read(schema.as_ref(), bytes).map_err(|error| error.0)?,
        None if schema.as_deref().is_none_or(may_be_null) => Value::Null,
        None => return Err("null where its schema requires one".to_owned()),
    };
    Ok(Datum { schema, value })
}

fn may_be_null(schema: &Schema) -> bool {
    schema.optional || schema.default.is_some()
}

fn bytes_of(
    part: Part,
    converter: &dyn Converter,
    datum: &Datum,
    out: &mut Vec<u8>,
) -> Result<bool, Failure> {
    out.clear();
    let (stage, name) = match part {
        Part::Key => (Stage::KeyConverter, "key"),
        Part::Value => (Stage::ValueConverter, "value"),
    };
    converter.write(datum, out).map_err(|error| Failure {
        stage,
        code: error.code().to_owned(),
        message: format!("the {name} is {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::JsonConverter;
    use crate::convert::connect_json::JsonOptions;
    use crate::data::arbitrary::{self, Random};

    /// JSON in envelopes, which changes no null.
    fn converters() -> Converters {
        let options =
            JsonOptions { schemas: true, null_is_default: false, ..JsonOptions::default() };
        let json = Arc::new(JsonConverter::new(options));
        Converters { key: json.clone(), value: json }
    }

    #[test]
    fn any_batch_comes_back_as_the_bytes_that_it_was() {
        let converters = converters();
        for seed in 0..200 {
            let random = &mut Random(seed);
            let (mut batch, mut headers) = (Batch::default(), false);
            for at in 0..10 {
                let mut part = || {
                    let datum = arbitrary::datum(random);
                    let mut bytes = Vec::new();
                    converters.value.write(&datum, &mut bytes).unwrap();
                    bytes
                };
                let (key, value) = (part(), part());
                batch.push(Some(&key), (at != 3).then_some(&*value), at);
                if random.once_in(4) {
                    headers = true;
                    batch.push_header(b"h", Some(b"v"));
                    batch.push_header(b"h", None);
                }
            }
            if headers {
                batch.columns.header_count.resize(10, 0);
            }
            let mut schemas = Schemas::default();
            let read = read(&batch, &converters, &mut schemas);
            assert_eq!(read.unread, [], "seed {seed}");
            let written = write(&read.shown, &converters, &schemas).unwrap();
            assert_eq!(written.unwritten, [], "seed {seed}");
            // A null in an envelope is no null to the topic: its schema is told.
            assert_eq!(written.batch, batch, "seed {seed}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_left_out_and_its_neighbours_are_not() {
        let json: Arc<dyn Converter> = Arc::new(JsonConverter::plain());
        let converters = Converters { key: json.clone(), value: json };
        let mut batch = Batch::default();
        for (at, value) in ["1", "{", "null", "[2]"].iter().enumerate() {
            batch.push(None, Some(value.as_bytes()), 0);
            batch.push_header(b"at", Some(&[at as u8]));
            batch.columns.offset.push(at as i64 + 7);
        }
        let read = read(&batch, &converters, &mut Schemas::default());
        let shown = &read.shown.batch;
        assert_eq!(
            (read.origins.as_slice(), shown.columns.offset.as_slice()),
            (&[0, 2, 3][..], &[7, 9, 10][..])
        );
        assert_eq!(
            (shown.value(0), shown.value(1), shown.value(2)),
            (Some(&[1][..]), None, Some(&[0x81, 2][..]))
        );
        assert_eq!(shown.header_value(1), Some(&[2][..]));
        let [Reject { at: 1, failure }] = &read.unread[..] else { panic!("{:?}", read.unread) };
        assert_eq!((failure.stage, failure.code.as_str()), (Stage::ValueConverter, "not-json"));
    }

    #[test]
    fn a_schema_has_one_id_whoever_tells_it() {
        let mut schemas = Schemas::default();
        let text = r#"{"type":"int32","optional":true}"#;
        let id = schemas.define(text).unwrap();
        assert_eq!(schemas.define(text), Ok(id));
        let (schema, _) = schemas.get(id).unwrap().clone();
        assert_eq!(schemas.id_of(&Arc::new((*schema).clone())), Ok(id));
        assert_eq!(schemas.define(r#"{"type":"int32"}"#), Ok(id + 1));
        assert!(schemas.get(0).is_none() && schemas.get(id + 2).is_none());
        assert!(schemas.define("{}").is_err() && schemas.define("null").is_err());
    }

    #[test]
    fn schemas_without_end_are_refused_one_by_one() {
        let mut schemas = Schemas::default();
        let named = |at: usize| format!(r#"{{"type":"int8","name":"n{at}"}}"#);
        for at in 0..SCHEMAS_MAX {
            schemas.define(&named(at)).unwrap();
        }
        assert!(schemas.define(&named(SCHEMAS_MAX)).unwrap_err().0.contains("one too many"));
        assert_eq!(schemas.define(&named(0)), Ok(1));
        let long = format!(r#"{{"type":"int8","doc":"{}"}}"#, "x".repeat(SCHEMA_BYTES_MAX));
        assert!(Schemas::default().define(&long).is_err());
    }

    #[test]
    fn what_breaks_the_profile_is_told_of_its_record() {
        let (converters, mut schemas) = (converters(), Schemas::default());
        let id = schemas.define(r#"{"type":"int8"}"#).unwrap();
        let told = |id: u32, value: Option<&[u8]>| {
            let mut batch = Batch::default();
            batch.push(None, value, -1);
            let given = WithSchemas { batch, key_schema: Vec::new(), value_schema: vec![id] };
            write(&given, &converters, &schemas).unwrap_err()
        };
        assert!(told(id + 1, Some(&[1])).contains("nobody gave the id"));
        assert!(told(id, Some(&[0x61, b'a'])).contains("the value of record 0"));
        assert!(told(id, None).contains("null where"));
    }
}
