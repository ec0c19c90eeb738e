//! The keys with the largest values of a topic, the last value of a key
//! counting.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::CliError;
use super::super::cluster::{Cluster, Reading, converter};
use super::super::output::columns;
use super::super::topic::existing;
use super::summary::thousands;
use crate::convert::Converter;
use crate::kafka::Start;
use crate::pipeline::model::Top;

/// Keys of one partition that are kept in memory to find the largest.
const KEYS_MAX: usize = 2_000_000;

/// A table of the largest values.
pub(super) async fn table(cluster: &Cluster, top: &Top) -> Result<String, CliError> {
    let named = |name: &Option<String>, usual: &str| {
        converter(name.as_deref().unwrap_or(usual)).map_err(CliError::failed)
    };
    let keys = named(&top.key_converter, "string")?;
    let values = named(&top.value_converter, "long")?;
    let topic = existing(cluster.admin(), &top.topic).await?;
    let mut largest = Largest { count: top.count, kept: BTreeSet::new() };
    // A key lies in one partition, so one partition at a time is enough.
    for partition in topic.partitions.iter().map(|partition| partition.partition) {
        let last = last_values(cluster, &top.topic, partition, &values).await?;
        for (key, value) in last {
            largest.add(value, key);
        }
    }
    let mut rows = vec![vec![format!("TOP {}", top.count), top.topic.to_uppercase()]];
    for (value, key) in largest.kept.iter().rev() {
        rows.push(vec![readable(&*keys, key), number(*value)]);
    }
    if rows.len() == 1 {
        return Ok(format!("the topic `{}` is empty\n", top.topic));
    }
    Ok(columns(&rows))
}

async fn last_values(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    values: &Arc<dyn Converter>,
) -> Result<HashMap<Vec<u8>, i64>, CliError> {
    let mut last: HashMap<Vec<u8>, i64> = HashMap::new();
    let reading =
        Reading { topic, partitions: &[partition], start: Start::Earliest, until_end: true };
    let mut json = Vec::new();
    let read = cluster.read(reading, |fetched| {
        for at in 0..fetched.batch.len() {
            let Some(key) = fetched.batch.key(at) else { continue };
            let Some(value) = fetched.batch.value(at) else {
                last.remove(key);
                continue;
            };
            json.clear();
            let written = values.write_json(Some(value), &mut json);
            let value = written.map_err(|error| error.to_string()).and_then(|()| {
                serde_json::from_slice::<i64>(&json).map_err(|error| error.to_string())
            });
            let value = value.map_err(|why| {
                let offset = fetched.batch.offset(at).unwrap_or(-1);
                CliError::failed(format!(
                    "run.top: {} at offset {offset} is no number: {why}",
                    fetched.partition
                ))
            })?;
            match last.get_mut(key) {
                Some(known) => *known = value,
                None => {
                    last.insert(key.to_vec(), value);
                }
            }
        }
        if last.len() > KEYS_MAX {
            return Err(CliError::failed(format!(
                "run.top: `{topic}` has more than {KEYS_MAX} keys in a partition; leave `top` out"
            )));
        }
        Ok(ControlFlow::Continue(()))
    });
    Box::pin(read).await?;
    Ok(last)
}

/// The `count` largest values. Of equal ones those with the lower key.
struct Largest {
    count: usize,
    kept: BTreeSet<(i64, std::cmp::Reverse<Vec<u8>>)>,
}

impl Largest {
    fn add(&mut self, value: i64, key: Vec<u8>) {
        self.kept.insert((value, std::cmp::Reverse(key)));
        if self.kept.len() > self.count {
            self.kept.pop_first();
        }
    }
}

fn readable(converter: &dyn Converter, key: &std::cmp::Reverse<Vec<u8>>) -> String {
    let mut json = Vec::new();
    if converter.write_json(Some(&key.0), &mut json).is_err() {
        return String::from_utf8_lossy(&key.0).into_owned();
    }
    match serde_json::from_slice(&json) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::from_utf8_lossy(&json).into_owned(),
    }
}

fn number(value: i64) -> String {
    match u64::try_from(value) {
        Ok(value) => thousands(value),
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_and_of_equal_ones_the_lower_key() {
        let mut largest = Largest { count: 2, kept: BTreeSet::new() };
        for (key, value) in [("b", 3), ("c", 3), ("a", 1), ("d", 2)] {
            largest.add(value, key.as_bytes().to_vec());
        }
        let kept: Vec<&[u8]> = largest.kept.iter().rev().map(|(_, key)| key.0.as_slice()).collect();
        assert_eq!(kept, [b"b", b"c"]);
    }
}
