//! How a processor's session begins: it reads its state, and goes on where the group is.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{BATCH_BYTES, ProcessorSession, READ_WAIT};
use crate::kafka::{OffsetReset, Start, TopicPartition};
use crate::task::commits::Positions;
use crate::task::error::TaskError;
use crate::task::plugin::ProcessorPlugin;
use crate::task::start::{self, Known};

/// How long nothing comes of a state before that is told.
const TELL_AFTER: Duration = Duration::from_secs(5);

impl ProcessorSession {
    /// Reads the changelog to its end, as it was when this began: nobody else
    /// writes to this partition. True if there was anything.
    pub(super) async fn restore(
        &self,
        plugin: &mut dyn ProcessorPlugin,
    ) -> Result<bool, TaskError> {
        let log = std::slice::from_ref(&self.changelog);
        let end = self.changes.end_offsets(log).await?.get(&self.changelog).copied();
        let begin = self.changes.beginning_offsets(log).await?.get(&self.changelog).copied();
        let (Some(begin), Some(end)) = (begin, end) else {
            // Just created, it may not be known everywhere; else no pause helps.
            return Err(TaskError::reopen(format!(
                "its state has no partition {}: was it deleted, or did the inputs get more \
                 partitions? A restart of the connector says what to do",
                self.changelog
            )));
        };
        let mut position = begin;
        let mut records = 0;
        if position < end {
            self.changes.assign(&[(self.changelog.clone(), Start::Offset(begin))]).await?;
            let mut read_at = Instant::now();
            while position < end && !self.stop.is_cancelled() {
                let Some(fetched) = self.changes.next(BATCH_BYTES, READ_WAIT).await? else {
                    if read_at.elapsed() >= TELL_AFTER {
                        read_at = Instant::now();
                        self.waits_for_state(position, end);
                    }
                    continue;
                };
                read_at = Instant::now();
                position = fetched.next_offset;
                records += fetched.batch.len();
                plugin.restore(&fetched.batch)?;
            }
            self.changes.unassign(log).await?;
            self.observer.waits(&self.changelog, None);
        }
        tracing::debug!(task = self.label, records, "restored the state from {}", self.changelog);
        Ok(records > 0)
    }

    /// What is written there lies behind a transaction that is open, which may be for
    /// ever (KIP-664), or the cluster does not answer.
    fn waits_for_state(&self, position: i64, end: i64) {
        let why = format!(
            "its state is read up to offset {position} of {end}: an open transaction is there, \
             or the cluster does not answer. `longshore txn hanging --topic {}` finds what no \
             coordinator will end",
            self.changelog.topic
        );
        tracing::warn!(task = self.label, "{why}");
        self.observer.waits(&self.changelog, Some(&why));
    }

    /// Assigns the inputs from where the group is, else from where
    /// `auto.offset.reset` says.
    pub(super) async fn start(
        &self,
        has_state: bool,
    ) -> Result<HashMap<TopicPartition, i64>, TaskError> {
        let committed = self.consumer.committed(&self.inputs).await?;
        let committed = Positions::of_this_fleet(committed, &self.group, &self.fleet)?.offsets();
        if has_state && committed.is_empty() {
            self.check_position().await?;
        }
        let begins = self.consumer.beginning_offsets(&self.inputs).await?;
        let ends = self.consumer.end_offsets(&self.inputs).await?;
        let latest = self.consumer.stable_offsets(&self.inputs).await?;
        let mut starts = Vec::with_capacity(self.inputs.len());
        // Committed anew: sessions may be too short for their daily renewal. And the end,
        // or where a position was set to that the log does not have: else that would be
        // another after a move, and what came between never read.
        let mut known = HashMap::new();
        for input in &self.inputs {
            let position = committed.get(input).copied();
            let places = Known::of(input, position, &begins, &ends, &latest);
            let start =
                start::start(input, places, self.offset_reset, &self.group, &self.counters)?;
            starts.push((input.clone(), Start::Offset(start)));
            if position.is_some() || self.offset_reset == OffsetReset::Latest {
                known.insert(input.clone(), start);
            }
        }
        let mut commits = Vec::new();
        self.add_others(&mut commits, &known);
        self.renew(commits).await?;
        self.consumer.assign(&starts).await?;
        Ok(known)
    }

    /// Refuses to process again what a state has already: where it became visible with
    /// its offsets, these were there. Inputs that are others now have none yet.
    async fn check_position(&self) -> Result<(), TaskError> {
        let all = self.admin.committed_offsets(&self.group, None).await?;
        if all.keys().any(|at| at.partition == self.changelog.partition) {
            return Ok(());
        }
        let lost = format!(
            "the state in {} is of records that were processed, and the group `{}` has no offset \
             of their partitions any more: it was deleted, an input was deleted, or nothing was \
             committed to it for `offsets.retention.minutes`",
            self.changelog, self.group
        );
        if self.delivery.is_exactly_once() {
            return Err(TaskError::stop(format!(
                "{lost}. From the beginning they would be counted twice: set the group's offsets \
                 where it was (`longshore group reset-offsets`), or create the connector under \
                 another name to begin anew"
            )));
        }
        tracing::warn!(task = self.label, "{lost}; they may be processed again");
        Ok(())
    }
}
