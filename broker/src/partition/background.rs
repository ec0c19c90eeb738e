//! Retention, compaction, flush.ms and checkpoints, for all partitions.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{handle::Partition, manager::PartitionManager};
use crate::{
    clock,
    config::BrokerConfig,
    log::{CleanOptions, Log, MaintenanceError},
    node::Node,
};

/// The background work of a node. One pass of one kind runs at a time, so a
/// slow disk is not asked for more than it can do.
pub(crate) struct Background {
    partitions: Arc<PartitionManager>,
    config: BrokerConfig,
    stopping: CancellationToken,
}

impl Background {
    pub(crate) fn new(node: &Node) -> Self {
        Self {
            partitions: Arc::clone(&node.partitions),
            config: node.config.clone(),
            stopping: node.stopping.clone(),
        }
    }

    /// Works until the node stops.
    pub(crate) async fn run(self) {
        let cleaner_enabled = self.config.cleaner_enabled;
        let expiration = self.config.producer_id_expiration.as_millis();
        let producer_expiration_ms = i64::try_from(expiration).unwrap_or(i64::MAX);
        tokio::join!(
            self.every(self.config.retention_check, move |log, now_ms| {
                log.expire_producers(now_ms, producer_expiration_ms);
                log.retain_once(now_ms).map(|bytes| {
                    if bytes > 0 {
                        tracing::info!(dir = %log.dir().display(), bytes, "segments deleted");
                    }
                })
            }),
            self.every(self.config.cleaner_backoff, move |log, now_ms| {
                if cleaner_enabled { clean(log, now_ms) } else { Ok(()) }
            }),
            self.every(self.config.flush_check, |log, now_ms| log.flush_once(now_ms)),
            self.every(self.config.recovery_point_check, |log, _| log.checkpoint_once()),
        );
    }

    /// Does `work` on every partition once in a period.
    async fn every(
        &self,
        period: Duration,
        work: impl Fn(&Log, i64) -> Result<(), MaintenanceError> + Clone + Send + 'static,
    ) {
        let mut ticks = tokio::time::interval(period.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.stopping.cancelled() => return,
            }
            let partitions = self.partitions.all();
            let (work, stopping) = (work.clone(), self.stopping.clone());
            let pass = tokio::task::spawn_blocking(move || {
                for partition in partitions {
                    if stopping.is_cancelled() {
                        return;
                    }
                    work_on(&partition, &work);
                }
            });
            if let Err(error) = pass.await {
                tracing::error!(%error, "background work panicked");
            }
        }
    }
}

fn clean(log: &Log, now_ms: i64) -> Result<(), MaintenanceError> {
    if let Some(cleaned) = log.clean_once(now_ms, &CleanOptions::default())? {
        tracing::info!(dir = %log.dir().display(), ?cleaned, "log compacted");
        // Its turn may have come while the log was compacted, and gone.
        log.retain_once(now_ms)?;
    }
    Ok(())
}

fn work_on(partition: &Partition, work: &impl Fn(&Log, i64) -> Result<(), MaintenanceError>) {
    let Ok(log) = partition.log() else { return };
    match work(log, clock::wall_ms()) {
        Ok(()) | Err(MaintenanceError::Offline(_)) => {}
        Err(error) => tracing::error!(%partition, %error, "background work failed"),
    }
}
