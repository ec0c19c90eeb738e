//! Predicates: on which records a transform works.

use super::java_regex::Pattern;
use super::options::{Given, OptionInfo, OptionKind, Problem};
use super::registry::{PredicateKind, Reads};
use super::{Record, TransformError};
use crate::convert::Part;

/// A predicate, configured.
#[derive(Debug)]
pub(super) enum Predicate {
    /// At least one header has this name.
    HasHeaderKey(String),
    /// The value is null.
    RecordIsTombstone,
    /// The topic's whole name matches.
    TopicNameMatches(Box<TopicPattern>),
}

/// An expression for names of topics, and what the last one came to: most records are
/// of the topic of the record before.
#[derive(Debug)]
pub(super) struct TopicPattern {
    pattern: Pattern,
    last: Option<(std::sync::Arc<str>, bool)>,
}

pub(super) static KINDS: [PredicateKind; 3] = [
    PredicateKind {
        class: "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        options: &[OptionInfo::required(
            "name",
            OptionKind::String,
            "MEDIUM",
            "The name of the header.",
        )],
        reads: Reads::NOTHING,
        make: has_header_key,
    },
    PredicateKind {
        class: "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
        options: &[],
        reads: Reads::VALUE,
        make: |_| Ok(Predicate::RecordIsTombstone),
    },
    PredicateKind {
        class: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        options: &[OptionInfo::required(
            "pattern",
            OptionKind::String,
            "MEDIUM",
            "A regular expression for the whole name of the record's topic.",
        )],
        reads: Reads::NOTHING,
        make: topic_name_matches,
    },
];

fn not_empty<'a>(given: &Given<'a>, name: &str) -> Result<&'a str, Problem> {
    match given.needed(name) {
        "" => Err(Problem::new(name, "must not be empty")),
        text => Ok(text),
    }
}

fn has_header_key(given: &Given<'_>) -> Result<Predicate, Problem> {
    Ok(Predicate::HasHeaderKey(not_empty(given, "name")?.to_owned()))
}

fn topic_name_matches(given: &Given<'_>) -> Result<Predicate, Problem> {
    let pattern = Pattern::new("pattern", not_empty(given, "pattern")?)?;
    Ok(Predicate::TopicNameMatches(Box::new(TopicPattern { pattern, last: None })))
}

impl Predicate {
    /// True if the record is one of those that are meant.
    pub(super) fn test(&mut self, record: &Record) -> Result<bool, TransformError> {
        match self {
            Self::HasHeaderKey(name) => {
                Ok(record.headers.iter().any(|header| *header.name == **name))
            }
            Self::RecordIsTombstone => Ok(record.datum(Part::Value).value.is_null()),
            Self::TopicNameMatches(topics) => match &topics.last {
                Some((topic, matched)) if *topic == record.topic => Ok(*matched),
                _ => {
                    let matched = topics.pattern.matches(&record.topic)?;
                    topics.last = Some((record.topic.clone(), matched));
                    Ok(matched)
                }
            },
        }
    }
}
