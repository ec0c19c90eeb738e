//! A source of made-up rows.

use std::time::Duration;

use longshore_sdk::{
    About, Batch, Checkpoint, Config, Fault, Next, Output, Plugin, Polled, Source, Task,
};

use crate::deed::Deed;

/// Gives `batches` batches of `records` rows of `bytes` bytes.
#[derive(Debug)]
pub struct EvilSource {
    deed: Deed,
    batches: u32,
    records: usize,
    row: Vec<u8>,
    polls: u32,
}

impl Plugin for EvilSource {
    const ABOUT: About =
        About { name: "evil-source", version: "1.0.0", summary: "Does what no source should." };

    fn config_schema() -> serde_json::Value {
        Deed::config_schema(&["batches", "records", "bytes"])
    }
}

impl Source for EvilSource {
    fn plan(config: &Config, max_tasks: u32) -> Result<Vec<Task>, Fault> {
        Deed::of(config).strike("plan")?;
        Ok((0..max_tasks.min(2))
            .map(|n| Task { name: format!("part-{n}"), assignment: format!("{{\"part\":{n}}}") })
            .collect())
    }

    fn open(config: &Config, _task: &Task) -> Result<Self, Fault> {
        let deed = Deed::of(config);
        deed.strike("open")?;
        Ok(Self {
            deed,
            batches: config.parsed("batches", 1)?,
            records: config.parsed("records", 10)?,
            row: vec![b'x'; config.parsed("bytes", 100)?],
            polls: 0,
        })
    }

    fn poll(&mut self, _wait: Duration, _max_bytes: u32) -> Result<Polled, Fault> {
        self.deed.strike("poll")?;
        self.polls += 1;
        let mut batch = Batch::with_capacity(self.records, self.records * self.row.len());
        for _ in 0..self.records {
            batch.push(None, Some(&self.row));
        }
        let offset = self.deed.checkpoint(self.polls);
        Ok(Polled {
            outputs: vec![Output::new("rows", self.deed.spoil(batch))],
            refused: Vec::new(),
            saved: vec![Checkpoint::at(r#"{"part":0}"#, offset)],
            next: if self.polls < self.batches { Next::More } else { Next::Done },
        })
    }

    fn committed(&mut self, _polls: u64) -> Result<(), Fault> {
        self.deed.strike("committed")
    }

    fn close(self) {
        let _ = self.deed.strike("close");
    }
}
