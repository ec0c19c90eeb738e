//! When a connector has done all that there is to do for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Answers;
use crate::kafka::{Start, TopicPartition};
use crate::task::schedule::Targets;
use crate::worker::config_state::ConnectorEntry;
use crate::worker::core::Connector;
use crate::worker::herder::{Herder as _, HerderError, State};
use crate::worker::lag::input_partitions;

/// How often it is looked at.
const DRAINED_LOOK: Duration = Duration::from_millis(50);
/// How often the cluster is asked what other workers have committed.
const COMMITTED_LOOK: Duration = Duration::from_secs(1);

impl Answers {
    /// An error if the connector or one of its tasks is FAILED.
    fn check_not_failed(&self, name: &str) -> Result<(), HerderError> {
        let status = self.status(name)?;
        let failed = |what: String, trace: Option<String>| {
            Err(HerderError::Internal(format!("{what} failed: {}", trace.unwrap_or_default())))
        };
        if status.connector.state == State::Failed {
            return failed(format!("connector `{name}`"), status.connector.trace);
        }
        match status.tasks.into_iter().find(|task| task.state == State::Failed) {
            Some(task) => failed(format!("task {} of connector `{name}`", task.id), task.trace),
            None => Ok(()),
        }
    }

    pub(super) async fn source_drained(&self, name: &str) -> Result<(), HerderError> {
        loop {
            self.check_not_failed(name)?;
            if is_done(&self.core.connector(name), &self.entry(name)?) {
                return Ok(());
            }
            tokio::time::sleep(DRAINED_LOOK).await;
        }
    }

    pub(super) async fn inputs_drained(&self, name: &str) -> Result<(), HerderError> {
        let admin = self.core.clients.admin();
        let inputs = input_partitions(&self.core, name).await?;
        let ask = |start| inputs.iter().map(|at| (at.clone(), start)).collect::<Vec<_>>();
        let begins = admin.list_offsets(&ask(Start::Earliest)).await?;
        let mut targets: Targets = admin.list_offsets(&ask(Start::Latest)).await?;
        targets.retain(|at, end| begins.get(at).is_none_or(|begin| begin < end));

        let connector = self.core.connector(name);
        connector.targets.send_replace(Some(Arc::new(targets.clone())));
        let mut elsewhere: HashMap<TopicPartition, i64> = HashMap::new();
        let mut look_at = Instant::now() + COMMITTED_LOOK;
        loop {
            self.check_not_failed(name)?;
            let reached = {
                let here = connector.positions.read().expect("no holder panics");
                // A partition that moved away meanwhile has an old offset here.
                let reached = |at, end| {
                    [here.get(at), elsewhere.get(at)].into_iter().flatten().any(|it| it >= end)
                };
                targets.iter().all(|(at, end)| reached(at, end))
            };
            if reached {
                return Ok(());
            }
            if Instant::now() >= look_at {
                let committed = admin.committed_offsets(&connector.group, Some(&inputs)).await?;
                elsewhere = committed.into_iter().map(|(at, it)| (at, it.offset)).collect();
                look_at = Instant::now() + COMMITTED_LOOK;
            }
            tokio::time::sleep(DRAINED_LOOK).await;
        }
    }
}

/// True when every task of a source has read all that it ever will.
pub(super) fn is_done(connector: &Connector, entry: &ConnectorEntry) -> bool {
    let done = connector.done.lock().expect("no holder panics");
    !entry.needs_plan() && (0..entry.tasks.len() as u32).all(|task| done.contains(&task))
}
