//! `longshore group reset-offsets`: where a group goes on from.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::cluster::Cluster;
use super::output::{OutputArgs, columns};
use super::topic::existing;
use super::{CliError, time};
use crate::kafka::{CommittedOffset, OffsetCommit, Start, TopicPartition};
use crate::task::commits::text_by_hand;

pub(super) const EXAMPLE: &str = "\
Example:
  longshore group reset-offsets readers --topic orders --to-earliest
  longshore group reset-offsets readers --topic orders:0,2 --shift-by -100 --execute
  longshore group reset-offsets readers --all-topics --by-duration 2h --execute

Without --execute it prints what it would do. The group must have no members meanwhile.";

/// Which partitions.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub(super) struct Scope {
    /// A topic, or some of its partitions as TOPIC:0,1; may be repeated
    #[arg(long, value_name = "TOPIC[:PARTITIONS]", value_parser = partitions)]
    topic: Vec<(String, Option<Vec<i32>>)>,
    /// Every topic that the group has committed offsets of
    #[arg(long, conflicts_with = "topic", required_unless_present = "topic")]
    all_topics: bool,
}

/// `every topic`, or `orders:0,1, payments`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all_topics {
            return f.write_str("every topic");
        }
        for (at, (topic, numbers)) in self.topic.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{topic}")?;
            if let Some(numbers) = numbers {
                let numbers: Vec<String> = numbers.iter().map(i32::to_string).collect();
                write!(f, ":{}", numbers.join(","))?;
            }
        }
        Ok(())
    }
}

fn partitions(text: &str) -> Result<(String, Option<Vec<i32>>), String> {
    let Some((topic, numbers)) = text.split_once(':') else { return Ok((text.to_owned(), None)) };
    let numbers: Result<Vec<i32>, _> = numbers.split(',').map(str::parse).collect();
    let numbers = numbers.map_err(|_| "write TOPIC, or TOPIC:0,1 for some of its partitions")?;
    Ok((topic.to_owned(), Some(numbers)))
}

/// Set the offsets that a group goes on from
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("to").required(true))]
pub(super) struct Reset {
    /// The group
    group: String,
    #[command(flatten)]
    scope: Scope,
    /// To the first record that the log still has
    #[arg(long, group = "to")]
    to_earliest: bool,
    /// To what is written from now on
    #[arg(long, group = "to")]
    to_latest: bool,
    /// To where it is, for partitions that it has not committed the log's end
    #[arg(long, group = "to")]
    to_current: bool,
    /// To this offset
    #[arg(long, group = "to", value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// To the first record of this time or later: 2026-01-31T12:00:00, in UTC unless told
    #[arg(long, group = "to", value_name = "TIME", value_parser = time::date_time)]
    to_datetime: Option<i64>,
    /// To the first record of so long ago or later: 15m, 2h, P1DT12H
    #[arg(long, group = "to", value_name = "DURATION", value_parser = time::duration)]
    by_duration: Option<Duration>,
    /// Forward by so many offsets, or back if negative
    #[arg(long, group = "to", value_name = "OFFSETS", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// Do it
    #[arg(long)]
    execute: bool,
    /// Only print what would be done, as without --execute
    #[arg(long, conflicts_with = "execute")]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What becomes of one partition.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    new_offset: i64,
}

impl Scope {
    /// The partitions meant, all of which exist.
    pub(super) async fn partitions(
        &self,
        cluster: &Cluster,
        group: &str,
    ) -> Result<Vec<TopicPartition>, CliError> {
        if self.all_topics {
            let committed = cluster.admin().committed_offsets(group, None).await?;
            if committed.is_empty() {
                let why =
                    format!("group `{group}` has committed nothing; name topics with --topic");
                return Err(CliError::failed(why));
            }
            let found: BTreeSet<TopicPartition> = committed.into_keys().collect();
            return Ok(found.into_iter().collect());
        }
        let mut found = BTreeSet::new();
        for (name, numbers) in &self.topic {
            let topic = existing(cluster.admin(), name).await?;
            let known: Vec<i32> = topic.partitions.iter().map(|known| known.partition).collect();
            for number in numbers.as_ref().unwrap_or(&known) {
                if !known.contains(number) {
                    let last = known.len().saturating_sub(1);
                    let why = format!("`{name}` has partitions 0 to {last}, not {number}");
                    return Err(CliError::failed(why));
                }
                found.insert(TopicPartition::new(name.as_str(), *number));
            }
        }
        Ok(found.into_iter().collect())
    }
}

