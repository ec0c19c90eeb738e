//! ListConfigResources (74): what has configurations, by type.

use std::sync::Arc;

use kafka_protocol::{
    messages::{
        ListConfigResourcesRequest, ListConfigResourcesResponse,
        list_config_resources_response::ConfigResource as Listed,
    },
    protocol::StrBytes,
};

use super::describe_configs::{BROKER, GROUP, TOPIC};
use crate::{controller::ConfigResource, node::Node};

/// Version 0 asks for client metrics alone, which nobody can subscribe to here.
pub(super) async fn handle(
    node: &Arc<Node>,
    request: ListConfigResourcesRequest,
    version: i16,
) -> ListConfigResourcesResponse {
    let wanted = |kind| {
        let kinds = &request.resource_types;
        version >= 1 && (kinds.is_empty() || kinds.contains(&kind))
    };
    let image = node.image();
    let topics = image.topics().map(|topic| (TOPIC, topic.name.clone()));
    let brokers = image.brokers().map(|broker| (BROKER, broker.node_id.to_string()));
    let groups = image.configured().filter_map(|resource| match resource {
        ConfigResource::Group(id) => Some((GROUP, id.clone())),
        _ => None,
    });
    let all = topics.chain(brokers).chain(groups).filter(|(kind, _)| wanted(*kind));
    let listed = all.map(|(kind, name)| {
        Listed::default().with_resource_type(kind).with_resource_name(StrBytes::from_string(name))
    });
    ListConfigResourcesResponse::default().with_config_resources(listed.collect())
}
