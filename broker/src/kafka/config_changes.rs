//! What AlterConfigs and IncrementalAlterConfigs share: resources of one request,
//! each changed or refused by itself.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use kafka_protocol::{error::ResponseError, protocol::StrBytes};

use super::{
    describe_configs::{BROKER, GROUP, TOPIC},
    errors,
};
use crate::{
    controller::{ConfigChange, ConfigResource},
    node::Node,
};

/// Why a resource was not changed.
pub(super) type Refusal = (ResponseError, String);

/// What shall become of a resource's configurations.
pub(super) enum Change {
    /// These and no others.
    Replace(BTreeMap<String, String>),
    /// Some of them change, the others stay.
    Alter(HashMap<String, ConfigChange>),
}

/// A resource of the request.
pub(super) struct Asked {
    pub(super) kind: i8,
    pub(super) name: StrBytes,
    pub(super) change: Result<Change, Refusal>,
}

/// What became of it.
pub(super) struct Outcome {
    pub(super) kind: i8,
    pub(super) name: StrBytes,
    pub(super) code: i16,
    pub(super) message: Option<StrBytes>,
}

/// Changes one resource after the other, in the order of the request.
pub(super) async fn make(
    node: &Arc<Node>,
    request: Vec<Asked>,
    validate_only: bool,
) -> Vec<Outcome> {
    let mut seen = HashSet::new();
    let mut outcomes = Vec::with_capacity(request.len());
    for Asked { kind, name, change } in request {
        let made = if seen.insert((kind, name.clone())) {
            make_one(node, kind, &name, change, validate_only).await
        } else {
            Err(invalid("the resource is named more than once in the request"))
        };
        let (code, message) = match made {
            Ok(()) => (errors::NONE, None),
            Err((code, message)) => (code.code(), errors::message(&message)),
        };
        outcomes.push(Outcome { kind, name, code, message });
    }
    outcomes
}

async fn make_one(
    node: &Arc<Node>,
    kind: i8,
    name: &str,
    change: Result<Change, Refusal>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let resource = resource(kind, name).map_err(invalid)?;
    let made = match change? {
        Change::Replace(configs) => node.replace_configs(resource, configs, validate_only).await,
        Change::Alter(changes) => node.alter_configs(resource, changes, validate_only).await,
    };
    made.map_err(|error| (errors::controller(&error), error.to_string()))
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    (ResponseError::InvalidRequest, message.into())
}

/// A configuration that must have a value.
pub(super) fn value(name: &str, value: Option<&StrBytes>) -> Result<String, Refusal> {
    let missing = || invalid(format!("configuration `{name}` has no value"));
    value.map(ToString::to_string).ok_or_else(missing)
}

pub(super) fn named_twice(name: &str) -> Refusal {
    invalid(format!("configuration `{name}` is named twice"))
}

/// What a request's type and name mean.
fn resource(kind: i8, name: &str) -> Result<ConfigResource, String> {
    match kind {
        TOPIC => Ok(ConfigResource::Topic(name.to_owned())),
        GROUP if errors::is_group_id(name) => Ok(ConfigResource::Group(name.to_owned())),
        GROUP => Err(format!("`{name}` is no group id")),
        BROKER if name.is_empty() => Ok(ConfigResource::BrokerDefault),
        BROKER => match name.parse() {
            Ok(id) => Ok(ConfigResource::Broker(id)),
            Err(_) => Err(format!("`{name}` is no broker id")),
        },
        other => Err(format!("resource type {other} has no configurations here")),
    }
}
