//! JoinGroup (11).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{JoinGroupRequest, JoinGroupResponse, join_group_response::JoinGroupResponseMember},
    protocol::StrBytes,
};
use uuid::Uuid;

use super::{Client, Reply, errors, response::RequestId};
use crate::{
    group::{JoinAnswer, JoinRequest},
    limits,
    node::Node,
};

pub(super) fn handle(
    node: &Arc<Node>,
    request: JoinGroupRequest,
    id: RequestId,
    client: &Client,
) -> Reply {
    let version = id.api_version;
    // Owned, as all that waits is: a slice would keep the whole frame alive.
    let member_id = StrBytes::from_string(request.member_id.to_string());
    if let Some(code) = check(node, &request) {
        return Reply::later(id, async move { refuse(code, member_id, version) });
    }
    let group_id = request.group_id.clone();
    let answer = node.groups.join(&group_id, to_join(request, version, client));
    Reply::later(id, async move {
        match answer.await {
            Ok(answer) => respond(answer, version),
            // The group was dropped with its waiting requests.
            Err(_) => refuse(ResponseError::CoordinatorNotAvailable, member_id, version),
        }
    })
}

fn check(node: &Node, request: &JoinGroupRequest) -> Option<ResponseError> {
    let long = |text: &str| text.len() > limits::GROUP_ID_BYTES_MAX;
    if !errors::is_group_id(&request.group_id) {
        return Some(ResponseError::InvalidGroupId);
    }
    let session = request.session_timeout_ms;
    let allowed = node.config.group_session_timeout_min..=node.config.group_session_timeout_max;
    let session = u64::try_from(session).map(std::time::Duration::from_millis);
    if !session.is_ok_and(|session| allowed.contains(&session)) {
        return Some(ResponseError::InvalidSessionTimeout);
    }
    let too_long = long(&request.member_id)
        || long(&request.protocol_type)
        || request.group_instance_id.as_deref().is_some_and(long)
        || request.protocols.iter().any(|protocol| long(&protocol.name));
    if too_long || request.group_instance_id.as_deref() == Some("") {
        return Some(ResponseError::InvalidRequest);
    }
    None
}

fn to_join(request: JoinGroupRequest, version: i16, client: &Client) -> JoinRequest {
    let milliseconds = |value: i32| u64::try_from(value).unwrap_or(0);
    let client_id: String = client
        .id
        .as_deref()
        .unwrap_or_default()
        .chars()
        .take(limits::GROUP_ID_BYTES_MAX / 8)
        .collect();
    let instance_id = request.group_instance_id.map(|id| id.to_string());
    let prefix = instance_id.as_deref().unwrap_or(&client_id);
    let rebalance = match request.rebalance_timeout_ms {
        // v0 has none, and means the session's.
        ..0 => request.session_timeout_ms,
        given => given,
    };
    let protocols = request
        .protocols
        .into_iter()
        .map(|protocol| (protocol.name.to_string(), protocol.metadata))
        // The frame that the metadata is a slice of must not live as long as the member.
        .map(|(name, metadata)| (name, bytes::Bytes::copy_from_slice(&metadata)));
    JoinRequest {
        member_id: request.member_id.to_string(),
        fresh_member_id: format!("{prefix}-{}", Uuid::new_v4()),
        client_id,
        client_host: format!("/{}", client.peer.ip()),
        session_timeout_ms: milliseconds(request.session_timeout_ms),
        rebalance_timeout_ms: milliseconds(rebalance),
        protocol_type: request.protocol_type.to_string(),
        protocols: protocols.collect(),
        requires_known_member_id: version >= 4,
        can_skip_assignment: version >= 9,
        instance_id,
    }
}

fn refuse(code: ResponseError, member_id: StrBytes, version: i16) -> JoinGroupResponse {
    let name = if version >= 7 { None } else { Some(StrBytes::default()) };
    JoinGroupResponse::default()
        .with_error_code(code.code())
        .with_generation_id(-1)
        .with_protocol_name(name)
        .with_member_id(member_id)
}

fn respond(answer: JoinAnswer, version: i16) -> JoinGroupResponse {
    if let Some(error) = answer.error {
        let member_id = StrBytes::from_string(answer.member_id);
        return refuse(errors::group(error), member_id, version);
    }
    let members = answer.members.into_iter().map(|member| {
        let instance_id = member.instance_id.filter(|_| version >= 5).map(StrBytes::from_string);
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(member.id))
            .with_group_instance_id(instance_id)
            .with_metadata(member.metadata)
    });
    let mut response = JoinGroupResponse::default()
        .with_error_code(errors::NONE)
        .with_generation_id(answer.generation)
        .with_protocol_name(answer.protocol.map(StrBytes::from_string))
        .with_leader(StrBytes::from_string(answer.leader))
        .with_member_id(StrBytes::from_string(answer.member_id))
        .with_members(members.collect());
    if version >= 7 {
        response = response.with_protocol_type(answer.protocol_type.map(StrBytes::from_string));
    }
    if version >= 9 {
        response = response.with_skip_assignment(answer.skip_assignment);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use bytes::BytesMut;
    use kafka_protocol::protocol::{Decodable, Encodable};

    use super::*;
    use crate::{auth::Principal, temporary::TemporaryBroker};

    #[tokio::test]
    async fn a_refusal_that_waits_keeps_nothing_of_its_frame() {
        let broker = TemporaryBroker::start(&[]).await;
        let client = Client {
            id: None,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            listener: 0,
            principal: Arc::new(Principal::anonymous()),
            shares: None,
        };
        let mut frame = BytesMut::new();
        let request = JoinGroupRequest::default()
            .with_group_id(StrBytes::from_static_str("group").into())
            .with_member_id(StrBytes::from_static_str("member"))
            .with_session_timeout_ms(-1);
        request.encode(&mut frame, 5).unwrap();
        let frame = frame.freeze();
        let request = JoinGroupRequest::decode(&mut frame.clone(), 5).unwrap();
        let id = RequestId { api_version: 5, correlation_id: 1 };
        let reply = handle(broker.node(), request, id, &client);
        assert!(frame.is_unique());
        let Reply::Later(later) = reply else { panic!("a join waits for its turn") };
        assert!(later.answer.await.unwrap().bytes() > "member".len());
    }
}
