//! A processor that reads every key and value, and gives them out again.

use longshore_sdk::values::{Builder, Schemas};
use longshore_sdk::{
    About, Batch, Config, Fault, Form, Output, Plugin, Processed, Processor, Records,
};

use crate::deed::Deed;

/// Writes what it read to `echo`.
#[derive(Debug)]
pub struct EvilValues {
    deed: Deed,
    schemas: Schemas,
}

impl Plugin for EvilValues {
    const ABOUT: About = About {
        name: "evil-values",
        version: "1.0.0",
        summary: "Gives back values, or what is none.",
    };
    const INPUT: Form = Form::Values;
    const OUTPUT: Form = Form::Values;

    fn config_schema() -> serde_json::Value {
        Deed::config_schema(&[])
    }
}

impl Processor for EvilValues {
    fn open(config: &Config, _partition: u32) -> Result<Self, Fault> {
        Ok(Self { deed: Deed::of(config), schemas: Schemas::new() })
    }

    fn process(&mut self, _topic: &str, records: &Records) -> Result<Processed, Fault> {
        self.deed.strike("process")?;
        let batch = records.read();
        let unread = |error| Fault::fatal("not-a-value", error);
        let mut echo = Builder::new();
        for (record, headers) in batch.iter().zip(batch.headers()) {
            let key = self.schemas.key(&record).map_err(unread)?;
            let value = self.schemas.value(&record).map_err(unread)?;
            let ids = [record.key_schema, record.value_schema];
            let [key_schema, value_schema] = [&key.schema, &value.schema];
            let key_schema = key_schema.as_deref().map(|schema| (ids[0], schema));
            let value_schema = value_schema.as_deref().map(|schema| (ids[1], schema));
            echo.push((key_schema, &key.value), (value_schema, &value.value)).map_err(unread)?;
            record.timestamp_ms.into_iter().for_each(|ms| echo.batch().timestamp(ms));
            for (name, value) in headers {
                echo.batch().header(&String::from_utf8_lossy(name), value);
            }
        }
        let outputs = vec![Output::new("echo", spoil(&self.deed, echo.finish()))];
        Ok(Processed { outputs, rejects: self.deed.rejects() })
    }
}

/// Adds what is no value, if that is the deed.
fn spoil(deed: &Deed, mut batch: Batch) -> Batch {
    let records = batch.len();
    let mut add = |bytes: &[u8], schema| {
        batch.push(None, Some(bytes));
        batch.schemas(0, schema);
    };
    match deed {
        it if it.is("no-cbor") => add(&[0x9f, 0xff], 0),
        it if it.is("endless-array") => add(&[0x9b, 127, 255, 255, 255, 255, 255, 255, 255], 0),
        it if it.is("deep-value") => add(&[0x81; 100_000], 0),
        it if it.is("unknown-schema") => add(&[1], 9_999),
        it if it.is("not-its-schema") => add(&[0x61, b'a'], 1),
        it if it.is("unequal-schemas") => batch.columns.value_schema = vec![0; records + 1],
        _ => {}
    }
    batch
}
