//! Converters whose schemas are in a registry, and which side of a connector each
//! converter is on.
//!
//! What a registry knows is asked over the network, so such a converter works between
//! the topic and the task, where waiting is possible. The plugin's side of it is JSON: a
//! sink is given plain JSON, a source gives JSON with schemas.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`converter`] | schemas asked of the registry, and data behind its frame |
//! | `cache` | what is known of schemas that were seen before |
//! | [`format`] | what a format is to it |
//! | `agree` | whether data fits a schema that is another's |
//! | [`subject`] | under which subject a registry has a record's schema |

pub(super) mod agree;
mod cache;
pub mod converter;
pub mod format;
pub mod subject;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::converter::{FramedConverter, Ids, RegistryOptions};
use super::{ConvertError, Converter};
use crate::data::Datum;

/// Between the bytes of a key or value in a topic and data, with the schemas of a
/// registry. Null bytes are null data without a schema, both ways.
#[async_trait]
pub trait RegistryConverter: Debug + Send + Sync {
    /// The short name, as `key.converter` has it.
    fn name(&self) -> &'static str;

    /// What the bytes say. An error that [may pass](ConvertError::may_pass) is none of
    /// the record's.
    async fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError>;

    /// Appends the bytes of data for that topic; false, and nothing, for null. On an
    /// error `out` may hold a part of it.
    async fn write(
        &self,
        topic: &str,
        datum: &Datum,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError>;
}

/// A converter of either kind.
#[derive(Debug, Clone)]
pub enum Side {
    /// One that knows all that it needs.
    Plain(Arc<dyn Converter>),
    /// One that asks a registry.
    Registry(Arc<dyn RegistryConverter>),
}

impl Side {
    /// See [`RegistryConverter::read`].
    pub async fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError> {
        match self {
            Self::Plain(converter) => converter.read(bytes),
            Self::Registry(converter) => converter.read(bytes).await,
        }
    }

    /// See [`RegistryConverter::write`].
    pub async fn write(
        &self,
        topic: &str,
        datum: &Datum,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        match self {
            Self::Plain(converter) => converter.write(datum, out),
            Self::Registry(converter) => converter.write(topic, datum, out).await,
        }
    }
}

/// Where keys or values come from and go to, on their way through a task.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Reads them.
    pub from: Side,
    /// Writes them.
    pub to: Side,
    /// The two sides differ: no bytes pass as they are.
    pub converts: bool,
}

impl Passage {
    /// From what a converter reads to what it writes.
    pub fn within(converter: Arc<dyn Converter>) -> Self {
        let (from, to) = (Side::Plain(Arc::clone(&converter)), Side::Plain(converter));
        Self { from, to, converts: false }
    }
}

/// The passages of one connector's records.
#[derive(Debug, Clone)]
pub struct Passages {
    /// Of keys.
    pub key: Passage,
    /// Of values.
    pub value: Passage,
}

impl Passages {
    /// True if records must go through, transforms or none.
    pub fn convert(&self) -> bool {
        self.key.converts || self.value.converts
    }
}
