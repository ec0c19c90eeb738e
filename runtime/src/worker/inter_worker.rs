//! What the fleet's workers ask of each other, which no user does: the session key
//! kept fresh, tasks written for another worker, and zombies fenced.

use std::sync::Arc;
use std::time::Duration;

use super::compacted::Write;
use super::core::Core;
use super::herder::{ConnectorConfig, ConnectorKind, HerderError, Leadership};
use super::plan;
use super::records::{self, ConfigKey, Restart};
use super::session_key::{SessionKey, now_ms};
use crate::kafka::Overrides;
use crate::task::error::TaskError;

/// Pause after a key that could not be written.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// While this worker leads, has the right to change the fleet, and makes a session key
/// whenever there is none, or one that has grown old.
pub(super) async fn keep_key(core: Arc<Core>) {
    let mut led = core.led.subscribe();
    loop {
        if led.borrow_and_update().leader != Leadership::Own {
            core.drop_privileges().await;
            match led.changed().await {
                Ok(()) => continue,
                Err(_) => return,
            }
        }
        // What a leader of the past left open ends here; and what a new one is asked
        // first need not wait for a producer.
        let kept = match core.claim_privileges().await {
            Ok(_) => renew(&core)
                .await
                .inspect_err(|error| tracing::warn!("the session key is not renewed: {error}")),
            Err(error) => {
                tracing::warn!("this worker leads, and cannot change the fleet yet: {error}");
                Err(error)
            }
        };
        if kept.is_err() {
            // Whatever else happens: a failed change has lost its right, too.
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(time_left(&core)) => {}
            () = core.privileges_lost() => {}
            _ = led.changed() => {}
        }
    }
}

fn time_left(core: &Core) -> Duration {
    let configs = core.configs.read().expect("no holder panics");
    configs.session_keys().time_left(&core.config.inter_worker, now_ms())
}

/// Writes a key, unless another leader has done so meanwhile or this one's lease is
/// over.
async fn renew(core: &Core) -> Result<(), HerderError> {
    if !time_left(core).is_zero() {
        return Ok(());
    }
    let work = async {
        let mut change = core.change().await?;
        if time_left(core).is_zero() {
            let key = SessionKey::generate(&core.config.inter_worker, now_ms());
            let write = (ConfigKey::SessionKey.encode().into_bytes(), Some(records::encode(&key)));
            change.write(&[write]).await?;
        }
        Ok(())
    };
    let held = core.writes().hold(work).await;
    held.map_err(|over| HerderError::Conflict(over.to_string()))?
}

/// Asks whoever owns the connector to plan its tasks anew.
pub(super) async fn ask_to_plan(core: &Core, name: &str) -> Result<(), TaskError> {
    let request = Restart { include_tasks: false, only_failed: false, task: None, replan: true };
    let key = ConfigKey::Restart(name.to_owned()).encode().into_bytes();
    let write = [(key, Some(records::encode(&request)))];
    Ok(core.writes().hold(core.logs.config.write(&write)).await??)
}

/// Only the leader does this, as in Kafka's `DistributedHerder`.
fn check_leads(core: &Core, what: &str) -> Result<(), HerderError> {
    match core.leader() {
        Leadership::Own => Ok(()),
        Leadership::Of(leader) => {
            Err(HerderError::Conflict(format!("Only the leader may {what}: it is at {leader}")))
        }
        Leadership::Unknown => Err(HerderError::Conflict(format!(
            "Only the leader may {what}, and a rebalance is underway: nobody leads yet"
        ))),
    }
}

/// Puts the tasks in effect that another worker planned.
pub(super) async fn put_task_configs(
    core: &Core,
    name: &str,
    tasks: &[ConnectorConfig],
) -> Result<(), HerderError> {
    check_leads(core, "write task configurations")?;
    let mut change = core.change().await?;
    let writes: Vec<Write> = {
        let configs = core.configs.read().expect("no holder panics");
        let missing = || HerderError::NotFound(format!("Connector {name} not found"));
        let entry = configs.get(name).ok_or_else(missing)?;
        plan::task_writes(name, tasks, &entry.digest)
    };
    change.write(&writes).await
}

/// Makes sure that no task of the past still writes for a source. Each task takes its
/// `transactional.id` over before it reads what it goes on from, which fences whoever
/// had it; so there is something to do only while no task is dealt out.
pub(super) async fn fence(core: &Core, name: &str) -> Result<(), HerderError> {
    check_leads(core, "perform zombie fencing")?;
    let _dealing = core.dealing.lock().await;
    core.logs.config.read_to_end().await?;
    let tasks = {
        let configs = core.configs.read().expect("no holder panics");
        let missing = || HerderError::NotFound(format!("Connector {name} not found"));
        configs.get(name).ok_or_else(missing)?.tasks.len()
    };
    if core.kind_of(name) != Some(ConnectorKind::Source) {
        let message = format!("Connector {name} is not a source connector");
        return Err(HerderError::BadRequest(message));
    }
    if !core.led.borrow().released(name) {
        return Ok(());
    }
    let failed = |error: &dyn std::fmt::Display| {
        HerderError::Internal(format!("The tasks of connector {name} are not fenced: {error}"))
    };
    for task in 0..tasks {
        let id = core.config.transactional_id(name, task);
        let timeout = core.config.transaction_timeout();
        let producer = core.producers.transactional(&id, timeout, &Overrides::new());
        let producer = producer.map_err(|error| failed(&error))?;
        producer.init().await.map_err(|error| failed(&error))?;
    }
    Ok(())
}
