//! Faults on purpose, to see that the tests catch them. Only in a broker that was
//! built with the feature `sabotage`, as the example `sabotaged` is; the binary
//! never has it.
//!
//! `LONGSHORE_SABOTAGE` chooses the fault.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use crate::log::{AppendOptions, Appended, Batches, Fetched, Log, Origin};

/// The environment variable that chooses the fault.
pub const SABOTAGE: &str = "LONGSHORE_SABOTAGE";

/// How much later the records are written than their acknowledgement says.
const HELD: Duration = Duration::from_millis(40);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Clients' records are acknowledged before they are written. All is well
    /// unless the process is killed in between.
    AcknowledgeEarly,
    /// Consumers that are `read_committed` are not told what was aborted.
    SkipAbortIndex,
}

fn fault() -> Option<Fault> {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    *FAULT.get_or_init(|| match std::env::var(SABOTAGE).as_deref() {
        Ok("acknowledge-early") => Some(Fault::AcknowledgeEarly),
        Ok("skip-abort-index") => Some(Fault::SkipAbortIndex),
        _ => None,
    })
}

/// A request that was acknowledged and is not written.
struct Held {
    batches: Vec<u8>,
    options: AppendOptions,
    answer: Appended,
}

/// By the partition's folder.
static QUEUES: Mutex<BTreeMap<PathBuf, Vec<Held>>> = Mutex::new(BTreeMap::new());

/// The answer to a client's request that is written later; `None` where it is to be
/// written now, as the broker's own records are, after what is held.
pub(crate) fn acknowledge_early(
    log: &Arc<Log>,
    batches: &[u8],
    options: &AppendOptions,
) -> Option<Appended> {
    if fault() != Some(Fault::AcknowledgeEarly) {
        return None;
    }
    if options.origin == Origin::Broker {
        write_held(log);
        return None;
    }
    let (header, _) = Batches::new(batches).next()?.ok()?;
    let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
    let queue = queues.entry(log.dir().to_owned()).or_default();
    if let Some(repeated) = queue.iter().find(|held| held.batches == batches) {
        return Some(repeated.answer);
    }
    let end = queue.last().map_or(log.log_end_offset(), |held| held.answer.last_offset + 1);
    let answer = Appended {
        base_offset: end,
        last_offset: end + i64::from(header.last_offset_delta),
        log_append_time_ms: -1,
        log_start_offset: log.log_start_offset(),
        duplicate: false,
        flush_before_answer: false,
    };
    if queue.is_empty() {
        let log = Arc::clone(log);
        thread::spawn(move || {
            thread::sleep(HELD);
            write_held(&log);
        });
    }
    queue.push(Held { batches: batches.to_vec(), options: *options, answer });
    Some(answer)
}

/// Writes what is held of a partition.
pub(crate) fn write_held(log: &Log) {
    let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
    for mut held in queues.remove(log.dir()).unwrap_or_default() {
        if let Err(error) = log.append(&mut held.batches, &held.options) {
            tracing::warn!(dir = %log.dir().display(), %error, "acknowledged records are refused");
        }
    }
}

/// Forgets what was aborted, if that is the fault.
pub(crate) fn skip_abort_index(mut fetched: Fetched) -> Fetched {
    if fault() == Some(Fault::SkipAbortIndex) {
        fetched.aborted.clear();
    }
    fetched
}
