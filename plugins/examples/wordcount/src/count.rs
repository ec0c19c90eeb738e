//! Words to their totals: `count-words`.

use longshore_sdk::state::State;
use longshore_sdk::{About, Config, Fault, Output, Plugin, Processed, Processor, Records, Reject};
use serde_json::Value;

use crate::tally::Tally;
use crate::{output_topic, schema};

/// Adds up what `split-words` gives out, and tells each distinct word of a
/// batch with its new total, once.
#[derive(Debug)]
pub struct CountWords {
    output_topic: String,
    totals: State<i64>,
    tally: Tally,
}

impl Plugin for CountWords {
    const ABOUT: About = About {
        name: "count-words",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Adds up the occurrences of each word",
    };

    fn config_schema() -> Value {
        schema("The topic that gets the totals: key the word, value a long. Compact it.")
    }
}

impl Processor for CountWords {
    fn open(config: &Config, _partition: u32) -> Result<Self, Fault> {
        Ok(Self {
            output_topic: output_topic(config)?,
            totals: State::new(),
            tally: Tally::default(),
        })
    }

    fn process(&mut self, _topic: &str, records: &Records) -> Result<Processed, Fault> {
        let words = records.read();
        let mut rejects = Vec::new();
        for word in words.iter() {
            match occurrences(word.key, word.value) {
                Ok((key, count)) => self.tally.add(key, count),
                Err((code, message)) => rejects.push(Reject::new(word.at, code, message)),
            }
        }
        if self.tally.is_empty() {
            return Ok(Processed { outputs: Vec::new(), rejects });
        }
        let before = self.totals.get_many(self.tally.words());
        self.tally.each(|at, sum| *sum = sum.saturating_add(before[at].unwrap_or(0)));
        self.totals.put_many(self.tally.sums().map(|(word, total)| (word, Some(total))));
        let output = Output::new(self.output_topic.as_str(), self.tally.take());
        Ok(Processed { outputs: vec![output], rejects })
    }
}

type Refusal = (&'static str, String);

fn occurrences<'a>(
    key: Option<&'a [u8]>,
    value: Option<&[u8]>,
) -> Result<(&'a [u8], i64), Refusal> {
    let key = key.ok_or_else(|| ("null-key", "the key is null and no word".to_owned()))?;
    let value = value.ok_or_else(|| ("null-value", "the value is null and no long".to_owned()))?;
    let count = value.try_into().map_err(|_| {
        ("not-a-long", format!("the value has {} bytes; a long has 8, big-endian", value.len()))
    })?;
    Ok((key, i64::from_be_bytes(count)))
}

#[cfg(test)]
mod tests {
    use longshore_sdk::Batch;
    use longshore_sdk::testkit::Testkit;

    use super::*;

    fn open() -> CountWords {
        let config = [("output.topic", "counts")].into_iter().collect();
        CountWords::open(&config, 0).unwrap()
    }

    fn batch(words: &[(&str, i64)]) -> Batch {
        let mut batch = Batch::new();
        for (word, count) in words {
            batch.push(Some(word.as_bytes()), Some(&count.to_be_bytes()));
        }
        batch
    }

    fn totals(processed: &Processed) -> Vec<(String, i64)> {
        let long = |value: Option<&[u8]>| i64::from_be_bytes(value.unwrap().try_into().unwrap());
        let word = |key: Option<&[u8]>| String::from_utf8(key.unwrap().to_vec()).unwrap();
        let records = processed.outputs.iter().flat_map(|output| output.batch.iter());
        records.map(|record| (word(record.key), long(record.value))).collect()
    }

    #[test]
    fn totals_grow_from_batch_to_batch_and_are_told_once_a_batch() {
        let kit = Testkit::new();
        let mut count = open();
        let first = batch(&[("a", 1), ("b", 2), ("a", 3)]);
        let processed = count.process("words", &kit.records(first)).unwrap();
        assert_eq!(totals(&processed), [("a".to_owned(), 4), ("b".to_owned(), 2)]);
        let processed = count.process("words", &kit.records(batch(&[("b", 5)]))).unwrap();
        assert_eq!(totals(&processed), [("b".to_owned(), 7)]);
        assert_eq!(kit.state()[&b"a".to_vec()], 4_i64.to_be_bytes());
    }

    #[test]
    fn a_new_instance_goes_on_from_the_state() {
        let kit = Testkit::new();
        open().process("words", &kit.records(batch(&[("a", 1)]))).unwrap();
        let processed = open().process("words", &kit.records(batch(&[("a", 1)]))).unwrap();
        assert_eq!(totals(&processed), [("a".to_owned(), 2)]);
    }

    #[test]
    fn what_is_no_count_is_refused_and_the_rest_counted() {
        let kit = Testkit::new();
        let mut words = batch(&[("a", 1)]);
        words.push(None, Some(&[0; 8]));
        words.push(Some(b"b"), None);
        words.push(Some(b"c"), Some(b"1"));
        let processed = open().process("words", &kit.records(words)).unwrap();
        let rejects: Vec<_> =
            processed.rejects.iter().map(|r| (r.at, r.why.code.as_str())).collect();
        assert_eq!(rejects, [(1, "null-key"), (2, "null-value"), (3, "not-a-long")]);
        assert_eq!(totals(&processed), [("a".to_owned(), 1)]);
    }
}