impl Reset {
    pub(super) async fn run(self, cluster: &Cluster) -> Result<(), CliError> {
        let group = cluster.client().group_details(&self.group).await?;
        if !matches!(group.state.as_str(), "Empty" | "Dead") {
            return Err(CliError::failed(format!(
                "offsets can be reset while the group has no members; `{}` is {}: stop its members first",
                self.group, group.state
            )));
        }
        let partitions = self.scope.partitions(cluster, &self.group).await?;
        let committed = cluster.admin().committed_offsets(&self.group, Some(&partitions)).await?;
        let bounds = Bounds::look_up(cluster, &partitions).await?;
        let found = match self.timestamp_ms() {
            Some(ms) => cluster.client().offsets_for_time(&partitions, ms).await?,
            None => HashMap::new(),
        };
        let mut changes = Vec::new();
        for partition in &partitions {
            let before = committed.get(partition).map(|committed| committed.offset);
            let wanted = self.wanted(partition, before, &bounds, &found)?;
            changes.push(Change {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                committed: before,
                new_offset: bounds.within(partition, wanted),
            });
        }
        if self.execute {
            let commits = commits(&changes, &committed);
            cluster.admin().commit_offsets(&self.group, &commits).await?;
        }
        self.output.print(&changes, |changes| table(changes))?;
        if !self.execute {
            eprintln!("longshore: nothing was changed; add --execute to do it");
        }
        Ok(())
    }

    fn timestamp_ms(&self) -> Option<i64> {
        let ago = self
            .by_duration
            .map(|ago| time::now_ms().saturating_sub_unsigned(ago.as_millis() as u64).max(0));
        self.to_datetime.or(ago)
    }

    /// Where the partition shall go on from, in or out of the log.
    fn wanted(
        &self,
        partition: &TopicPartition,
        committed: Option<i64>,
        bounds: &Bounds,
        found: &HashMap<TopicPartition, i64>,
    ) -> Result<i64, CliError> {
        let (first, end) = bounds.of(partition);
        Ok(if self.to_earliest {
            first
        } else if self.to_latest {
            end
        } else if self.to_current {
            committed.unwrap_or(end)
        } else if let Some(offset) = self.to_offset {
            offset
        } else if let Some(shift) = self.shift_by {
            let committed = committed.ok_or_else(|| {
                let why = format!("{partition} has no committed offset to shift; use --to-offset");
                CliError::failed(why)
            })?;
            committed.saturating_add(shift)
        } else {
            // No record is that young: whatever comes next is.
            found.get(partition).copied().unwrap_or(end)
        })
    }
}

/// Where logs begin and end.
struct Bounds {
    first: HashMap<TopicPartition, i64>,
    end: HashMap<TopicPartition, i64>,
}

impl Bounds {
    async fn look_up(cluster: &Cluster, partitions: &[TopicPartition]) -> Result<Self, CliError> {
        let at = |start| partitions.iter().map(|partition| (partition.clone(), start)).collect();
        let (earliest, latest): (Vec<_>, Vec<_>) = (at(Start::Earliest), at(Start::Latest));
        let first = cluster.admin().list_offsets(&earliest).await?;
        let end = cluster.admin().list_offsets(&latest).await?;
        Ok(Self { first, end })
    }

    fn of(&self, partition: &TopicPartition) -> (i64, i64) {
        let of = |offsets: &HashMap<_, i64>| offsets.get(partition).copied().unwrap_or(0);
        (of(&self.first), of(&self.end))
    }

