//! Topics created, connectors started, waited for in their order, watched for
//! failure all the while.

use std::time::Duration;

use futures::future::{Either, select};

use super::super::CliError;
use crate::kafka::Admin;
use crate::kafka::admin::NewTopic;
use crate::pipeline::render::{RenderedConnector, TopicDefinition};
use crate::worker::herder::{Herder, HerderError, State};
use crate::worker::restarts;

/// How often states are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Creates the topics that are missing. One that is there must have as many
/// partitions as the pipeline says: keys lie where that number put them.
pub(super) async fn create_topics(
    admin: &dyn Admin,
    topics: &[TopicDefinition],
) -> Result<(), CliError> {
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let existing = admin.describe_topics(&names).await?;
    for topic in topics {
        match existing.get(&topic.name) {
            Some(there) if there.partitions.len() == topic.partitions as usize => {}
            Some(there) => {
                return Err(CliError::failed(format!(
                    "the topic `{}` has {} partitions, and the pipeline says {}; \
                     change the pipeline, or begin with another --data-dir",
                    topic.name,
                    there.partitions.len(),
                    topic.partitions
                )));
            }
            None => {
                let new = NewTopic {
                    name: topic.name.clone(),
                    partitions: Some(topic.partitions),
                    replication_factor: topic.replication_factor,
                    configs: topic.configs.clone(),
                };
                admin.create_topic(&new).await?;
            }
        }
    }
    Ok(())
}

/// Starts every connector, or changes the one that an earlier run left.
pub(super) async fn start(
    herder: &dyn Herder,
    connectors: &[RenderedConnector],
) -> Result<(), CliError> {
    for connector in connectors {
        // One that is there as it should be goes on: what it has drained stays so.
        if herder.connector(&connector.name).is_ok_and(|there| there.config == connector.config) {
            continue;
        }
        herder
            .put_config(&connector.name, connector.config.clone())
            .await
            .map_err(|error| CliError::failed(format!("{}: {error}", connector.name)))?;
    }
    Ok(())
}

/// Waits until each connector is drained, those that feed it first: only then
/// do the ends of its inputs stand still. The first failure ends the wait.
pub(super) async fn drained(
    herder: &dyn Herder,
    connectors: &[RenderedConnector],
) -> Result<(), CliError> {
    let in_order = async {
        for connector in connectors {
            herder
                .drained(&connector.name)
                .await
                .map_err(|error| failure(&connector.name, &error))?;
        }
        Ok(())
    };
    let watching = failed(herder, connectors);
    match select(std::pin::pin!(in_order), std::pin::pin!(watching)).await {
        Either::Left((drained, _)) => drained,
        Either::Right((failed, _)) => Err(failed),
    }
}

fn failure(name: &str, error: &HerderError) -> CliError {
    CliError::failed(format!("{name}: {error}"))
}

/// Resolves when a connector or one of its tasks has FAILED, with its trace.
async fn failed(herder: &dyn Herder, connectors: &[RenderedConnector]) -> CliError {
    loop {
        for connector in connectors {
            // One that is still being made has no status yet.
            let Ok(status) = herder.status(&connector.name) else { continue };
            let own = (status.connector.state, "connector".to_owned(), status.connector.trace);
            let tasks = status
                .tasks
                .into_iter()
                .map(|task| (task.state, format!("task {}", task.id), task.trace));
            for (state, who, trace) in std::iter::once(own).chain(tasks) {
                if state == State::Failed {
                    let trace = trace.unwrap_or_else(|| "it gave no reason".to_owned());
                    let cause = restarts::cause(&trace);
                    return CliError::failed(format!("{} {who} failed: {cause}", connector.name));
                }
            }
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
