//! A format's converter: schemas asked of the registry, and kept.

use async_trait::async_trait;

use super::RegistryConverter;
use super::cache::{Read, Written};
use super::format::{Format, Named};
use super::subject::SubjectNames;
use crate::convert::{ConvertError, Part};
use crate::data::{DataError, Datum, SchemaRef};
use crate::registry::{Found, Registered, Registry, RegistryError, Submitted, framing};

/// Most schemas that one may name, theirs included.
const REFERENCES_MAX: usize = 100;

/// Where the id of a schema comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// The schema is registered (`auto.register.schemas=true`).
    Register,
    /// It is there already (`auto.register.schemas=false`).
    Find,
    /// The subject's latest version is used in its place (`use.latest.version=true`).
    Latest,
    /// The schema of this id is used in its place (`use.schema.id`).
    Given(u32),
}

/// The options of every format, under `key.converter.` or `value.converter.`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistryOptions {
    /// `auto.register.schemas`, `use.latest.version`, `use.schema.id`.
    pub ids: Ids,
    /// `normalize.schemas`.
    pub normalize: bool,
    /// `latest.compatibility.strict`: a field that the registry's schema does not have is
    /// an error, and is not left out.
    pub strict: bool,
    /// `key.subject.name.strategy` or `value.subject.name.strategy`.
    pub subjects: SubjectNames,
    /// `schemas.cache.size`: the most schemas that are kept, each way.
    pub schemas_kept_max: usize,
}

impl Default for RegistryOptions {
    /// Confluent's.
    fn default() -> Self {
        Self {
            ids: Ids::Register,
            normalize: false,
            strict: true,
            subjects: SubjectNames::Topic,
            schemas_kept_max: 1000,
        }
    }
}

/// Data of a format behind a registry's frame.
#[derive(Debug)]
pub struct FramedConverter<F: Format> {
    format: F,
    registry: Registry,
    part: Part,
    options: RegistryOptions,
    read: Read<F::Schema>,
    written: Written<Target<F::Schema>>,
}

/// A schema that data is written with, and its id.
#[derive(Debug, Clone)]
struct Target<S> {
    id: u32,
    schema: S,
}

impl<F: Format> FramedConverter<F> {
    /// A converter of keys or of values.
    pub fn new(format: F, registry: Registry, part: Part, options: RegistryOptions) -> Self {
        let max = options.schemas_kept_max;
        let (read, written) = (Read::new(max), Written::new(max));
        Self { format, registry, part, options, read, written }
    }

    /// The schema of that id, known or asked for.
    async fn schema(&self, id: u32) -> Result<F::Schema, ConvertError> {
        if let Some(known) = self.read.get(id) {
            return known;
        }
        let learnt = match self.registry.schema(id).await {
            Ok(found) => self.parse(&format!("the schema {id}"), found).await,
            Err(error) => Err(error.into()),
        };
        if !learnt.as_ref().is_err_and(ConvertError::may_pass) {
            self.read.keep(id, learnt.clone());
        }
        learnt
    }

    /// Reads a schema of the registry, and before it those that it names.
    async fn parse(&self, what: &str, found: Found) -> Result<F::Schema, ConvertError> {
        let unfit = |error: DataError| DataError(format!("{what} of the registry: {error}"));
        if found.kind != F::KIND {
            return Err(unfit(DataError::new("it is of another format")).of(F::NAME));
        }
        let mut named = Vec::new();
        let mut seen = Vec::new();
        // Each comes once those that it names have come.
        let mut open = vec![(String::new(), found, 0)];
        while let Some((_, found, next)) = open.last_mut() {
            if let Some(reference) = found.references.get(*next) {
                *next += 1;
                let (name, subject) = (reference.name.clone(), reference.subject.clone());
                let key = (subject, reference.version);
                if seen.contains(&key) {
                    continue;
                }
                if seen.len() == REFERENCES_MAX {
                    let message = format!("it names more than {REFERENCES_MAX} others");
                    return Err(unfit(DataError(message)).of(F::NAME));
                }
                let version = self.registry.version(&key.0, Some(key.1)).await?;
                seen.push(key);
                open.push((name, version.found, 0));
            } else if let Some((name, found, _)) = open.pop() {
                named.push(Named { name, text: found.schema });
            }
        }
        let Named { text, .. } = named.pop().expect("the first one comes last");
        self.format.parse(&text, &named).map_err(|error| unfit(error).of(F::NAME))
    }

