//! `TimestampRouter`: another topic, made of the old one's name and the record's time.

use super::options::{Given, OptionInfo, OptionKind, Problem};
use super::registry::{Reads, TransformKind, of_records};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::DataError;
use crate::data::date_format::DateFormat;

const TOPIC_FORMAT: &str = "topic.format";
const TIMESTAMP_FORMAT: &str = "timestamp.format";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_records!("TimestampRouter", Reads::NOTHING),
    options: &[
        OptionInfo::optional(
            TOPIC_FORMAT,
            OptionKind::String,
            Some("${topic}-${timestamp}"),
            "HIGH",
            "The new name, with ${topic} for the old one and ${timestamp} for the time.",
        ),
        OptionInfo::optional(
            TIMESTAMP_FORMAT,
            OptionKind::String,
            Some("yyyyMMdd"),
            "HIGH",
            "The time's pattern, as SimpleDateFormat has them.",
        ),
    ],
    make,
};

#[derive(Debug)]
struct TimestampRouter {
    topic: String,
    timestamp: DateFormat,
}

fn make(_: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let timestamp = DateFormat::new(given.needed(TIMESTAMP_FORMAT), 0);
    let timestamp = timestamp.map_err(|DataError(why)| Problem::new(TIMESTAMP_FORMAT, why))?;
    Ok(Box::new(TimestampRouter { topic: given.needed(TOPIC_FORMAT).to_owned(), timestamp }))
}

impl Transform for TimestampRouter {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let Some(ms) = record.timestamp_ms else {
            return Err(TransformError::new("no-timestamp", "the record has no time"));
        };
        let named = self.topic.replace("${topic}", &record.topic);
        let routed = named.replace("${timestamp}", &self.timestamp.format(ms));
        // Records of one name share it.
        if *routed != *record.topic {
            record.topic = routed.into();
        }
        Ok(Outcome::Keep)
    }
}
