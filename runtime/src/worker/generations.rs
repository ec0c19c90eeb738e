//! Generations of an exactly-once source's tasks, as KIP-618 keeps them apart.
//!
//! A new plan may give what one task read to another number, whose producer has another
//! `transactional.id`: taking that over does not fence the task that reads it now. So
//! the leader fences all producers of the former generation, and writes down that it
//! did; before that no task of the new one starts. A task of the former one that opens
//! again after it was fenced sees, once it has its id, that it is none of the present
//! ones. Whoever dies meanwhile: the next leader finds nothing written, and begins anew.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use longshore_broker::crash;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::config_state::{ConfigState, Unfenced};
use super::core::Core;
use super::herder::{HerderError, Leadership};
use super::records::{self, ConfigKey};
use crate::kafka::{Admin, TopicPartition};
use crate::task::error::TaskError;

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// Tasks that were told to stop may commit what they have for so long.
const GRACE: Duration = Duration::from_secs(1);
/// Pause after a fencing that failed.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// A run of a task that ends; the sender goes with it.
pub(super) type Ending = watch::Receiver<BTreeSet<TopicPartition>>;

/// As the leader: fences the former generation of a source's tasks, once those of them
/// that end on this worker had some time to do so. Tried until it is done, or another
/// leads.
pub(super) async fn fence_former(core: &Core, name: &str, endings: Vec<Ending>) {
    let ended = async {
        for mut ending in endings {
            while ending.changed().await.is_ok() {}
        }
    };
    // What they have not committed by then is read again.
    let _ = timeout(GRACE, ended).await;
    while core.led.borrow().leader == Leadership::Own {
        let fenced = core.writes().hold(fence(core, name)).await;
        let Err(error) = fenced.map_err(TaskError::from).and_then(|fenced| fenced) else { return };
        tracing::warn!(connector = name, "its tasks wait until former ones are fenced: {error}");
        sleep(ERROR_PAUSE).await;
    }
}

async fn fence(core: &Core, name: &str) -> Result<(), TaskError> {
    core.logs.config.read_to_end().await?;
    let unfenced = core.configs.read().expect("no holder panics").fencing(name);
    let Some(Unfenced { former, record }) = unfenced else { return Ok(()) };
    // A task that is alone and was alone takes its predecessor's id over by itself.
    let count = if former == 1 && record.tasks == 1 { 0 } else { former };
    let (admin, timeout) = (core.clients.admin(), core.config.transaction_timeout());
    let admin: &dyn Admin = &*admin;
    let ids: Vec<_> = (0..count).map(|task| core.config.transactional_id(name, task)).collect();
    let fencing = stream::iter(ids).map(Ok).try_for_each_concurrent(AT_ONCE, |id| async move {
        admin.fence_producer(&id, timeout).await
    });
    fencing.await?;
    crash::point("leader-after-fencing-before-record");
    let failed = |error: HerderError| TaskError::retry(error.to_string());
    let mut change = core.change().await.map_err(failed)?;
    let unfenced = core.configs.read().expect("no holder panics").fencing(name);
    // Another plan may have come meanwhile, or another leader.
    if unfenced.is_some_and(|unfenced| unfenced.record == record) {
        let key = ConfigKey::TasksFencing(name.to_owned()).encode().into_bytes();
        change.write(&[(key, Some(records::encode(&record)))]).await.map_err(failed)?;
    }
    Ok(())
}

/// Returns once tasks of this generation may start: true; or are no more to: false.
pub(super) async fn may_start(core: &Core, name: &str, generation: i64) -> Result<bool, TaskError> {
    let log = &core.logs.config;
    let waiting = async {
        loop {
            let position = log.position();
            {
                let configs = core.configs.read().expect("no holder panics");
                if present(&configs, name) != Some(generation) {
                    return Ok::<_, TaskError>(false);
                }
                if configs.fencing(name).is_none() {
                    return Ok(true);
                }
            }
            log.read_to(position + 1).await?;
        }
    };
    let patience = 2 * core.config.transaction_timeout();
    timeout(patience, waiting).await.unwrap_or_else(|_| {
        Err(TaskError::retry(format!(
            "the leader has not fenced the producers of the tasks that `{name}` had before: its \
             log says why. Its `exactly.once.source.support` must not be `disabled`"
        )))
    })
}

/// Whether this is the present generation, as the config topic has it now.
pub(super) async fn is_present(
    core: &Core,
    name: &str,
    generation: i64,
) -> Result<bool, TaskError> {
    core.logs.config.read_to_end().await?;
    let configs = core.configs.read().expect("no holder panics");
    Ok(present(&configs, name) == Some(generation))
}

fn present(configs: &ConfigState, name: &str) -> Option<i64> {
    configs.get(name)?.source_generation()
}
