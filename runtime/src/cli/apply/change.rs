//! The changes carried out. Each is what it is only once it is whole, and what a
//! pipeline is going to have is noted before it is made: a call that was cut off
//! leaves nothing that the next does not know of.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::CliError;
use super::super::output::print;
use super::super::rest::Rest;
use super::fleet::FleetClient;
use crate::kafka::admin::NewTopic;
use crate::pipeline::compare::{Change, Comparison, Kind, Wanted};
use crate::worker::resources::PipelineParts;

/// Makes all changes, in their order.
pub(super) async fn carry_out(
    client: &FleetClient,
    wanted: &Wanted,
    comparison: &Comparison,
) -> Result<(), CliError> {
    for change in &comparison.changes {
        match (change.kind, &change.after) {
            (Kind::Topic, Some(after)) => topic(client, wanted, change, after).await?,
            (Kind::Topic, None) => {}
            (Kind::Connection, after) => {
                put_or_delete(client, "connections", change, after).await?
            }
            (Kind::Connector, after) => connector(client, change, after.as_ref()).await?,
            (Kind::Pipeline, after) => {
                let both = union(change.before.as_ref(), after.as_ref());
                if Some(&both) != change.before.as_ref() {
                    client.rest.settle_put(&pipeline(&change.name), &both).await?;
                }
                continue;
            }
        }
        print(&done(change))?;
    }
    for change in comparison.changes.iter().filter(|change| change.kind == Kind::Pipeline) {
        let both = union(change.before.as_ref(), change.after.as_ref());
        match &change.after {
            Some(after) if *after != both => {
                client.rest.settle_put(&pipeline(&change.name), after).await?;
            }
            Some(_) => {}
            None => client.rest.settle_delete(&pipeline(&change.name)).await?,
        }
        print(&done(change))?;
    }
    Ok(())
}

fn pipeline(name: &str) -> String {
    format!("/pipelines/{}", Rest::segment(name))
}

/// All that a pipeline had and is going to have.
fn union(before: Option<&Json>, after: Option<&Json>) -> Json {
    let mut all = PipelineParts::default();
    for parts in [before, after].into_iter().flatten() {
        let parts: PipelineParts = serde_json::from_value(parts.clone()).unwrap_or_default();
        all.topics.extend(parts.topics);
        all.connections.extend(parts.connections);
        all.connectors.extend(parts.connectors);
    }
    serde_json::to_value(all).unwrap_or_default()
}

async fn put_or_delete(
    client: &FleetClient,
    kind: &str,
    change: &Change,
    after: &Option<Json>,
) -> Result<(), CliError> {
    let path = format!("/{kind}/{}", Rest::segment(&change.name));
    match after {
        Some(after) => client.rest.settle_put(&path, after).await,
        None => client.rest.settle_delete(&path).await,
    }
}

async fn connector(
    client: &FleetClient,
    change: &Change,
    after: Option<&Json>,
) -> Result<(), CliError> {
    let path = format!("/connectors/{}", Rest::segment(&change.name));
    match after {
        Some(after) => client.rest.settle_put(&format!("{path}/config"), after).await,
        None => client.rest.settle_delete(&path).await,
    }
}

async fn topic(
    client: &FleetClient,
    wanted: &Wanted,
    change: &Change,
    after: &Json,
) -> Result<(), CliError> {
    let Some(topic) = wanted.topics.get(&change.name) else { return Ok(()) };
    let Some(before) = &change.before else {
        let new = NewTopic {
            name: topic.name.clone(),
            partitions: Some(topic.partitions),
            replication_factor: topic.replication_factor,
            configs: topic.configs.clone(),
        };
        return Ok(client.admin().create_topic(&new).await?);
    };
    if before["partitions"] != after["partitions"] {
        client.admin().create_partitions(&topic.name, topic.partitions).await?;
    }
    let changes: BTreeMap<String, Option<String>> = topic
        .configs
        .iter()
        .filter(|(name, _)| before.get(name) != after.get(name))
        .map(|(name, value)| (name.clone(), Some(value.clone())))
        .collect();
    if !changes.is_empty() {
        client.admin().alter_topic_configs(&topic.name, &changes).await?;
    }
    Ok(())
}

fn done(change: &Change) -> String {
    let verb = match (&change.before, &change.after) {
        (None, _) => "created",
        (Some(_), Some(_)) => "changed",
        (Some(_), None) => "deleted",
    };
    format!("{verb} {} {}", change.kind, change.name)
}
