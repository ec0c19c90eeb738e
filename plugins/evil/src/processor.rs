//! A processor that counts its records by key.

use longshore_sdk::state::State;
use longshore_sdk::{About, Batch, Config, Fault, Output, Plugin, Processed, Processor, Records};

use crate::deed::Deed;

/// Counts, and writes the counts of the keys it met to `counts`.
#[derive(Debug)]
pub struct EvilProcessor {
    deed: Deed,
    counts: State<i64>,
}

impl Plugin for EvilProcessor {
    const ABOUT: About = About {
        name: "evil-processor",
        version: "1.0.0",
        summary: "Does what no processor should.",
    };

    fn config_schema() -> serde_json::Value {
        Deed::config_schema(&[])
    }
}

impl Processor for EvilProcessor {
    fn open(config: &Config, _partition: u32) -> Result<Self, Fault> {
        let deed = Deed::of(config);
        deed.strike("open")?;
        Ok(Self { deed, counts: State::new() })
    }

    fn process(&mut self, _topic: &str, records: &Records) -> Result<Processed, Fault> {
        let batch = records.read();
        let keys: Vec<&[u8]> = batch.iter().map(|record| record.key.unwrap_or_default()).collect();
        let mut counts = std::collections::BTreeMap::new();
        for (key, before) in keys.iter().zip(self.counts.get_many(keys.iter().copied())) {
            *counts.entry(*key).or_insert(before.unwrap_or(0)) += 1;
        }
        self.counts.put_many(counts.iter().map(|(key, count)| (*key, Some(*count))));
        if self.deed.is("hoard-state") {
            hoard();
        }
        // After the state was written: none of it may survive.
        self.deed.strike("process")?;
        let mut out = Batch::new();
        for (key, count) in counts {
            out.push(Some(key), Some(&count.to_be_bytes()));
        }
        let outputs = vec![Output::new("counts", self.deed.spoil(out))];
        Ok(Processed { outputs, rejects: self.deed.rejects() })
    }
}

/// Writes new keys for ever.
fn hoard() -> ! {
    let state = State::<Vec<u8>>::new();
    let mut next = 0_u64;
    loop {
        let key = next.to_be_bytes();
        state.put_many([(&key[..], Some(vec![0; 64 << 10]))]);
        next += 1;
    }
}
