//! States on their way to the status topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::compacted::{CompactedLog, Write};
use crate::batch::Batch;

/// States that are taken up at once.
const TAKEN_MAX: usize = 256;
/// Pause before those are written again that could not be.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Writes states, the last of each key and as many at once as there are, until there
/// is a `None`. Those that cannot be written are tried again.
pub(super) async fn write_statuses(
    mut inbox: mpsc::UnboundedReceiver<Option<Write>>,
    log: Arc<CompactedLog>,
) {
    let mut told = Vec::with_capacity(TAKEN_MAX);
    let mut unwritten = BTreeMap::new();
    // The same states, as they are sent.
    let mut batch = Batch::default();
    loop {
        let more = inbox.recv_many(&mut told, TAKEN_MAX);
        let is_closed = match unwritten.is_empty() {
            true => more.await == 0,
            false => timeout(RETRY_PAUSE, more).await == Ok(0),
        };
        let ends = is_closed || told.contains(&None);
        if !told.is_empty() {
            unwritten.extend(told.drain(..).flatten());
            batch = batch_of(&unwritten);
        }
        if !batch.is_empty() {
            match log.write_batch(&batch).await {
                Ok(()) => {
                    unwritten.clear();
                    batch = Batch::default();
                }
                Err(error) if ends => {
                    tracing::warn!(states = unwritten.len(), "states are not told: {error}");
                }
                Err(error) => {
                    tracing::warn!(states = unwritten.len(), "states are told later: {error}");
                }
            }
        }
        if ends {
            return;
        }
    }
}

fn batch_of(states: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in states {
        batch.push(Some(key), value.as_deref(), -1);
    }
    batch
}
