//! A source's start, and a change of its offsets from outside, wait until the
//! offset topic is read to its end.
//!
//! What the task's last owner saved may lie behind a transaction that another
//! producer has open, and then shows only once that one has ended: which may be
//! never (KIP-664). So it is said what is waited for, and what waits for too long
//! fails, to be tried again, so that the task's state or the answer says it too.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::compacted::CompactedLog;
use crate::kafka::Admin;
use crate::task::error::TaskError;

/// How often a start that waits says what for.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Returns once everything written to `log` before this call has been applied;
/// an error after `patience`.
pub(super) async fn read_to_end(
    log: &CompactedLog,
    admin: &dyn Admin,
    waiting: &str,
    patience: Duration,
) -> Result<(), TaskError> {
    let deadline = Instant::now() + patience;
    let mut reading = pin!(log.read_to_end());
    loop {
        let tell_at = deadline.min(Instant::now() + TELL_EVERY);
        if let Ok(read) = timeout_at(tell_at, &mut reading).await {
            return Ok(read?);
        }
        let told = waits_for(log, admin).await;
        if Instant::now() >= deadline {
            return Err(TaskError::retry(told));
        }
        tracing::warn!(waiting, "{told}");
    }
}

/// What keeps the end of `log` from being read, and what to do about it.
async fn waits_for(log: &CompactedLog, admin: &dyn Admin) -> String {
    let topic = log.topic();
    let reading = format!("its checkpoints are not all readable yet: topic `{topic}`");
    match admin.open_transactions(log.partitions()).await {
        Ok(open) if open.is_empty() => format!("{reading} is still being read"),
        Ok(open) => {
            let each = open.iter().map(|open| {
                let (at, start) = (&open.partition, open.start);
                match &open.transactional_id {
                    Some(id) => format!("`{id}` on {at} since offset {start}"),
                    None => format!("producer {} on {at} since offset {start}", open.producer_id),
                }
            });
            format!(
                "{reading} has open transactions, which read_committed readers wait for: {}. \
                 `longshore txn describe` shows one, `longshore txn abort --transactional-id` ends \
                 it; what no coordinator will end, `longshore txn hanging --topic {topic}` finds",
                each.collect::<Vec<_>>().join(", ")
            )
        }
        Err(error) => format!(
            "{reading} is read up to a transaction that is open, or still being read; which, \
             cannot be told: {error}"
        ),
    }
}
