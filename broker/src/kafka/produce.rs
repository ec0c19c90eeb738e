//! Produce (0): opaque record batches to partitions.
//!
//! The batches stay slices of the request's frame until the log writes them.
//! Appends happen before the next request of the connection is begun; only
//! the flush that the topic's policy asks for is awaited later, so that flushes
//! of pipelined requests are shared.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::BytesMut;
use kafka_protocol::{
    error::ResponseError,
    messages::{
        ProduceResponse, TopicName,
        produce_response::{
            BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
        },
    },
    protocol::StrBytes,
};

use super::{
    Reply, access::Access, connection::ConnectionError, errors, produce_request::ProduceFrame,
    produce_transaction, response::RequestId,
};
use crate::{
    auth::AclOperation,
    log::AppendError,
    node::Node,
    partition::{Appended, Partition, PartitionError},
    topics,
};

const ACKS_ALL: i16 = -1;

/// An append, and the partition whose flush may still be waited for.
struct Outcome {
    index: i32,
    result: Result<(Arc<Partition>, Appended), Refusal>,
}

/// Why records were not appended.
pub(super) struct Refusal {
    pub(super) code: ResponseError,
    pub(super) message: Cow<'static, str>,
    /// The places of the records in their batch that are to blame, when the
    /// others would be taken (KIP-467).
    pub(super) batch_indexes: Vec<i32>,
}

impl Refusal {
    pub(super) fn new(code: ResponseError, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), batch_indexes: Vec::new() }
    }
}

pub(super) async fn handle(
    node: &Arc<Node>,
    request: ProduceFrame,
    id: RequestId,
    access: &Access,
) -> Result<Reply, ConnectionError> {
    let acks = request.acks;
    let timeout = Duration::from_millis(request.timeout_ms.max(0) as u64);
    let refused = (!matches!(acks, -1..=1))
        .then_some((ResponseError::InvalidRequiredAcks, "acks must be -1, 0 or 1"));
    let write = AclOperation::Write;
    let may_act = |id: &StrBytes| access.allows_transactional_id(write, id);
    let unauthorized = ResponseError::TransactionalIdAuthorizationFailed;
    let refused = match &request.transactional_id {
        Some(id) if !may_act(id) => Some((unauthorized, errors::NOT_ALLOWED)),
        _ => refused,
    };
    let by = By { transactional_id: request.transactional_id, acks, version: id.api_version };
    let mut outcomes = Vec::with_capacity(request.topics.len());
    for (topic, partitions) in request.topics {
        let mut of_topic = Vec::with_capacity(partitions.len());
        let refused = match access.allows_topic(write, &topic) {
            true => refused,
            false => Some((ResponseError::TopicAuthorizationFailed, errors::NOT_ALLOWED)),
        };
        for (index, records) in partitions {
            let result = match refused {
                Some((code, message)) => Err(Refusal::new(code, message)),
                None => append(node, &by, &topic, index, records).await,
            };
            of_topic.push(Outcome { index, result });
        }
        outcomes.push((topic, of_topic));
    }
    if acks == 0 {
        // There is no answer to carry an error, so Kafka ends the connection.
        return match first_error(&outcomes) {
            None => {
                outcomes.into_iter().flat_map(|(_, of_topic)| of_topic).for_each(flush_unawaited);
                Ok(Reply::Never)
            }
            Some(refusal) => Err(ConnectionError::UnackedProduce {
                code: refusal.code,
                reason: refusal.message.to_string(),
            }),
        };
    }
    let bytes = outcomes.iter().map(size_bytes).sum();
    Ok(Reply::later_of(bytes, id, answer(outcomes, timeout, id.api_version)))
}

/// The memory that a topic's outcomes take while they wait.
fn size_bytes((name, outcomes): &(TopicName, Vec<Outcome>)) -> usize {
    let of_refusal = |refusal: &Refusal| match &refusal.message {
        Cow::Owned(message) => message.len() + size_of_val(&*refusal.batch_indexes),
        Cow::Borrowed(_) => 0,
    };
    let refusals = outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err());
    name.len() + size_of_val(&**outcomes) + refusals.map(of_refusal).sum::<usize>()
}

/// Starts the flush that is due. Nobody waits: a failure takes the partition
/// offline, which the next request hears.
fn flush_unawaited(outcome: Outcome) {
    if let Ok((partition, appended)) = outcome.result
        && appended.flush_before_answer
    {
        tokio::spawn(async move { partition.settled(&appended).await });
    }
}

fn first_error(outcomes: &[(TopicName, Vec<Outcome>)]) -> Option<&Refusal> {
    outcomes
        .iter()
        .flat_map(|(_, outcomes)| outcomes)
        .find_map(|outcome| outcome.result.as_ref().err())
}

/// What holds for all partitions of a request.
struct By {
    transactional_id: Option<StrBytes>,
    acks: i16,
    version: i16,
}

