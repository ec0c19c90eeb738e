//! Rows to words: `split-words`.

use longshore_sdk::{About, Config, Fault, Output, Plugin, Processed, Processor, Records};
use serde_json::Value;

use crate::tally::Tally;
use crate::words::Splitter;
use crate::{output_topic, schema};

/// Gives out each distinct word of a batch of rows with how often it occurs
/// there. Keys are not looked at, and a null value has no words.
#[derive(Debug)]
pub struct SplitWords {
    output_topic: String,
    splitter: Splitter,
    tally: Tally,
}

impl Plugin for SplitWords {
    const ABOUT: About = About {
        name: "split-words",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Splits rows into words, with how often each occurs in the batch",
    };

    fn config_schema() -> Value {
        schema("The topic that gets the words: key the word, value a long.")
    }
}

impl Processor for SplitWords {
    fn open(config: &Config, _partition: u32) -> Result<Self, Fault> {
        Ok(Self {
            output_topic: output_topic(config)?,
            splitter: Splitter::default(),
            tally: Tally::default(),
        })
    }

    fn process(&mut self, _topic: &str, records: &Records) -> Result<Processed, Fault> {
        let rows = records.read();
        for row in rows.iter() {
            if let Some(text) = row.value {
                self.splitter.split(text, |word| self.tally.add(word, 1));
            }
        }
        if self.tally.is_empty() {
            return Ok(Processed::default());
        }
        let output = Output::new(self.output_topic.as_str(), self.tally.take());
        Ok(Processed { outputs: vec![output], ..Processed::default() })
    }
}

#[cfg(test)]
mod tests {
    use longshore_sdk::testkit::Testkit;

    use super::*;

    fn config() -> Config {
        [("output.topic", "words")].into_iter().collect()
    }

    #[test]
    fn one_record_a_distinct_word_and_batch() {
        let kit = Testkit::new();
        let mut split = SplitWords::open(&config(), 0).unwrap();
        let rows = [(None, Some("To be, or not")), (Some("k"), None), (None, Some("TO BE"))];
        let processed = split.process("lines", &kit.from_topic(0, &rows)).unwrap();
        let [output] = &processed.outputs[..] else { panic!("one topic") };
        assert_eq!((output.topic.as_str(), output.partition), ("words", None));
        let words: Vec<_> =
            output.batch.iter().map(|r| (r.key.unwrap(), r.value.unwrap())).collect();
        let (once, twice) = (1_i64.to_be_bytes(), 2_i64.to_be_bytes());
        assert_eq!(
            words,
            [(&b"to"[..], &twice[..]), (b"be", &twice), (b"or", &once), (b"not", &once)]
        );
        assert!(processed.rejects.is_empty());
        let silence = kit.from_topic(3, &[(None, Some("..."))]);
        assert!(split.process("lines", &silence).unwrap().outputs.is_empty());
    }

    #[test]
    fn the_output_topic_must_be_named() {
        let fault = SplitWords::open(&Config::default(), 0).unwrap_err();
        assert_eq!(fault, Fault::config("config-invalid", "`output.topic` is required"));
        let blank = [("output.topic", " ")].into_iter().collect();
        assert!(SplitWords::open(&blank, 0).is_err());
    }
}
