//! What becomes of a record that cannot be used (KIP-298, KIP-610): it stops the
//! task, or it is passed over, counted, logged, and put into a dead-letter topic.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`policy`] | the `errors.*` options of a connector |
//! | [`stage`] | where a record failed, and why |
//! | [`letter`] | dead letters: the record, and headers that tell its story |
//! | [`room`] | letters cut to what their topic takes |
//! | [`send`] | letters on their way |
//! | [`reread`] | a record that was refused late, from its topic |
//!
//! With `errors.tolerance=none` nothing goes to the dead-letter topic, where Kafka
//! Connect puts the record that it then fails at: it is in its own topic still, and
//! would be put there again by each restart.

pub mod letter;
pub mod policy;
pub mod reread;
pub mod room;
pub mod send;
pub mod stage;

use std::sync::Arc;

pub use letter::Origin;
pub use policy::{DeadLetterTopic, ErrorPolicy};
pub use reread::Reread;
pub use room::{Room, Rooms};
pub use send::DeadLetters;
pub use stage::{Failure, Stage};

use super::counters::Counters;
use super::error::TaskError;
use super::plugin::{LateReject, Refused, Reject};
use super::topics::{self, StateTopics};
use crate::batch::Batch;
use crate::kafka::TopicPartition;

/// Most of a source's unusable payload that a log line shows, in bytes.
const LOGGED_BYTES_MAX: usize = 1024;

/// Decides about the records of one task that cannot be used.
#[derive(Clone)]
pub struct Failures {
    /// `connector-N`, for messages.
    pub label: String,
    /// Whose records they are, as dead letters tell it.
    pub origin: Arc<Origin>,
    /// What the connector's options say.
    pub policy: Arc<ErrorPolicy>,
    /// What its dead-letter topic takes of one writer of transactions.
    pub room: Arc<Room>,
    /// Where no letter may go, whenever it becomes one of these.
    pub state: Arc<dyn StateTopics>,
    /// The connector's counts.
    pub counters: Arc<Counters>,
}

impl Failures {
    /// Takes records of `batch` that were refused: an error unless the
    /// configuration says to pass over such, else what to send to the dead-letter
    /// topic before anything is committed past them.
    pub fn records(
        &self,
        from: &TopicPartition,
        batch: &Batch,
        rejects: &[Reject],
    ) -> Result<Option<DeadLetters>, TaskError> {
        let Some(first) = rejects.first() else { return Ok(None) };
        for reject in rejects {
            let offset = batch.offset(reject.at as usize).unwrap_or(-1);
            let timestamp = batch.timestamp_ms(reject.at as usize);
            self.log(&reject.failure, || {
                format!(
                    "consumed record is {{topic='{}', partition={}, offset={offset}, \
                     timestamp={timestamp}}}",
                    from.topic, from.partition
                )
            });
        }
        self.judge(rejects.len(), &first.failure, || {
            let offset = batch.offset(first.at as usize).unwrap_or(-1);
            format!(
                "{} records of {from} were refused, the first, at offset {offset}: {}; set \
                 `errors.tolerance=all` to skip such, or mend the records",
                rejects.len(),
                first.failure
            )
        })?;
        self.letters(|headers| self.origin.records(headers, from, batch, rejects))
    }

    /// Takes a record that was refused after it had been taken. Its contents, for a
    /// dead letter, are read again from its topic.
    pub async fn late(
        &self,
        late: &LateReject,
        reread: &dyn Reread,
    ) -> Result<Option<DeadLetters>, TaskError> {
        let LateReject { partition, offset, failure } = late;
        let wanted = self.policy.tolerant && self.policy.dead_letters.is_some();
        let found = match wanted {
            true => reread.record(partition, *offset).await?,
            false => None,
        };
        let record = found.unwrap_or_else(|| {
            // Gone, or nobody asks for it: where it was is still told.
            let mut gone = Batch::default();
            gone.push(None, None, -1);
            gone.columns.offset.push(*offset);
            gone
        });
        self.records(partition, &record, &[Reject { at: 0, failure: failure.clone() }])
    }

    /// Takes what a source read and could make no record of.
    pub fn refused(&self, refused: &[Refused]) -> Result<Option<DeadLetters>, TaskError> {
        let Some(first) = refused.first() else { return Ok(None) };
        for one in refused {
            self.log(&one.failure, || {
                let shown = &one.payload[..one.payload.len().min(LOGGED_BYTES_MAX)];
                format!("source data of {} bytes is '{}'", one.payload.len(), shown.escape_ascii())
            });
        }
        self.judge(refused.len(), &first.failure, || {
            format!(
                "{} of what was read cannot become records, the first: {}; set \
                 `errors.tolerance=all` to skip such, or mend the source",
                refused.len(),
                first.failure
            )
        })?;
        self.letters(|headers| self.origin.payloads(headers, refused))
    }

    /// The letters that `fill` writes, if there is a topic for them. It is told whether
    /// they have headers.
    fn letters(&self, fill: impl FnOnce(bool) -> Batch) -> Result<Option<DeadLetters>, TaskError> {
        let Some(topic) = &self.policy.dead_letters else { return Ok(None) };
        topics::check_free(&*self.state, &topic.name)?;
        let letters = fill(topic.context_headers);
        Ok(Some(DeadLetters { topic: topic.name.clone(), letters, room: self.room.clone() }))
    }

    /// A transaction is committed: what its topic refused of its letters holds no longer.
    pub fn committed(&self) {
        self.room.committed();
    }

    /// Counts failures, and answers with the error that they are unless such are
    /// tolerated.
    fn judge(
        &self,
        count: usize,
        first: &Failure,
        told: impl FnOnce() -> String,
    ) -> Result<(), TaskError> {
        self.counters.errors.failed(count as u64);
        if !self.policy.tolerant {
            return Err(TaskError::stop(told()));
        }
        self.counters.skip(count as u64);
        tracing::warn!(
            task = self.label,
            skipped = count,
            code = first.code,
            stage = first.stage.name(),
            "skipped: {}",
            first.message
        );
        Ok(())
    }

    /// One line for a failure, in Kafka Connect's words (`ProcessingContext`), if
    /// `errors.log.enable`; with what failed only if `errors.log.include.messages`.
    fn log(&self, failure: &Failure, what: impl FnOnce() -> String) {
        if !self.policy.log {
            return;
        }
        self.counters.errors.logged();
        let stage = failure.stage.name();
        let class = self.origin.class_at(failure.stage);
        let record = match self.policy.log_messages {
            true => format!(", where {}", what()),
            false => String::new(),
        };
        tracing::error!(
            "Error encountered in task {}. Executing stage '{stage}' with class '{class}'{record}: \
             {failure}",
            self.label
        );
    }
}

#[cfg(test)]
mod tests;