async fn append(
    node: &Node,
    by: &By,
    topic: &TopicName,
    index: i32,
    records: Option<BytesMut>,
) -> Result<(Arc<Partition>, Appended), Refusal> {
    if topics::is_internal(topic) {
        let message = "this topic is written by the broker alone";
        return Err(Refusal::new(ResponseError::InvalidTopicException, message));
    }
    let partition = node.partitions.get(topic, index).ok_or_else(|| {
        // The same for all, as in Kafka: a request may name thousands, by names of megabytes.
        let message = "this broker has no such partition of the topic";
        Refusal::new(ResponseError::UnknownTopicOrPartition, message)
    })?;
    let mut records = records
        .filter(|records| !records.is_empty())
        .ok_or_else(|| Refusal::new(ResponseError::InvalidRecord, "there is no record batch"))?;
    let id = by.transactional_id.as_ref();
    let verified = produce_transaction::verify(node, &partition, id, &records, by.version).await?;
    let acks_all = by.acks == ACKS_ALL;
    let appended = if partition.reworks(&records) {
        let turn = node.reworks.next().await;
        let partition = Arc::clone(&partition);
        let appending = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            partition.append(&mut records, acks_all, verified)
        });
        appending.await.map_err(|error| {
            tracing::error!(topic = topic.as_str(), index, %error, "an append panicked");
            Refusal::new(ResponseError::UnknownServerError, "the append failed")
        })?
    } else {
        partition.append(&mut records, acks_all, verified)
    };
    match appended {
        Ok(appended) => Ok((partition, appended)),
        Err(error) => Err(refusal(&partition, &error)),
    }
}

fn refusal(partition: &Partition, error: &PartitionError) -> Refusal {
    tracing::debug!(%partition, %error, "an append was refused");
    let batch_indexes = match error {
        PartitionError::Append(AppendError::Keyless { batch_indexes }) => batch_indexes.clone(),
        _ => Vec::new(),
    };
    Refusal { batch_indexes, ..Refusal::new(error.code(), error.to_string()) }
}

async fn answer(
    outcomes: Vec<(TopicName, Vec<Outcome>)>,
    timeout: Duration,
    version: i16,
) -> ProduceResponse {
    let deadline = tokio::time::Instant::now() + timeout;
    let mut topics = Vec::with_capacity(outcomes.len());
    for (name, of_topic) in outcomes {
        let mut partitions = Vec::with_capacity(of_topic.len());
        for outcome in of_topic {
            let result = match outcome.result {
                Ok((partition, appended)) => settle(&partition, appended, deadline).await,
                Err(refusal) => Err(refusal),
            };
            partitions.push(respond(outcome.index, result, version));
        }
        topics.push(
            TopicProduceResponse::default().with_name(name).with_partition_responses(partitions),
        );
    }
    ProduceResponse::default().with_responses(topics)
}

/// Waits for what the topic's flush policy promises, whatever the acks.
async fn settle(
    partition: &Partition,
    appended: Appended,
    deadline: tokio::time::Instant,
) -> Result<Appended, Refusal> {
    match tokio::time::timeout_at(deadline, partition.settled(&appended)).await {
        Ok(Ok(())) => Ok(appended),
        Ok(Err(error)) => Err(refusal(partition, &error)),
        Err(_) => Err(Refusal::new(
            ResponseError::RequestTimedOut,
            "the records were appended, but not flushed within the request's timeout",
        )),
    }
}

fn respond(
    index: i32,
    result: Result<Appended, Refusal>,
    version: i16,
) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match result {
        Ok(appended) => {
            let response = response
                .with_error_code(errors::NONE)
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.log_append_time_ms);
            match version {
                5.. => response.with_log_start_offset(appended.log_start_offset),
                _ => response,
            }
        }
        Err(refusal) => {
            let response = response
                .with_error_code(refusal.code.code())
                .with_base_offset(-1)
                .with_log_append_time_ms(-1);
            match version {
                8.. => response
                    .with_error_message(errors::message(&refusal.message))
                    .with_record_errors(refusal.batch_indexes.into_iter().map(at_fault).collect()),
                _ => response,
            }
        }
    }
}

/// The partition's error message holds for each record.
fn at_fault(batch_index: i32) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage::default().with_batch_index(batch_index)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::{
        controller::NewTopic,
        log::{BatchBuilder, Codec},
        temporary::TemporaryBroker,
    };

    #[tokio::test]
    async fn appends_that_open_their_batch_take_turns_and_the_others_need_none() {
        let broker = TemporaryBroker::start(&[]).await;
        let node = broker.node();
        for (name, key, value) in [
            ("plain", "cleanup.policy", "delete"),
            ("compacted", "cleanup.policy", "compact"),
            ("packed", "compression.type", "lz4"),
        ] {
            let topic = NewTopic {
                name: name.to_owned(),
                partitions: 1,
                replication_factor: -1,
                configs: [(key.to_owned(), value.to_owned())].into(),
                ..NewTopic::default()
            };
            node.create_topic(topic, false).await.unwrap();
        }
        let by = By { transactional_id: None, acks: 1, version: 9 };
        let send = async |topic: &'static str, codec| {
            let mut builder = BatchBuilder::new(0).codec(codec);
            builder.push(1, Some(b"key"), Some(b"value"), &[]);
            let batch = BytesMut::from(&builder.build().unwrap()[..]);
            let topic = TopicName(StrBytes::from_static_str(topic));
            let sent = append(node, &by, &topic, 0, Some(batch));
            let sent = timeout(Duration::from_millis(300), sent).await.ok()?;
            Some(sent.map_err(|refusal| refusal.message).unwrap().1.base_offset)
        };
        let turns = node.reworks.all().await;
        assert_eq!(send("plain", Codec::Gzip).await, Some(0), "it stays closed");
        assert_eq!(send("compacted", Codec::None).await, Some(0), "its keys are at hand");
        assert_eq!(send("packed", Codec::Lz4).await, Some(0), "it is packed already");
        assert_eq!(send("compacted", Codec::Gzip).await, None);
        assert_eq!(send("packed", Codec::None).await, None);
        drop(turns);
        assert_eq!(send("compacted", Codec::Gzip).await, Some(1));
        assert_eq!(send("packed", Codec::Gzip).await, Some(1));
    }
}
