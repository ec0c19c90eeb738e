//! Groups: which there are, who is in them.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest};
use kafka_protocol::protocol::StrBytes;

use super::types::{GroupDescription, GroupListing, GroupMember};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Cluster, Lane, Target, refused};

/// Every broker lists the groups that it coordinates.
pub(super) async fn list(cluster: &Cluster) -> Result<Vec<GroupListing>, ClientError> {
    let metadata = cluster.metadata(Some(&[])).await?;
    let mut groups = BTreeMap::new();
    for broker in metadata.brokers {
        let target = Target::Node(broker.node_id.0);
        let answer =
            cluster.call(&target, Lane::Common, |_| ListGroupsRequest::default(), None).await?;
        if let Some(code) = ResponseError::try_from_code(answer.error_code) {
            return Err(refused("listing groups", code, None));
        }
        for group in answer.groups {
            let group_id = group.group_id.to_string();
            groups.insert(
                group_id.clone(),
                GroupListing {
                    group_id,
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                    group_type: group.group_type.to_string(),
                },
            );
        }
    }
    Ok(groups.into_values().collect())
}

pub(super) async fn describe(
    cluster: &Cluster,
    group_id: &str,
) -> Result<GroupDescription, ClientError> {
    let what = || format!("describing group `{group_id}`");
    let coordinator = cluster.coordinator(group_id).await?;
    let request = DescribeGroupsRequest::default()
        .with_groups(vec![StrBytes::from_string(group_id.into()).into()]);
    let answer = cluster.call(&Target::Node(coordinator), Lane::Common, |_| request, None).await?;
    let group = answer
        .groups
        .into_iter()
        .next()
        .ok_or_else(|| refused(what(), ResponseError::UnknownServerError, None))?;
    match ResponseError::try_from_code(group.error_code) {
        None => {}
        // From version 6 an unknown group is an error; before, it is dead.
        Some(ResponseError::GroupIdNotFound) => {
            return Ok(GroupDescription {
                group_id: group_id.into(),
                state: "Dead".into(),
                protocol_type: String::new(),
                protocol: String::new(),
                coordinator,
                members: Vec::new(),
            });
        }
        Some(code) => return Err(refused(what(), code, group.error_message.as_ref())),
    }
    Ok(GroupDescription {
        group_id: group_id.into(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        coordinator,
        members: group
            .members
            .into_iter()
            .map(|member| GroupMember {
                member_id: member.member_id.to_string(),
                group_instance_id: member.group_instance_id.map(|id| id.to_string()),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                metadata: member.member_metadata,
                assignment: member.member_assignment,
            })
            .collect(),
    })
}

pub(super) async fn delete(cluster: &Cluster, group_id: &str) -> Result<(), ClientError> {
    let target = Target::Coordinator(group_id.into());
    let request = DeleteGroupsRequest::default()
        .with_groups_names(vec![StrBytes::from_string(group_id.into()).into()]);
    let answer = cluster.call(&target, Lane::Common, |_| request, None).await?;
    let code =
        answer.results.first().and_then(|group| ResponseError::try_from_code(group.error_code));
    match code {
        None => Ok(()),
        Some(code) => Err(refused(format!("deleting group `{group_id}`"), code, None)),
    }
}
