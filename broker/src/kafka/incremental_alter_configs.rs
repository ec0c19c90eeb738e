//! IncrementalAlterConfigs (44): SET, DELETE, APPEND and SUBTRACT, in force at once.

use std::{collections::HashMap, sync::Arc};

use kafka_protocol::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    incremental_alter_configs_request::AlterConfigsResource,
    incremental_alter_configs_response::AlterConfigsResourceResponse,
};

use super::config_changes::{self, Asked, Change, Refusal};
use crate::{controller::ConfigChange, node::Node};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let asked = request.resources.into_iter().map(|resource| Asked {
        kind: resource.resource_type,
        change: changes(&resource),
        name: resource.resource_name,
    });
    let outcomes = config_changes::make(node, asked.collect(), request.validate_only).await;
    let responses = outcomes.into_iter().map(|outcome| {
        AlterConfigsResourceResponse::default()
            .with_error_code(outcome.code)
            .with_error_message(outcome.message)
            .with_resource_type(outcome.kind)
            .with_resource_name(outcome.name)
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn changes(asked: &AlterConfigsResource) -> Result<Change, Refusal> {
    let mut changes = HashMap::with_capacity(asked.configs.len());
    for config in &asked.configs {
        let value = || config_changes::value(&config.name, config.value.as_ref());
        let change = match config.config_operation {
            0 => ConfigChange::Set(value()?),
            1 => ConfigChange::Delete,
            2 => ConfigChange::Append(value()?),
            3 => ConfigChange::Subtract(value()?),
            other => {
                let what = format!("{other} is no operation on a configuration");
                return Err(config_changes::invalid(what));
            }
        };
        if changes.insert(config.name.to_string(), change).is_some() {
            return Err(config_changes::named_twice(&config.name));
        }
    }
    Ok(Change::Alter(changes))
}
