//! `longshore produce`: lines of stdin to a topic.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::CliError;
use super::cluster::{Cluster, ClusterArgs, converter};
use super::topic::existing;
use crate::batch::Batch;
use crate::convert::Converter;
use crate::kafka::{Producer, Receipt};

/// A batch is sent when it has so many bytes, or when stdin pauses.
const BATCH_BYTES: usize = 256 * 1024;
/// How long a line waits for more.
const LINGER: Duration = Duration::from_millis(50);
/// Batches that may be unacknowledged at once.
const UNACKNOWLEDGED_MAX: usize = 64;

/// Produce lines of stdin to a topic
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  echo 'to be or not to be' | longshore produce lines
  printf 'a:1\\nb:2\\n' | longshore produce counts --key-separator : --value-converter long

Ends when stdin does, once everything is acknowledged.")]
pub(super) struct Produce {
    /// The topic; it must exist
    topic: String,
    /// What parts a line into key and value; without it there are no keys
    #[arg(long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// The partition; without it keys choose, as Java's clients do
    #[arg(long)]
    partition: Option<i32>,
    /// What keys are: string, bytes, json, long or another number, boolean
    #[arg(long, default_value = "string", value_parser = converter)]
    key_converter: Arc<dyn Converter>,
    /// What values are: string, bytes, json, long or another number, boolean
    #[arg(long, default_value = "string", value_parser = converter)]
    value_converter: Arc<dyn Converter>,
}

impl Produce {
    pub(super) async fn run(self, cluster: &ClusterArgs) -> Result<(), CliError> {
        let cluster = Cluster::new(cluster)?;
        let topic = existing(cluster.admin(), &self.topic).await?;
        if let Some(partition) = self.partition
            && !topic.partitions.iter().any(|known| known.partition == partition)
        {
            return Err(CliError::failed(format!(
                "`{}` has partitions 0 to {}, not {partition}",
                self.topic,
                topic.partitions.len().saturating_sub(1)
            )));
        }
        let producer = cluster.producer()?;
        let mut sent = Sent {
            producer: &*producer,
            topic: &self.topic,
            partition: self.partition,
            receipts: VecDeque::new(),
        };
        let mut stdin = BufReader::new(tokio::io::stdin());
        let mut line = Vec::new();
        let mut batch = Batch::default();
        let mut number = 0_u64;
        loop {
            // What a cut-off read has taken is in `line`, and is gone on with.
            let read = stdin.read_until(b'\n', &mut line);
            let ended = if batch.is_empty() {
                read.await
            } else {
                match tokio::time::timeout(LINGER, read).await {
                    Ok(read) => read,
                    Err(_) => {
                        sent.send(&mut batch).await?;
                        continue;
                    }
                }
            };
            ended.map_err(|error| CliError::failed(format!("stdin: {error}")))?;
            if line.is_empty() {
                break;
            }
            number += 1;
            self.push(&mut batch, &line).map_err(|why| {
                CliError::failed(format!("line {number} was not produced, nor any after it: {why}"))
            })?;
            line.clear();
            if batch.arena.len() >= BATCH_BYTES {
                sent.send(&mut batch).await?;
            }
        }
        sent.send(&mut batch).await?;
        sent.acknowledged(0).await
    }

    /// A line without its end, as key and value.
    fn push(&self, batch: &mut Batch, line: &[u8]) -> Result<(), String> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (key, value) = match &self.key_separator {
            None => (None, line),
            Some(separator) => {
                let at = find(line, separator.as_bytes())
                    .ok_or_else(|| format!("it lacks the key separator `{separator}`"))?;
                (Some(&line[..at]), &line[at + separator.len()..])
            }
        };
        let key = match key {
            Some(key) => {
                encode(&*self.key_converter, key).map_err(|why| format!("its key: {why}"))?
            }
            None => None,
        };
        let value =
            encode(&*self.value_converter, value).map_err(|why| format!("its value: {why}"))?;
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        batch.push(key.as_deref(), value.as_deref(), now_ms as i64);
        Ok(())
    }
}

fn find(line: &[u8], separator: &[u8]) -> Option<usize> {
    if separator.is_empty() {
        return None;
    }
    line.windows(separator.len()).position(|window| window == separator)
}

/// Text is taken as it stands; numbers and JSON are read as JSON.
fn encode(converter: &dyn Converter, text: &[u8]) -> Result<Option<Vec<u8>>, String> {
    if matches!(converter.name(), "string" | "bytes") {
        converter.check(Some(text)).map_err(|error| error.to_string())?;
        return Ok(Some(text.to_vec()));
    }
    let value: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))?;
    converter.from_json(&value).map_err(|error| error.to_string())
}

struct Sent<'a> {
    producer: &'a dyn Producer,
    topic: &'a str,
    partition: Option<i32>,
    receipts: VecDeque<Receipt>,
}

impl Sent<'_> {
    async fn send(&mut self, batch: &mut Batch) -> Result<(), CliError> {
        if batch.is_empty() {
            return Ok(());
        }
        let receipt = self.producer.send(self.topic, self.partition, batch).await?;
        *batch = Batch::default();
        self.receipts.push_back(receipt);
        self.acknowledged(UNACKNOWLEDGED_MAX).await
    }

    /// Waits until at most `left` batches are unacknowledged.
    async fn acknowledged(&mut self, left: usize) -> Result<(), CliError> {
        while self.receipts.len() > left {
            if let Some(receipt) = self.receipts.pop_front() {
                receipt.wait().await?;
            }
        }
        Ok(())
    }
}
