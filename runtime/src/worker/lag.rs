//! How far connectors are behind the ends of their inputs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::options::Options;
use crate::kafka::{ClientError, Start, TopicPartition};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The partitions of a connector's input topics; none for a source.
pub(super) async fn input_partitions(
    core: &Core,
    name: &str,
) -> Result<Vec<TopicPartition>, ClientError> {
    let entry = core.configs.read().expect("no holder panics").get(name).cloned();
    let inputs = entry
        .zip(core.kind_of(name))
        .and_then(|(entry, kind)| Options::read(kind, &entry.config).ok()?.inputs);
    let Some(inputs) = inputs else { return Ok(Vec::new()) };
    let mut partitions = Vec::new();
    for topic in core.clients.admin().list_topics().await? {
        if inputs.contain(&topic.name) {
            let label: Arc<str> = topic.name.as_str().into();
            partitions.extend(topic.partitions.iter().map(|partition| TopicPartition {
                topic: label.clone(),
                partition: partition.partition,
            }));
        }
    }
    Ok(partitions)
}

/// Keeps every connector's `lags` fresh, for ever. A worker without sinks and
/// processors asks the cluster nothing.
pub(super) async fn watch(core: Arc<Core>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let connectors: Vec<_> =
            core.connectors.read().expect("no holder panics").values().cloned().collect();
        for connector in connectors {
            let lags = match input_partitions(&core, &connector.name).await {
                Ok(inputs) if inputs.is_empty() => continue,
                Ok(inputs) => of(&core, &connector, &inputs).await,
                Err(error) => Err(error),
            };
            match lags {
                Ok(lags) => *connector.lags.write().expect("no holder panics") = lags,
                Err(error) => tracing::debug!(connector = connector.name, "no lag: {error}"),
            }
        }
    }
}

async fn of(
    core: &Core,
    connector: &super::core::Connector,
    inputs: &[TopicPartition],
) -> Result<HashMap<TopicPartition, u64>, ClientError> {
    let admin = core.clients.admin();
    let ask = |start| inputs.iter().map(|at| (at.clone(), start)).collect::<Vec<_>>();
    let ends = admin.list_offsets(&ask(Start::Latest)).await?;
    let begins = admin.list_offsets(&ask(Start::Earliest)).await?;
    // Other workers commit too, so the group is asked, not this one's memory.
    let committed = admin.committed_offsets(&connector.group, Some(inputs)).await?;
    let behind = ends.iter().map(|(at, end)| {
        let begin = begins.get(at).copied().unwrap_or(0);
        let position = committed.get(at).map_or(begin, |it| it.offset).max(begin);
        (at.clone(), (end - position).max(0) as u64)
    });
    Ok(behind.collect())
}
