//! AlterConfigs (33): replaces all configurations of a resource by those given.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse, alter_configs_request::AlterConfigsResource,
        alter_configs_response::AlterConfigsResourceResponse,
    },
};

use super::{errors, incremental_alter_configs};
use crate::node::Node;

pub(super) async fn handle(node: &Arc<Node>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut seen = HashSet::new();
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let key = (resource.resource_type, resource.resource_name.clone());
        let altered = if seen.insert(key) {
            replace(node, &resource, request.validate_only).await
        } else {
            let message = "the resource is named more than once in the request";
            Err((ResponseError::InvalidRequest, message.to_owned()))
        };
        let (code, message) = match altered {
            Ok(()) => (errors::NONE, None),
            Err((code, message)) => (code.code(), errors::message(&message)),
        };
        responses.push(
            AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name),
        );
    }
    AlterConfigsResponse::default().with_responses(responses)
}

async fn replace(
    node: &Arc<Node>,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), (ResponseError, String)> {
    let invalid = |message: String| (ResponseError::InvalidRequest, message);
    let resource = incremental_alter_configs::resource(asked.resource_type, &asked.resource_name)
        .map_err(invalid)?;
    let mut configs = BTreeMap::new();
    for config in &asked.configs {
        let Some(value) = &config.value else {
            return Err(invalid(format!("configuration `{}` has no value", config.name)));
        };
        if configs.insert(config.name.to_string(), value.to_string()).is_some() {
            return Err(invalid(format!("configuration `{}` is named twice", config.name)));
        }
    }
    node.replace_configs(resource, configs, validate_only)
        .await
        .map_err(|error| (errors::controller(&error), error.to_string()))
}
