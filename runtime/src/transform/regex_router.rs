//! `RegexRouter`: another topic, made of the old one's name.

use std::sync::Arc;

use super::java_regex::{Pattern, Replacement};
use super::options::{Given, OptionInfo, OptionKind, Problem};
use super::registry::{Reads, TransformKind, of_records};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;

const REGEX: &str = "regex";
const REPLACEMENT: &str = "replacement";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_records!("RegexRouter", Reads::NOTHING),
    options: &[
        OptionInfo::required(
            REGEX,
            OptionKind::String,
            "HIGH",
            "A regular expression; a topic whose whole name matches gets another.",
        ),
        OptionInfo::required(
            REPLACEMENT,
            OptionKind::String,
            "HIGH",
            "What the first match in the name becomes; $1 is the first group.",
        ),
    ],
    make,
};

#[derive(Debug)]
struct RegexRouter {
    pattern: Pattern,
    replacement: Replacement,
    /// A topic and what it became: most records are of the topic of the one before.
    last: Option<(Arc<str>, Arc<str>)>,
}

fn make(_: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let pattern = Pattern::new(REGEX, given.needed(REGEX))?;
    let replacement = Replacement::new(REPLACEMENT, given.needed(REPLACEMENT), &pattern)?;
    Ok(Box::new(RegexRouter { pattern, replacement, last: None }))
}

impl Transform for RegexRouter {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let routed = match &self.last {
            Some((topic, routed)) if *topic == record.topic => routed.clone(),
            _ => {
                let routed = match self.pattern.matches(&record.topic)? {
                    true => self.pattern.replace_first(&record.topic, &self.replacement)?.into(),
                    false => record.topic.clone(),
                };
                self.last = Some((record.topic.clone(), Arc::clone(&routed)));
                routed
            }
        };
        record.topic = routed;
        Ok(Outcome::Keep)
    }
}
