//! Topics as such, configurations, the cluster, and who may log in.

use kafka_protocol::{
    error::ResponseError,
    messages::{
        AlterClientQuotasRequest, AlterConfigsRequest, AlterPartitionReassignmentsRequest,
        AlterUserScramCredentialsRequest, ApiVersionsRequest, CreateAclsRequest,
        CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest, DeleteTopicsRequest,
        DescribeAclsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
        DescribeConfigsRequest, DescribeLogDirsRequest, DescribeQuorumRequest,
        DescribeUserScramCredentialsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest,
        ListConfigResourcesRequest, ListPartitionReassignmentsRequest, TopicName,
        alter_client_quotas_response, alter_configs_response,
        alter_user_scram_credentials_response::AlterUserScramCredentialsResult,
        create_partitions_response::CreatePartitionsTopicResult,
        create_topics_response::CreatableTopicResult,
        delete_topics_request::DeleteTopicState,
        delete_topics_response::DeletableTopicResult,
        describe_configs_response::DescribeConfigsResult,
        elect_leaders_response::{PartitionResult, ReplicaElectionResult},
        incremental_alter_configs_response,
    },
    protocol::{Request, StrBytes},
};

use super::{CLUSTER, Context, GROUP, Guarded, TOPIC, Verdict, withhold};
use crate::{
    auth::{AclOperation, CLUSTER_NAME, ResourceType},
    kafka::{access::Access, errors},
};

/// What everyone may ask, or whose handlers look at the rights themselves.
macro_rules! unguarded {
    ($($request:ident),*) => {$(
        impl Guarded for $request {
            fn judge(&mut self, _: &Context<'_>) -> Verdict<Self::Response> {
                Verdict::Pass
            }
        }
    )*};
}

unguarded!(ApiVersionsRequest, DescribeAclsRequest, CreateAclsRequest, DeleteAclsRequest);

/// What needs a right on the cluster and is refused as a whole by one code.
macro_rules! cluster {
    ($($request:ident: $operation:ident),* $(,)?) => {$(
        impl Guarded for $request {
            fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
                match context.access.allows_cluster(AclOperation::$operation) {
                    true => Verdict::Pass,
                    false => Verdict::Refuse(
                        <Self as Request>::Response::default().with_error_code(CLUSTER),
                    ),
                }
            }
        }
    )*};
}

cluster! {
    DescribeUserScramCredentialsRequest: Describe,
    AlterPartitionReassignmentsRequest: Alter,
    ListPartitionReassignmentsRequest: Describe,
    DescribeQuorumRequest: Describe,
    ListConfigResourcesRequest: DescribeConfigs,
}

impl Guarded for DescribeClientQuotasRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        match context.access.allows_cluster(AclOperation::DescribeConfigs) {
            true => Verdict::Pass,
            false => Verdict::Refuse(
                <Self as Request>::Response::default()
                    .with_error_code(CLUSTER)
                    .with_error_message(errors::message(&errors::NOT_ALLOWED))
                    .with_entries(None),
            ),
        }
    }
}

impl Guarded for AlterClientQuotasRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        use alter_client_quotas_response::{EntityData, EntryData};
        if context.access.allows_cluster(AclOperation::AlterConfigs) {
            return Verdict::Pass;
        }
        let entries = self.entries.iter().map(|entry| {
            let entity = entry.entity.iter().map(|entity| {
                EntityData::default()
                    .with_entity_type(entity.entity_type.clone())
                    .with_entity_name(entity.entity_name.clone())
            });
            EntryData::default()
                .with_error_code(CLUSTER)
                .with_error_message(errors::message(&errors::NOT_ALLOWED))
                .with_entity(entity.collect())
        });
        let entries = entries.collect();
        Verdict::Refuse(<Self as Request>::Response::default().with_entries(entries))
    }
}

/// Before v3 the answer has no error, and an empty one tells nothing.
impl Guarded for DescribeLogDirsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let response = <Self as Request>::Response::default();
        match (context.access.allows_cluster(AclOperation::Describe), context.version) {
            (true, _) => Verdict::Pass,
            (false, 3..) => Verdict::Refuse(response.with_error_code(CLUSTER)),
            (false, _) => Verdict::Refuse(response),
        }
    }
}

/// The addresses of the brokers are for everyone.
impl Guarded for DescribeClusterRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        if !self.include_cluster_authorized_operations {
            return Verdict::Pass;
        }
        let access = context.access.clone();
        Verdict::patch(move |response: &mut Self::Response| {
            response.cluster_authorized_operations =
                access.operations(ResourceType::Cluster, CLUSTER_NAME);
        })
    }
}

impl Guarded for AlterUserScramCredentialsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        if context.access.allows_cluster(AclOperation::Alter) {
            return Verdict::Pass;
        }
        let deleted = self.deletions.iter().map(|deletion| &deletion.name);
        let upserted = self.upsertions.iter().map(|upsertion| &upsertion.name);
        let users: std::collections::BTreeSet<&StrBytes> = deleted.chain(upserted).collect();
        let results = users.into_iter().map(|user| {
            AlterUserScramCredentialsResult::default()
                .with_user(user.clone())
                .with_error_code(CLUSTER)
                .with_error_message(errors::message(&errors::NOT_ALLOWED))
        });
        let results = results.collect();
        Verdict::Refuse(<Self as Request>::Response::default().with_results(results))
    }
}

impl Guarded for ElectLeadersRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        if context.access.allows_cluster(AclOperation::Alter) {
            return Verdict::Pass;
        }
        let topics = self.topic_partitions.iter().flatten().map(|topic| {
            let partitions = topic.partitions.iter().map(|index| {
                PartitionResult::default().with_partition_id(*index).with_error_code(CLUSTER)
            });
            ReplicaElectionResult::default()
                .with_topic(topic.topic.clone())
                .with_partition_result(partitions.collect())
        });
        let response =
            <Self as Request>::Response::default().with_replica_election_results(topics.collect());
        Verdict::Refuse(match context.version {
            1.. => response.with_error_code(CLUSTER),
            _ => response,
        })
    }
}

