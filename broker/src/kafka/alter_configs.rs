//! AlterConfigs (33): replaces all configurations of a resource by those given.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, alter_configs_request::AlterConfigsResource,
    alter_configs_response::AlterConfigsResourceResponse,
};

use super::config_changes::{self, Asked, Change, Refusal};
use crate::node::Node;

pub(super) async fn handle(node: &Arc<Node>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let asked = request.resources.into_iter().map(|resource| Asked {
        kind: resource.resource_type,
        change: replacement(&resource),
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
    AlterConfigsResponse::default().with_responses(responses.collect())
}

fn replacement(asked: &AlterConfigsResource) -> Result<Change, Refusal> {
    let mut configs = BTreeMap::new();
    for config in &asked.configs {
        let value = config_changes::value(&config.name, config.value.as_ref())?;
        if configs.insert(config.name.to_string(), value).is_some() {
            return Err(config_changes::named_twice(&config.name));
        }
    }
    Ok(Change::Replace(configs))
}
