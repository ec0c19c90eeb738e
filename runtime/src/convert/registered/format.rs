//! What a format of schemas and data is to a registry's converter.

use std::fmt::Debug;

use crate::data::{DataError, Datum, SchemaRef};
use crate::registry::SchemaKind;

/// A schema that another names, whole.
#[derive(Debug)]
pub struct Named {
    /// What it is called there.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A format.
pub trait Format: Debug + Send + Sync + 'static {
    /// What is made of a schema of the registry.
    type Schema: Debug + Clone + Send + Sync;

    /// The short name, as `key.converter` has it.
    const NAME: &'static str;
    /// The registry's name of it.
    const KIND: SchemaKind;

    /// Reads a schema; those that it names come in an order in which each names only
    /// those before it.
    fn parse(&self, text: &str, named: &[Named]) -> Result<Self::Schema, DataError>;

    /// The text of a schema for data.
    fn text(&self, schema: &SchemaRef) -> Result<String, DataError>;

    /// The full name of data of that schema, as subjects are named by it, if it has one.
    fn record_name(&self, schema: &SchemaRef) -> Result<Option<String>, DataError>;

    /// Refuses a schema of the registry's under which data would change its meaning;
    /// with `strict` also one that leaves something out.
    fn agree(&self, own: &SchemaRef, theirs: &Self::Schema, strict: bool) -> Result<(), DataError>;

    /// Reads data.
    fn decode(&self, schema: &Self::Schema, data: &[u8]) -> Result<Datum, DataError>;

    /// Appends data, which is not null, under that schema: its own, or one that agrees.
    fn encode(
        &self,
        schema: &Self::Schema,
        datum: &Datum,
        out: &mut Vec<u8>,
    ) -> Result<(), DataError>;
}
