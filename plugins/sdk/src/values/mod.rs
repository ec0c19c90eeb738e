//! Keys and values in the form `values`: what the connector's converters read from a
//! topic's bytes, and write of what a plugin makes.
//!
//! A plugin says that it wants them with [`Plugin::INPUT`](crate::Plugin::INPUT), and that
//! it gives them with [`Plugin::OUTPUT`](crate::Plugin::OUTPUT). What crosses is CBOR under
//! the profile of the contract's page `values.md`; here it is a [`Value`], under a
//! [`Schema`] where the converter knows one.
//!
//! | file | what it is |
//! | --- | --- |
//! | `schema` | what a value is, and its JSON |
//! | `cbor` | values to bytes and back |
//! | `calendar` | days as dates |
//! | `decimal` | decimals of any size |

mod calendar;
mod cbor;
mod decimal;
mod schema;

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

#[cfg(target_arch = "wasm32")]
use crate::bindings::describe::longshore::base::schemas as import;
#[cfg(not(target_arch = "wasm32"))]
use crate::native::schemas as import;
use crate::{Batch, Fault, Record};

pub use calendar::civil;
pub use decimal::Decimal;
pub use schema::{Field, Kind, Logical, Schema};

/// Bytes that are no value of their schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError(pub String);

impl std::fmt::Display for ValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}

/// A key, a value, or a part of one. Text and bytes are borrowed from the batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number, of whatever width its schema has.
    Int(i64),
    /// IEEE 754, 32 bits.
    Float32(f32),
    /// IEEE 754, 64 bits.
    Float64(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Any bytes.
    Bytes(Cow<'a, [u8]>),
    /// A decimal with its scale.
    Decimal(Decimal),
    /// A day: days since the epoch.
    Date(i32),
    /// A time of day: milliseconds since midnight.
    Time(i32),
    /// A point in time: milliseconds since the epoch.
    Timestamp(i64),
    /// Elements in their order.
    Array(Vec<Value<'a>>),
    /// Entries in the order in which they came.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// A struct's fields, in the order of its schema.
    Struct(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// A text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Reads what a batch has of a record, `None` being null.
    pub fn read(schema: Option<&Schema>, bytes: Option<&'a [u8]>) -> Result<Self, ValueError> {
        bytes.map_or(Ok(Self::Null), |bytes| cbor::read(schema, bytes))
    }

    /// Appends its bytes to `out`.
    pub fn write(&self, schema: Option<&Schema>, out: &mut Vec<u8>) -> Result<(), ValueError> {
        cbor::write(schema, self, out)
    }

    /// True for null.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// What it is, for a message; never what it holds.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float32(_) | Self::Float64(_) => "a float",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Decimal(_) => "a decimal",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time of day",
            Self::Timestamp(_) => "a timestamp",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Struct(_) => "a struct",
        }
    }
}

/// The schemas behind the ids of batches; each is asked for once.
#[derive(Debug, Default)]
pub struct Schemas {
    known: HashMap<u32, Rc<Schema>>,
}

impl Schemas {
    /// None known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The schema of an id; 0 is none.
    pub fn get(&mut self, id: u32) -> Result<Option<Rc<Schema>>, ValueError> {
        if id == 0 {
            return Ok(None);
        }
        if let Some(schema) = self.known.get(&id) {
            return Ok(Some(schema.clone()));
        }
        let schema = Rc::new(Schema::from_json(&import::get(id))?);
        self.known.insert(id, schema.clone());
        Ok(Some(schema))
    }

    /// The id of a schema for values that go out. Ask once, and keep it.
    pub fn define(&mut self, schema: &Schema) -> Result<u32, Fault> {
        let id = import::define(&schema.to_json())
            .map_err(|why| Fault::fatal(&why.code, why.message))?;
        self.known.insert(id, Rc::new(schema.clone()));
        Ok(id)
    }

    /// A record's key, with its schema.
    pub fn key<'a>(&mut self, record: &Record<'a>) -> Result<Datum<'a>, ValueError> {
        self.datum(record.key_schema, record.key)
    }

    /// A record's value, with its schema.
    pub fn value<'a>(&mut self, record: &Record<'a>) -> Result<Datum<'a>, ValueError> {
        self.datum(record.value_schema, record.value)
    }

    fn datum<'a>(&mut self, id: u32, bytes: Option<&'a [u8]>) -> Result<Datum<'a>, ValueError> {
        let schema = self.get(id)?;
        let value = Value::read(schema.as_deref(), bytes)?;
        Ok(Datum { schema, value })
    }
}

/// A value with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum<'a> {
    /// What it is; none where the converter knows no schema.
    pub schema: Option<Rc<Schema>>,
    /// The value itself.
    pub value: Value<'a>,
}

/// Builds a batch of values.
#[derive(Debug, Default)]
pub struct Builder {
    batch: Batch,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Builder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record: a key and a value, each under a schema and its id, or without.
    pub fn push(
        &mut self,
        key: (Option<(u32, &Schema)>, &Value<'_>),
        value: (Option<(u32, &Schema)>, &Value<'_>),
    ) -> Result<(), ValueError> {
        let has_key = encode(key, &mut self.key)?;
        let has_value = encode(value, &mut self.value)?;
        self.batch.push(has_key.then_some(&*self.key), has_value.then_some(&*self.value));
        let id = |schema: Option<(u32, &Schema)>| schema.map_or(0, |(id, _)| id);
        self.batch.schemas(id(key.0), id(value.0));
        Ok(())
    }

    /// The batch so far, to give it timestamps and headers.
    pub fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// The batch.
    pub fn finish(self) -> Batch {
        self.batch
    }
}

fn encode(
    (schema, value): (Option<(u32, &Schema)>, &Value<'_>),
    out: &mut Vec<u8>,
) -> Result<bool, ValueError> {
    out.clear();
    if value.is_null() {
        return Ok(false);
    }
    value.write(schema.map(|(_, schema)| schema), out)?;
    Ok(true)
}
