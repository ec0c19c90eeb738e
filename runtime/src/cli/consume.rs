//! `longshore consume`: a topic's records to stdout.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::CliError;
use super::cluster::{Cluster, ClusterArgs, Reading, converter};
use super::topic::existing;
use crate::convert::Converter;
use crate::kafka::{Fetched, Start};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One value a line
    #[default]
    Text,
    /// One JSON object a line: topic, partition, offset, timestamp, key, value
    Json,
}

/// Print a topic's records
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore consume counts --from-beginning --until-end --print-key --value-converter long
  longshore consume lines --output json --count 10

It is a member of no group and commits nothing.")]
pub(super) struct Consume {
    /// The topic
    topic: String,
    /// Begin with the first record that the log holds, not with those to come
    #[arg(long)]
    from_beginning: bool,
    /// End after so many records
    #[arg(long, value_name = "RECORDS")]
    count: Option<u64>,
    /// End at the record that is the last one now
    #[arg(long)]
    until_end: bool,
    /// This partition alone
    #[arg(long)]
    partition: Option<i32>,
    /// Print the key and a tab before the value
    #[arg(long)]
    print_key: bool,
    /// What keys are: string, bytes, json, long or another number, boolean
    #[arg(long, default_value = "string", value_parser = converter)]
    key_converter: Arc<dyn Converter>,
    /// What values are: string, bytes, json, long or another number, boolean
    #[arg(long, default_value = "string", value_parser = converter)]
    value_converter: Arc<dyn Converter>,
    /// How records are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Form,
}

impl Consume {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        if self.count == Some(0) {
            return Ok(());
        }
        let cluster = Cluster::new(cluster)?;
        let topic = existing(cluster.admin(), &self.topic).await?;
        let mut partitions: Vec<i32> =
            topic.partitions.iter().map(|partition| partition.partition).collect();
        if let Some(wanted) = self.partition {
            partitions.retain(|partition| *partition == wanted);
            if partitions.is_empty() {
                return Err(CliError::failed(format!(
                    "`{}` has partitions 0 to {}, not {wanted}",
                    self.topic,
                    topic.partitions.len().saturating_sub(1)
                )));
            }
        }
        let reading = Reading {
            topic: &self.topic,
            partitions: &partitions,
            start: if self.from_beginning { Start::Earliest } else { Start::Latest },
            until_end: self.until_end,
        };
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut line = Vec::new();
        let read = cluster.read(reading, |fetched| {
            line.clear();
            let printed = self.lines(fetched, &mut left, &mut line);
            // What came before a bad record is printed before its error.
            let mut stdout = std::io::stdout().lock();
            let written = stdout.write_all(&line).and_then(|()| stdout.flush());
            printed?;
            // A reader that went away (`| head`) has what it wanted.
            Ok(if left == 0 || written.is_err() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        });
        Box::pin(read).await
    }

    fn lines(&self, fetched: &Fetched, left: &mut u64, out: &mut Vec<u8>) -> Result<(), CliError> {
        for at in 0..fetched.batch.len() {
            if *left == 0 {
                break;
            }
            *left -= 1;
            let start = out.len();
            let written = match self.output {
                Form::Text => self.text(fetched, at, out),
                Form::Json => self.json(fetched, at, out),
            };
            if let Err(why) = written {
                out.truncate(start);
                let offset = fetched.batch.offset(at).unwrap_or(-1);
                return Err(CliError::failed(format!(
                    "{} at offset {offset}: {why}",
                    fetched.partition
                )));
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn text(&self, fetched: &Fetched, at: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if self.print_key {
            plain(&*self.key_converter, fetched.batch.key(at), out)
                .map_err(|why| format!("key: {why}"))?;
            out.push(b'\t');
        }
        plain(&*self.value_converter, fetched.batch.value(at), out)
            .map_err(|why| format!("value: {why}"))
    }

    fn json(&self, fetched: &Fetched, at: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let topic = serde_json::Value::from(&*fetched.partition.topic);
        let head = format!(
            "{{\"topic\":{topic},\"partition\":{},\"offset\":{},\"timestamp\":{},\"key\":",
            fetched.partition.partition,
            fetched.batch.offset(at).unwrap_or(-1),
            fetched.batch.timestamp_ms(at),
        );
        out.extend_from_slice(head.as_bytes());
        let key = self.key_converter.write_json(fetched.batch.key(at), out);
        key.map_err(|why| format!("key: {why}"))?;
        out.extend_from_slice(b",\"value\":");
        let value = self.value_converter.write_json(fetched.batch.value(at), out);
        value.map_err(|why| format!("value: {why}"))?;
        out.push(b'}');
        Ok(())
    }
}

/// Text and bytes as they stand, everything else as JSON.
fn plain(converter: &dyn Converter, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), String> {
    match bytes {
        Some(bytes) if matches!(converter.name(), "string" | "bytes") => {
            converter.check(Some(bytes)).map_err(|error| error.to_string())?;
            out.extend_from_slice(bytes);
            Ok(())
        }
        _ => converter.write_json(bytes, out).map_err(|error| error.to_string()),
    }
}