    /// An offset that the log has: Kafka's tool takes the nearest, and so does this.
    fn within(&self, partition: &TopicPartition, offset: i64) -> i64 {
        let (first, end) = self.of(partition);
        offset.clamp(first, end.max(first))
    }
}

/// The text beside an offset stays, since a worker knows its fleet's offsets by it; but
/// none says any more that a sink keeps its position there.
fn commits(
    changes: &[Change],
    committed: &HashMap<TopicPartition, CommittedOffset>,
) -> Vec<OffsetCommit> {
    let commit = |change: &Change| {
        let partition = TopicPartition::new(change.topic.as_str(), change.partition);
        let metadata = committed.get(&partition).map(|before| text_by_hand(&before.metadata));
        OffsetCommit {
            partition,
            offset: change.new_offset,
            metadata: metadata.unwrap_or_default(),
        }
    };
    changes.iter().map(commit).collect()
}

fn table(changes: &[Change]) -> String {
    let header = ["TOPIC", "PARTITION", "COMMITTED", "NEW OFFSET"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for change in changes {
        rows.push(vec![
            change.topic.clone(),
            change.partition.to_string(),
            change.committed.map_or_else(|| "-".to_owned(), |offset| offset.to_string()),
            change.new_offset.to_string(),
        ]);
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        reset: Reset,
    }

    fn parsed(line: &str) -> Result<Reset, String> {
        let line = format!("reset readers {line}");
        Line::try_parse_from(line.split(' '))
            .map(|line| line.reset)
            .map_err(|error| error.to_string())
    }

    /// Of a log with the offsets 10 to 99, read up to 40.
    fn wanted(line: &str) -> i64 {
        let partition = TopicPartition::new("orders", 0);
        let at = |offset| HashMap::from([(partition.clone(), offset)]);
        let bounds = Bounds { first: at(10), end: at(100) };
        let reset = parsed(&format!("--topic orders {line}")).unwrap();
        let wanted = reset.wanted(&partition, Some(40), &bounds, &at(55)).unwrap();
        bounds.within(&partition, wanted)
    }

    #[test]
    fn each_way_gives_an_offset_that_the_log_has() {
        for (line, offset) in [
            ("--to-earliest", 10),
            ("--to-latest", 100),
            ("--to-current", 40),
            ("--to-offset 60", 60),
            ("--to-offset 1000", 100),
            ("--shift-by -5", 35),
            ("--shift-by -500", 10),
            ("--shift-by 20", 60),
            ("--to-datetime 2026-01-31T12:00:00", 55),
            ("--by-duration PT1H", 55),
        ] {
            assert_eq!(wanted(line), offset, "{line}");
        }
    }

    #[test]
    fn without_a_record_of_that_time_reading_goes_on_at_the_end() {
        let partition = TopicPartition::new("orders", 0);
        let at = |offset| HashMap::from([(partition.clone(), offset)]);
        let bounds = Bounds { first: at(10), end: at(100) };
        let reset = parsed("--all-topics --by-duration 1h").unwrap();
        assert_eq!(reset.wanted(&partition, None, &bounds, &HashMap::new()).unwrap(), 100);
        let shift = parsed("--all-topics --shift-by 1").unwrap();
        assert!(shift.wanted(&partition, None, &bounds, &HashMap::new()).is_err());
    }

    #[test]
    fn one_way_and_a_scope_are_asked_for_and_nothing_is_done_unless_told() {
        for wrong in [
            "--topic a",
            "--to-latest",
            "--topic a --to-latest --to-earliest",
            "--topic a:x --to-latest",
            "--topic a --all-topics --to-latest",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        let reset = parsed("--topic a:0,2 --to-latest").unwrap();
        assert!(!reset.execute);
        assert_eq!(reset.scope.topic, [("a".to_owned(), Some(vec![0, 2]))]);
        assert_eq!(reset.scope.to_string(), "a:0,2");
        let all = parsed("--all-topics --to-latest").unwrap();
        assert_eq!(all.scope.to_string(), "every topic");
    }
}
