//! Word count: the processors `split-words` and `count-words`.
//!
//! `lines` → `split-words` → `words`, keyed by word → `count-words` → `counts`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`words`] | what a word is, and finding them fast |
//! | [`tally`] | sums by word over a batch, without an allocation a word |
//! | [`split`] | rows to words and how often each occurs in the batch |
//! | [`count`] | words to their totals, kept as keyed state |
//!
//! Both give out one record for each distinct word of a batch: key the word,
//! value a long (8 bytes, big-endian). How many records that are depends on
//! where batches end; the last total of a word does not.

pub mod count;
pub mod split;
pub mod tally;
pub mod words;

pub use count::CountWords;
pub use split::SplitWords;

use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

/// The options that both processors have.
fn schema(output: &str) -> Value {
    json!({
        "type": "object",
        "properties": {
            "output.topic": { "type": "string", "minLength": 1, "description": output },
        },
        "required": ["output.topic"],
    })
}

fn output_topic(config: &Config) -> Result<String, ConfigError> {
    match config.required("output.topic")?.trim() {
        "" => Err(ConfigError::at("output.topic", "must name a topic")),
        topic => Ok(topic.to_owned()),
    }
}
