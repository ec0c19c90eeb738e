//! Subscriptions by pattern. A pattern must match a topic's whole name, and is
//! of the kind that matches in linear time, as the RE2J that KIP-848 names. Internal
//! topics match too, as in Kafka: a client's `exclude.internal.topics` is about the
//! patterns that it matches itself.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use super::state::{ConsumerGroupError, TopicView};

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 256 << 10;

pub(super) fn check(pattern: &str) -> Result<(), ConsumerGroupError> {
    let invalid = |error: regex::Error| ConsumerGroupError::InvalidRegularExpression {
        reason: error.to_string(),
    };
    compile(pattern).map(drop).map_err(invalid)
}

/// The topics that a pattern matches.
pub(super) fn matching(pattern: &str, view: &dyn TopicView) -> BTreeSet<String> {
    // One that was taken in compiles; one that an older version took in may
    // not, and then matches nothing.
    let Ok(regex) = compile(pattern) else { return BTreeSet::new() };
    view.names().filter(|name| regex.is_match(name)).map(str::to_owned).collect()
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    // Compiled by itself first, so that it cannot close the group around it.
    RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build()?;
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES_MAX).build()
}
