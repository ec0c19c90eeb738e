//! How far connectors are behind the ends of their inputs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::core::{Connector, Core};
use super::options::{Inputs, Options};
use crate::kafka::admin::TopicDescription;
use crate::kafka::{ClientError, Start, TopicPartition};

/// How often it is looked at, where a look is quick.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How much longer than a look the pause after it is at the least: where there are many
/// connectors, each worker asks for each one by one.
const PAUSE_PER_LOOK: u32 = 9;

/// The partitions of a connector's input topics; none for a source.
pub(super) async fn input_partitions(
    core: &Core,
    name: &str,
) -> Result<Vec<TopicPartition>, ClientError> {
    match inputs(core, name) {
        None => Ok(Vec::new()),
        Some(inputs) => Ok(partitions(&inputs, &core.clients.admin().list_topics().await?)),
    }
}

fn inputs(core: &Core, name: &str) -> Option<Inputs> {
    let entry = core.configs.read().expect("no holder panics").get(name).cloned()?;
    Options::read(core.kind_of(name)?, &entry.config, &core.config).ok()?.inputs
}

fn partitions(inputs: &Inputs, topics: &[TopicDescription]) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for topic in topics.iter().filter(|it| inputs.contain(&it.name, it.internal)) {
        let label: Arc<str> = topic.name.as_str().into();
        partitions.extend(topic.partitions.iter().map(|partition| TopicPartition {
            topic: label.clone(),
            partition: partition.partition,
        }));
    }
    partitions
}

/// Keeps every connector's `lags` fresh, for ever.
pub(super) async fn watch(core: Arc<Core>) {
    loop {
        let began = Instant::now();
        if let Err(error) = look(&core).await {
            tracing::debug!("no lags: {error}");
        }
        sleep(pause_after(began.elapsed())).await;
    }
}

fn pause_after(look: Duration) -> Duration {
    LOOK_EVERY.max(look * PAUSE_PER_LOOK)
}

/// Asks for topics once for all connectors. A worker without sinks and processors asks the
/// cluster nothing.
async fn look(core: &Core) -> Result<(), ClientError> {
    let connectors: Vec<Arc<Connector>> =
        core.connectors.read().expect("no holder panics").values().cloned().collect();
    let readers = connectors.into_iter().filter_map(|it| Some((inputs(core, &it.name)?, it)));
    let readers: Vec<(Inputs, Arc<Connector>)> = readers.collect();
    if readers.is_empty() {
        return Ok(());
    }
    let topics = core.clients.admin().list_topics().await?;
    for (inputs, connector) in readers {
        match of(core, &connector, &partitions(&inputs, &topics)).await {
            Ok(lags) => *connector.lags.write().expect("no holder panics") = lags,
            Err(error) => tracing::debug!(connector = connector.name, "no lag: {error}"),
        }
    }
    Ok(())
}

async fn of(
    core: &Core,
    connector: &Connector,
    inputs: &[TopicPartition],
) -> Result<HashMap<TopicPartition, u64>, ClientError> {
    if inputs.is_empty() {
        return Ok(HashMap::new());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_take_a_tenth_of_the_time_at_the_most() {
        let pause = |look| pause_after(Duration::from_millis(look)).as_millis();
        assert_eq!([pause(1), pause(100), pause(1_000)], [1_000, 1_000, 9_000]);
    }
}