    /// What data of that schema is written with under that subject.
    async fn target(
        &self,
        schema: &SchemaRef,
        subject: &str,
    ) -> Result<Target<F::Schema>, ConvertError> {
        if let Some(known) = self.written.of_schema(schema, subject) {
            return Ok(known);
        }
        let text = self.format.text(schema).map_err(|error| error.of(F::NAME))?;
        let target = match self.written.of_text(&text, subject) {
            Some(known) => known?,
            None => {
                let told = self.asked(schema, &text, subject).await;
                if !told.as_ref().is_err_and(ConvertError::may_pass) {
                    self.written.keep_text(text, subject, told.clone());
                }
                told?
            }
        };
        self.written.keep(schema, subject, target.clone());
        Ok(target)
    }

    async fn asked(
        &self,
        schema: &SchemaRef,
        text: &str,
        subject: &str,
    ) -> Result<Target<F::Schema>, ConvertError> {
        let submitted = Submitted { schema: text, kind: F::KIND };
        let normalize = self.options.normalize;
        let (id, theirs) = match self.options.ids {
            Ids::Register => {
                let id = self.registry.register(subject, &submitted, normalize).await?;
                return self.own(id, text);
            }
            Ids::Find => {
                let id = self.registry.id_of(subject, &submitted, normalize).await?;
                return self.own(id, text);
            }
            Ids::Latest => {
                let Registered { id, found, .. } = self.registry.version(subject, None).await?;
                let what = format!("the latest schema of `{subject}`");
                (id, self.parse(&what, found).await?)
            }
            Ids::Given(id) => (id, self.schema(id).await?),
        };
        self.format.agree(schema, &theirs, self.options.strict).map_err(|error| {
            DataError(format!("the schema {id} of the registry: {error}")).of(F::NAME)
        })?;
        Ok(Target { id, schema: theirs })
    }

    /// The data's own schema, as others read it.
    fn own(&self, id: u32, text: &str) -> Result<Target<F::Schema>, ConvertError> {
        let schema = self.format.parse(text, &[]).map_err(|error| error.of(F::NAME))?;
        Ok(Target { id, schema })
    }
}

#[async_trait]
impl<F: Format> RegistryConverter for FramedConverter<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    async fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError> {
        let Some(bytes) = bytes else { return Ok(Datum::default()) };
        let framed = framing::split(bytes);
        let (id, data) = framed.map_err(|reason| DataError(reason).of(F::NAME))?;
        let schema = self.schema(id).await?;
        self.format.decode(&schema, data).map_err(|error| {
            DataError(format!("it is not what its schema {id} says: {error}")).of(F::NAME)
        })
    }

    async fn write(
        &self,
        topic: &str,
        datum: &Datum,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        if datum.value.is_null() {
            return Ok(false);
        }
        let of_data = |error: DataError| error.of(F::NAME);
        let Some(schema) = &datum.schema else {
            return Err(of_data(DataError::new(
                "it has no schema: give it as `{\"schema\": ..., \"payload\": ...}`",
            )));
        };
        let record = self.format.record_name(schema).map_err(of_data)?;
        let subject = self.options.subjects.subject(topic, self.part, record.as_deref());
        let subject = subject.ok_or_else(|| {
            of_data(DataError::new("its schema has no name, by which its subject would be named"))
        })?;
        let Target { id, schema } = self.target(schema, &subject).await?;
        framing::push(id, out);
        self.format.encode(&schema, datum, out).map_err(of_data)?;
        Ok(true)
    }
}

impl From<RegistryError> for ConvertError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}
