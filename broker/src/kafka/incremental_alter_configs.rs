//! IncrementalAlterConfigs (44): SET, DELETE, APPEND and SUBTRACT, in force at once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        incremental_alter_configs_request::AlterConfigsResource,
        incremental_alter_configs_response::AlterConfigsResourceResponse,
    },
};

use super::{
    describe_configs::{BROKER, GROUP, TOPIC},
    errors,
};
use crate::{
    controller::{ConfigChange, ConfigResource},
    node::Node,
};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut seen = HashSet::new();
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let key = (resource.resource_type, resource.resource_name.clone());
        let altered = if seen.insert(key) {
            alter(node, &resource, request.validate_only).await
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
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    node: &Arc<Node>,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), (ResponseError, String)> {
    let invalid = |message: String| (ResponseError::InvalidRequest, message);
    let resource = resource(asked.resource_type, &asked.resource_name).map_err(invalid)?;
    let mut changes = HashMap::with_capacity(asked.configs.len());
    for config in &asked.configs {
        let value = || {
            let missing = || invalid(format!("configuration `{}` has no value", config.name));
            config.value.as_ref().map(ToString::to_string).ok_or_else(missing)
        };
        let change = match config.config_operation {
            0 => ConfigChange::Set(value()?),
            1 => ConfigChange::Delete,
            2 => ConfigChange::Append(value()?),
            3 => ConfigChange::Subtract(value()?),
            other => return Err(invalid(format!("{other} is no operation on a configuration"))),
        };
        if changes.insert(config.name.to_string(), change).is_some() {
            return Err(invalid(format!("configuration `{}` is named twice", config.name)));
        }
    }
    node.alter_configs(resource, changes, validate_only)
        .await
        .map_err(|error| (errors::controller(&error), error.to_string()))
}

/// What a request's type and name mean.
pub(super) fn resource(kind: i8, name: &str) -> Result<ConfigResource, String> {
    match kind {
        TOPIC => Ok(ConfigResource::Topic(name.to_owned())),
        GROUP if super::errors::is_group_id(name) => Ok(ConfigResource::Group(name.to_owned())),
        GROUP => Err(format!("`{name}` is no group id")),
        BROKER if name.is_empty() => Ok(ConfigResource::BrokerDefault),
        BROKER => match name.parse() {
            Ok(id) => Ok(ConfigResource::Broker(id)),
            Err(_) => Err(format!("`{name}` is no broker id")),
        },
        other => Err(format!("resource type {other} has no configurations here")),
    }
}
