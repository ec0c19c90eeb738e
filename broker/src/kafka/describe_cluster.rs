//! DescribeCluster (60).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        BrokerId, DescribeClusterRequest, DescribeClusterResponse,
        describe_cluster_response::DescribeClusterBroker,
    },
    protocol::StrBytes,
};

use super::{Client, errors};
use crate::node::Node;

/// KIP-919: 1 asks brokers for brokers, 2 asks controllers for controllers.
const ENDPOINTS_OF_BROKERS: i8 = 1;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeClusterRequest,
    version: i16,
    client: &Client,
) -> DescribeClusterResponse {
    let response = DescribeClusterResponse::default();
    if version >= 1 && request.endpoint_type != ENDPOINTS_OF_BROKERS {
        let message = "this listener is a broker's: only endpoint type 1 can be described here";
        return response
            .with_error_code(ResponseError::MismatchedEndpointType.code())
            .with_error_message(errors::message(&message));
    }
    let image = node.image();
    let brokers = image.brokers().map(|broker| {
        let endpoint = node.endpoint_of(broker, client.listener);
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(broker.node_id))
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(i32::from(endpoint.port))
    });
    response
        .with_error_code(errors::NONE)
        .with_cluster_id(StrBytes::from_string(node.cluster_id.clone()))
        .with_controller_id(BrokerId(node.config.node_id))
        .with_brokers(brokers.collect())
}
