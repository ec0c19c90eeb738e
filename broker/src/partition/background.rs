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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{AppendOptions, BatchBuilder, LogConfig, Origin};

    const CONFIGS: [(&str, &str); 5] = [
        ("cleanup.policy", "compact,delete"),
        ("segment.bytes", "1000"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("retention.ms", "-1"),
        ("retention.bytes", "3000"),
    ];

    #[test]
    fn what_retention_takes_is_gone_once_a_log_was_compacted() {
        let dir = tempfile::tempdir().unwrap();
        let now_ms = clock::wall_ms();
        let config = LogConfig::from_map(CONFIGS).unwrap();
        let (log, _) = Log::open(&dir.path().join("t-0"), config, now_ms).unwrap();
        let options =
            AppendOptions { leader_epoch: 0, origin: Origin::Client, now_ms, verification: None };
        for number in 0..100 {
            let mut builder = BatchBuilder::new(0);
            let key = format!("key {number}");
            builder.push(now_ms, Some(key.as_bytes()), Some(&[b'v'; 100]), &[]);
            log.append(&mut builder.build().unwrap(), &options).unwrap();
        }
        assert_eq!(log.log_start_offset(), 0);
        clean(&log, now_ms).unwrap();
        assert!(log.log_start_offset() > 0, "the oldest are too many bytes");
    }
}
