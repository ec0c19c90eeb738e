//! A sink that sums, and keeps what it is told to.

use longshore_sdk::formats::Writer;
use longshore_sdk::{
    About, Config, Fault, Mark, Partition, Plugin, Progress, Records, Reject, Sink,
};

use crate::deed::Deed;

/// `keep=true` holds on to every handle until `drain`. `read` says what is done
/// with a batch: `sum` all bytes of its values, `touch` the first of each, or
/// `nothing`.
#[derive(Debug)]
pub struct EvilSink {
    deed: Deed,
    keep: bool,
    read: String,
    kept: Vec<Records>,
    marks: Vec<Mark>,
}

impl Plugin for EvilSink {
    const ABOUT: About =
        About { name: "evil-sink", version: "1.0.0", summary: "Does what no sink should." };

    fn config_schema() -> serde_json::Value {
        Deed::config_schema(&["keep", "read"])
    }
}

impl Sink for EvilSink {
    fn open(config: &Config) -> Result<Self, Fault> {
        let deed = Deed::of(config);
        deed.strike("open")?;
        Ok(Self {
            deed,
            keep: config.parsed("keep", false)?,
            read: config.get("read").unwrap_or("sum").to_owned(),
            kept: Vec::new(),
            marks: Vec::new(),
        })
    }

    fn revoked(&mut self, _partitions: &[Partition]) -> Result<Progress, Fault> {
        self.drain()
    }

    fn put(
        &mut self,
        from: &Partition,
        _topic: &str,
        records: Records,
    ) -> Result<Vec<Reject>, Fault> {
        self.deed.strike("put")?;
        if self.deed.is("hoard-rows") {
            hoard(&records)?;
        }
        match self.read.as_str() {
            "sum" => count(&records, sum),
            "touch" => count(&records, |value| value.first().map_or(0, |byte| u64::from(*byte))),
            _ => {}
        }
        let next = records.route().offset.last().map_or(0, |last| last + 1);
        self.marks.push(Mark { partition: from.clone(), next });
        if self.keep {
            self.kept.push(records);
        }
        Ok(self.deed.rejects())
    }

    fn tick(&mut self) -> Result<Progress, Fault> {
        self.deed.strike("tick")?;
        Ok(Progress::default())
    }

    fn drain(&mut self) -> Result<Progress, Fault> {
        self.kept.clear();
        Ok(Progress { marks: std::mem::take(&mut self.marks), ..Progress::default() })
    }
}

/// Encodes the same records over and over, for no upload.
fn hoard(records: &Records) -> Result<(), Fault> {
    let writer = Writer::create("lines", "{}")?;
    loop {
        writer.append(records, &[])?;
    }
}

/// Reads a batch and tells the host what its values come to.
fn count(records: &Records, work: fn(&[u8]) -> u64) {
    let batch = records.read();
    let sum = batch.iter().map(|record| work(record.value.unwrap_or_default())).sum();
    longshore_sdk::host::count("sum", sum);
}

/// The yardstick's work on a value: at most 16 MiB, in lanes of 32 bits.
fn sum(value: &[u8]) -> u64 {
    u64::from(value.iter().map(|byte| u32::from(*byte)).sum::<u32>())
}
