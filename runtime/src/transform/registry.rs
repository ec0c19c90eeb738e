//! All transforms and predicates there are, by the names of Kafka Connect's classes.

use super::options::{Given, OptionInfo, Problem};
use super::predicates::{self, Predicate};
use super::{
    Transform, cast, drop_headers, extract_field, filter, flatten, header_from, hoist_field,
    insert_field, insert_header, mask_field, regex_router, replace_field, set_schema_metadata,
    timestamp_converter, timestamp_router, value_to_key,
};
use crate::convert::Part;

/// Which parts of a record are to be read for a transform or predicate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// Its key.
    pub key: bool,
    /// Its value.
    pub value: bool,
}

impl Reads {
    /// Neither.
    pub(super) const NOTHING: Self = Self { key: false, value: false };
    /// The value.
    pub(super) const VALUE: Self = Self { key: false, value: true };

    fn part(part: Part) -> Self {
        Self { key: part == Part::Key, value: part == Part::Value }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { key: self.key || other.key, value: self.value || other.value }
    }
}

/// A kind of transform.
#[derive(Debug)]
pub struct TransformKind {
    /// Its classes, and the part of the record that each works on.
    pub(super) classes: Classes,
    /// Its options.
    pub(super) options: &'static [OptionInfo],
    /// Makes one. The part is of no meaning where there is one class alone.
    pub(super) make: fn(Part, &Given<'_>) -> Made,
}

/// A transform, or what is wrong with its options.
pub(super) type Made = Result<Box<dyn Transform>, Problem>;

/// The names of a transform's classes.
#[derive(Debug)]
pub(super) enum Classes {
    /// One for keys, one for values.
    Parts { key: &'static str, value: &'static str },
    /// One for the whole record, of which it reads this.
    Whole { class: &'static str, reads: Reads },
}

/// A transform or predicate by its class.
#[derive(Debug)]
pub struct Found<K: 'static> {
    /// The class.
    pub class: &'static str,
    /// Its kind.
    pub kind: &'static K,
    /// The part of the record that it works on.
    pub(super) part: Part,
    /// What is to be read for it.
    pub(super) reads: Reads,
}

impl<K> Clone for Found<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Found<K> {}

/// The classes of a transform of keys or of values.
macro_rules! of_parts {
    ($name:literal) => {
        $crate::transform::registry::Classes::Parts {
            key: concat!("org.apache.kafka.connect.transforms.", $name, "$Key"),
            value: concat!("org.apache.kafka.connect.transforms.", $name, "$Value"),
        }
    };
}
pub(super) use of_parts;

/// The class of a transform of whole records.
macro_rules! of_records {
    ($name:literal, $reads:expr) => {
        $crate::transform::registry::Classes::Whole {
            class: concat!("org.apache.kafka.connect.transforms.", $name),
            reads: $reads,
        }
    };
}
pub(super) use of_records;

static TRANSFORMS: [&TransformKind; 16] = [
    &cast::KIND,
    &drop_headers::KIND,
    &extract_field::KIND,
    &filter::KIND,
    &flatten::KIND,
    &header_from::KIND,
    &hoist_field::KIND,
    &insert_field::KIND,
    &insert_header::KIND,
    &mask_field::KIND,
    &regex_router::KIND,
    &replace_field::KIND,
    &set_schema_metadata::KIND,
    &timestamp_converter::KIND,
    &timestamp_router::KIND,
    &value_to_key::KIND,
];

/// A kind of predicate.
#[derive(Debug)]
pub struct PredicateKind {
    /// Its class.
    pub(super) class: &'static str,
    /// Its options.
    pub(super) options: &'static [OptionInfo],
    /// What is to be read for it.
    pub(super) reads: Reads,
    /// Makes one.
    pub(super) make: fn(&Given<'_>) -> Result<Predicate, Problem>,
}

impl Found<TransformKind> {
    /// Its options.
    pub fn options(&self) -> &'static [OptionInfo] {
        self.kind.options
    }
}

impl Found<PredicateKind> {
    /// Its options.
    pub fn options(&self) -> &'static [OptionInfo] {
        self.kind.options
    }
}

/// All transforms, in the order of their classes.
pub fn transforms() -> impl Iterator<Item = Found<TransformKind>> {
    TRANSFORMS.into_iter().flat_map(|kind| {
        let found = |class, part, reads| Found { class, kind, part, reads };
        match kind.classes {
            Classes::Parts { key, value } => vec![
                found(key, Part::Key, Reads::part(Part::Key)),
                found(value, Part::Value, Reads::part(Part::Value)),
            ],
            Classes::Whole { class, reads } => vec![found(class, Part::Value, reads)],
        }
    })
}

/// All predicates, in the order of their classes.
pub fn predicates() -> impl Iterator<Item = Found<PredicateKind>> {
    predicates::KINDS.iter().map(|kind| Found {
        class: kind.class,
        kind,
        part: Part::Value,
        reads: kind.reads,
    })
}

/// The one of that class, or of that name without its package.
pub(super) fn named<K>(name: &str, mut all: impl Iterator<Item = Found<K>>) -> Option<Found<K>> {
    let short = |class: &'static str| class.rsplit('.').next().unwrap_or(class);
    all.find(|found| found.class == name || short(found.class) == name)
}