/// Whoever may create topics need not be allowed to read how they are set up.
impl Guarded for CreateTopicsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let (access, version) = (context.access.clone(), context.version);
        if access.is_open() {
            return Verdict::Pass;
        }
        let refused = withhold(&mut self.topics, |topic| access.allows_creation(&topic.name));
        Verdict::patch(move |response: &mut Self::Response| {
            let hidden = |name: &TopicName| {
                version >= 5
                    && !access.shows(AclOperation::DescribeConfigs, ResourceType::Topic, name)
            };
            for topic in response.topics.iter_mut().filter(|topic| topic.error_code == 0) {
                if hidden(&topic.name) {
                    topic.topic_config_error_code = TOPIC;
                    topic.num_partitions = -1;
                    topic.replication_factor = -1;
                    topic.configs = None;
                }
            }
            response.topics.extend(refused.into_iter().map(|topic| {
                CreatableTopicResult::default()
                    .with_name(topic.name)
                    .with_error_code(TOPIC)
                    .with_error_message(errors::message(&errors::NOT_ALLOWED))
                    .with_configs(None)
            }));
        })
    }
}

/// A topic that the client may not know of is unknown under its id; under its
/// name it is refused, whether it is there or not.
impl Guarded for DeleteTopicsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let (delete, describe) = (AclOperation::Delete, AclOperation::Describe);
        let (access, version) = (context.access, context.version);
        let names = withhold(&mut self.topic_names, |name| access.allows_topic(delete, name));
        let image = context.node.image();
        let states = withhold(&mut self.topics, |topic| match &topic.name {
            Some(name) => access.allows_topic(delete, name),
            None => image
                .topic_by_id(topic.topic_id)
                .is_none_or(|topic| access.allows_topic(delete, &topic.name)),
        });
        let named = names
            .into_iter()
            .map(|name| (DeleteTopicState::default().with_name(Some(name)), TOPIC));
        let refused = named.chain(states.into_iter().map(|topic| {
            let known = image.topic_by_id(topic.topic_id);
            let shown = known.is_some_and(|t| access.shows(describe, ResourceType::Topic, &t.name));
            let code = match shown || topic.name.is_some() {
                true => TOPIC,
                false => ResponseError::UnknownTopicId.code(),
            };
            (topic, code)
        }));
        Verdict::refusing(refused.collect(), move |response: &mut Self::Response, refused| {
            response.responses.extend(refused.into_iter().map(|(topic, code)| {
                let result = DeletableTopicResult::default()
                    .with_name(topic.name)
                    .with_topic_id(topic.topic_id)
                    .with_error_code(code);
                match version {
                    5.. => result.with_error_message(errors::message(&errors::NOT_ALLOWED)),
                    _ => result,
                }
            }));
        })
    }
}

impl Guarded for CreatePartitionsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let alter = AclOperation::Alter;
        let refused = withhold(&mut self.topics, |t| context.access.allows_topic(alter, &t.name));
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.results.extend(refused.into_iter().map(|topic| {
                CreatePartitionsTopicResult::default()
                    .with_name(topic.name)
                    .with_error_code(TOPIC)
                    .with_error_message(errors::message(&errors::NOT_ALLOWED))
            }));
        })
    }
}

/// The code of a refusal about a resource's configurations, if they are refused.
fn refused_configs(access: &Access, operation: AclOperation, kind: i8, name: &str) -> Option<i16> {
    const OF_TOPIC: i8 = 2;
    const OF_GROUP: i8 = 32;
    let (allowed, code) = match kind {
        OF_TOPIC => (access.allows_topic(operation, name), TOPIC),
        OF_GROUP => (access.allows_group(operation, name), GROUP),
        _ => (access.allows_cluster(operation), CLUSTER),
    };
    (!allowed).then_some(code)
}

impl Guarded for DescribeConfigsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let read = AclOperation::DescribeConfigs;
        let code = |kind, name: &str| refused_configs(context.access, read, kind, name);
        let mut refused = Vec::new();
        self.resources.retain(|resource| {
            let code = code(resource.resource_type, &resource.resource_name);
            refused.extend(code.map(|code| {
                DescribeConfigsResult::default()
                    .with_error_code(code)
                    .with_error_message(errors::message(&errors::NOT_ALLOWED))
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(resource.resource_name.clone())
            }));
            code.is_none()
        });
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.results.extend(refused);
        })
    }
}

/// The two requests that change configurations differ in names alone.
macro_rules! alter_configs {
    ($request:ident, $module:ident) => {
        impl Guarded for $request {
            fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
                let alter = AclOperation::AlterConfigs;
                let mut refused = Vec::new();
                self.resources.retain(|resource| {
                    let (kind, name) = (resource.resource_type, &resource.resource_name);
                    let code = refused_configs(context.access, alter, kind, name);
                    refused.extend(code.map(|code| {
                        $module::AlterConfigsResourceResponse::default()
                            .with_error_code(code)
                            .with_error_message(errors::message(&errors::NOT_ALLOWED))
                            .with_resource_type(kind)
                            .with_resource_name(name.clone())
                    }));
                    code.is_none()
                });
                Verdict::refusing(refused, |response: &mut Self::Response, refused| {
                    response.responses.extend(refused);
                })
            }
        }
    };
}

alter_configs!(AlterConfigsRequest, alter_configs_response);
alter_configs!(IncrementalAlterConfigsRequest, incremental_alter_configs_response);
