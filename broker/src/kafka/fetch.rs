//! Fetch (1): record batches from partitions, waited for if there are few.
//!
//! The answer is built by hand so that record bytes go from the log's buffer
//! to the socket without being copied into a frame.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    error::ResponseError,
    messages::{
        FetchRequest,
        fetch_request::{FetchPartition, FetchTopic},
    },
};
use tokio::time::{Instant, timeout_at};

use super::{
    Reply,
    access::Access,
    errors,
    memory::MemoryGrant,
    response::{RequestId, Response, ResponseBuilder},
};
use crate::{
    auth::AclOperation,
    limits,
    log::AbortedTransaction,
    node::Node,
    partition::{FetchWaiter, Isolation, Partition},
};

/// The first version with compact lengths and tags.
const FLEXIBLE_FROM: i16 = 12;

/// What one partition answers.
struct Fetched {
    index: i32,
    code: i16,
    high_watermark: i64,
    last_stable_offset: i64,
    log_start_offset: i64,
    /// What `read_committed` consumers are to leave out; others are not told.
    aborted: Option<Vec<AbortedTransaction>>,
    records: Bytes,
}

impl Fetched {
    fn failed(index: i32, code: ResponseError) -> Self {
        Self {
            index,
            code: code.code(),
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            records: Bytes::new(),
        }
    }
}

/// A request, and which of its topics the client may not read.
struct Asked {
    request: FetchRequest,
    /// By the topics' order; empty where all may be read.
    refused: Vec<bool>,
}

impl Asked {
    fn is_refused(&self, topic: usize) -> bool {
        self.refused.get(topic).copied().unwrap_or(false)
    }
}

fn refused_topics(request: &FetchRequest, access: &Access) -> Vec<bool> {
    if access.is_open() {
        return Vec::new();
    }
    let allowed = |topic: &FetchTopic| access.allows_topic(AclOperation::Read, &topic.topic);
    request.topics.iter().map(|topic| !allowed(topic)).collect()
}

/// Everything that was fetched, by topic in the order of the request.
struct Round {
    topics: Vec<Vec<Fetched>>,
    bytes: usize,
    failed: bool,
    /// The one batch that must come is larger than the memory granted: nothing
    /// was read, this is what it takes.
    needs_bytes: Option<usize>,
    memory: Option<MemoryGrant>,
}

impl Round {
    fn empty() -> Self {
        Self { topics: Vec::new(), bytes: 0, failed: false, needs_bytes: None, memory: None }
    }
}

pub(super) fn handle(
    node: &Arc<Node>,
    request: FetchRequest,
    id: RequestId,
    access: Access,
) -> Reply {
    let node = Arc::clone(node);
    Reply::Later(Box::pin(async move { Ok(fetch(&node, request, id, &access).await) }))
}

async fn fetch(
    node: &Arc<Node>,
    request: FetchRequest,
    id: RequestId,
    access: &Access,
) -> Response {
    if request.session_id != 0 {
        // Sessions are not kept; the client goes on without one.
        return whole_error(id, ResponseError::FetchSessionIdNotFound);
    }
    let refused = refused_topics(&request, access);
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64).min(limits::FETCH_WAIT_MAX);
    let deadline = Instant::now() + wait;
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0);
    let request = Arc::new(Asked { request, refused });
    loop {
        // Registered before the look, so that no append between is missed.
        let waiter = FetchWaiter::new();
        let readable = register(node, &request, &waiter);
        let last = Instant::now() >= deadline;
        if readable >= bytes_min.min(1) || last {
            let round = read(node, &request).await;
            if round.failed || round.bytes >= bytes_min || last || node.stopping.is_cancelled() {
                return encode(id, &request.request, round);
            }
        }
        let _ = timeout_at(deadline, waiter.woken()).await;
    }
}

/// Registers for appends to every partition; answers with 1 if any has
/// something to say at once (records or an error), else 0.
fn register(node: &Node, whole: &Asked, waiter: &Arc<FetchWaiter>) -> usize {
    let request = &whole.request;
    let isolation = Isolation::from_level(request.isolation_level);
    let mut readable = 0;
    for (at, topic) in request.topics.iter().enumerate() {
        for asked in &topic.partitions {
            let ready = match node.partitions.get(&topic.topic, asked.partition) {
                Some(partition) if !whole.is_refused(at) => {
                    partition.register(waiter);
                    partition.has_news_at(asked.fetch_offset, isolation)
                }
                _ => true,
            };
            readable |= usize::from(ready);
        }
    }
    readable
}

/// Reads what there is. File reads may wait for the disk, so they are done
/// where that blocks nobody.
async fn read(node: &Arc<Node>, whole: &Arc<Asked>) -> Round {
    let request = &whole.request;
    let asked: usize = request
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|partition| partition.partition_max_bytes.max(0) as usize)
        .fold(0, usize::saturating_add);
    let bytes_max = asked.min(request.max_bytes.max(0) as usize).min(node.config.fetch_bytes_max);
    let (mut memory, granted) =
        node.fetch_memory.take_up_to(bytes_max, limits::FETCH_GRANT_BYTES_MIN).await;
    let mut bounds = ReadBounds { bytes_max: granted, first_batch_bytes_max: memory.bytes() };
    loop {
        let (reader, asked) = (Arc::clone(node), Arc::clone(whole));
        let reading = tokio::task::spawn_blocking(move || read_blocking(&reader, &asked, bounds));
        let mut round = reading.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a fetch failed");
            Round { failed: true, ..Round::empty() }
        });
        if let Some(needed) = round.needs_bytes {
            // Given back before more is asked for: two fetches that kept theirs
            // could wait for each other.
            drop(memory);
            memory = node.fetch_memory.take(needed).await;
            bounds.first_batch_bytes_max = needed;
            continue;
        }
        memory.shrink_to(round.bytes);
        round.memory = Some(memory);
        return round;
    }
}

/// How much a round may read.
#[derive(Clone, Copy)]
struct ReadBounds {
    /// What the client asks for, as far as there is memory.
    bytes_max: usize,
    /// The batch that comes even if the client asks for less has this much memory.
    first_batch_bytes_max: usize,
}

fn read_blocking(node: &Node, whole: &Asked, bounds: ReadBounds) -> Round {
    let request = &whole.request;
    let isolation = Isolation::from_level(request.isolation_level);
    let mut left = bounds.bytes_max;
    let mut round = Round::empty();
    for (at, topic) in request.topics.iter().enumerate() {
        let mut fetched = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let partition = node.partitions.get(&topic.topic, asked.partition);
            let mut one = match partition {
                _ if whole.is_refused(at) => {
                    Fetched::failed(asked.partition, ResponseError::TopicAuthorizationFailed)
                }
                Some(partition) => {
                    let at_least_one = (round.bytes == 0).then_some(bounds.first_batch_bytes_max);
                    match read_one(&partition, asked, left, at_least_one, isolation) {
                        Ok(one) => one,
                        Err(needed) => {
                            return Round { needs_bytes: Some(needed), ..Round::empty() };
                        }
                    }
                }
                None => Fetched::failed(asked.partition, ResponseError::UnknownTopicOrPartition),
            };
            if round.bytes > 0 && one.records.len() > left {
                // Only the first partition with records may go beyond the limit.
                one.records = Bytes::new();
            }
            round.failed |= one.code != errors::NONE;
            round.bytes += one.records.len();
            left = left.saturating_sub(one.records.len());
            fetched.push(one);
        }
        round.topics.push(fetched);
    }
    round
}

/// Reads one partition. With `at_least_one` the first batch comes even if it is
/// larger than `left`, within that much memory; `Err` says how much it takes.
fn read_one(
    partition: &Partition,
    asked: &FetchPartition,
    left: usize,
    at_least_one: Option<usize>,
    isolation: Isolation,
) -> Result<Fetched, usize> {
    if let Err(error) = partition.check_leader_epoch(asked.current_leader_epoch) {
        return Ok(Fetched::failed(asked.partition, error.code()));
    }
    let offset = asked.fetch_offset;
    let bytes_max = left.min(asked.partition_max_bytes.max(0) as usize);
    let mut read = partition.read(offset, bytes_max, false, isolation);
    if let (Ok(found), Some(memory_bytes)) = (&read, at_least_one)
        && found.records.is_empty()
        && offset < found.readable_end(isolation)
    {
        match partition.batch_bytes_at(offset) {
            Ok(Some(needed)) if needed > memory_bytes => return Err(needed),
            Ok(_) => read = partition.read(offset, bytes_max, true, isolation),
            Err(error) => read = Err(error),
        }
    }
    Ok(match read {
        Ok(read) => Fetched {
            index: asked.partition,
            code: errors::NONE,
            high_watermark: read.high_watermark,
            last_stable_offset: read.last_stable_offset,
            log_start_offset: read.log_start_offset,
            aborted: (isolation == Isolation::ReadCommitted).then_some(read.aborted),
            records: read.records,
        },
        Err(error) => {
            tracing::debug!(%partition, %error, offset, "a fetch was refused");
            Fetched {
                high_watermark: partition.high_watermark().unwrap_or(-1),
                last_stable_offset: partition.last_stable_offset().unwrap_or(-1),
                log_start_offset: partition.log_start_offset().unwrap_or(-1),
                ..Fetched::failed(asked.partition, error.code())
            }
        }
    })
}

/// An answer without topics, for a client that is throttled.
pub(super) fn empty(id: RequestId) -> Response {
    without_topics(id, errors::NONE)
}

fn whole_error(id: RequestId, code: ResponseError) -> Response {
    without_topics(id, code.code())
}

fn without_topics(id: RequestId, code: i16) -> Response {
    let mut builder = ResponseBuilder::new(id, id.api_version >= FLEXIBLE_FROM);
    put_top(&mut builder.fields, id.api_version, code, 0);
    if id.api_version >= FLEXIBLE_FROM {
        builder.fields.put_u8(0);
    }
    builder.finish(None)
}

/// The fields up to and with the count of topics.
fn put_top(fields: &mut BytesMut, version: i16, code: i16, topics: usize) {
    fields.put_i32(0);
    if version >= 7 {
        fields.put_i16(code);
        fields.put_i32(0);
    }
    put_count(fields, version, topics);
}

fn encode(id: RequestId, request: &FetchRequest, round: Round) -> Response {
    let version = id.api_version;
    let flexible = version >= FLEXIBLE_FROM;
    let mut builder = ResponseBuilder::new(id, flexible);
    put_top(&mut builder.fields, version, errors::NONE, round.topics.len());
    for (topic, partitions) in request.topics.iter().zip(round.topics) {
        let name = topic.topic.as_bytes();
        if flexible {
            put_varint(&mut builder.fields, name.len() as u32 + 1);
        } else {
            builder.fields.put_i16(name.len() as i16);
        }
        builder.fields.put_slice(name);
        put_count(&mut builder.fields, version, partitions.len());
        for partition in partitions {
            put_partition(&mut builder, version, partition);
        }
        if flexible {
            builder.fields.put_u8(0);
        }
    }
    if flexible {
        builder.fields.put_u8(0);
    }
    builder.finish(round.memory)
}

fn put_partition(builder: &mut ResponseBuilder, version: i16, fetched: Fetched) {
    let fields = &mut builder.fields;
    fields.put_i32(fetched.index);
    fields.put_i16(fetched.code);
    fields.put_i64(fetched.high_watermark);
    fields.put_i64(fetched.last_stable_offset);
    if version >= 5 {
        fields.put_i64(fetched.log_start_offset);
    }
    put_aborted(fields, version, fetched.aborted.as_deref());
    if version >= 11 {
        // No preferred read replica.
        fields.put_i32(-1);
    }
    let length = fetched.records.len();
    if version >= FLEXIBLE_FROM {
        put_varint(fields, length as u32 + 1);
    } else {
        fields.put_i32(length as i32);
    }
    builder.splice(fetched.records);
    if version >= FLEXIBLE_FROM {
        builder.fields.put_u8(0);
    }
}

fn put_aborted(fields: &mut BytesMut, version: i16, aborted: Option<&[AbortedTransaction]>) {
    let flexible = version >= FLEXIBLE_FROM;
    let Some(aborted) = aborted else {
        return if flexible { fields.put_u8(0) } else { fields.put_i32(-1) };
    };
    put_count(fields, version, aborted.len());
    for transaction in aborted {
        fields.put_i64(transaction.producer_id);
        fields.put_i64(transaction.first_offset);
        if flexible {
            fields.put_u8(0);
        }
    }
}

fn put_count(fields: &mut BytesMut, version: i16, count: usize) {
    if version >= FLEXIBLE_FROM {
        put_varint(fields, count as u32 + 1);
    } else {
        fields.put_i32(count as i32);
    }
}

fn put_varint(fields: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        fields.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    fields.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use kafka_protocol::{
        messages::{
            FetchResponse, ResponseHeader, TopicName, fetch_request::FetchTopic,
            fetch_response::AbortedTransaction as Aborted,
        },
        protocol::{Decodable, HeaderVersion, StrBytes},
    };

    use super::*;

    #[test]
    fn every_version_carries_the_stable_offset_and_what_was_aborted() {
        let aborted = [(7, 3), (8, 4)].map(|(producer_id, first_offset)| AbortedTransaction {
            producer_id,
            first_offset,
            last_offset: 9,
            last_stable_offset: 10,
        });
        for version in 4..=12 {
            let fetched = |aborted: Option<&[AbortedTransaction]>| Fetched {
                index: 1,
                code: errors::NONE,
                high_watermark: 30,
                last_stable_offset: 20,
                log_start_offset: 10,
                aborted: aborted.map(<[_]>::to_vec),
                records: Bytes::from_static(b"records"),
            };
            let partitions = vec![fetched(None), fetched(Some(&[])), fetched(Some(&aborted))];
            let topics = vec![partitions];
            let round = Round { topics, bytes: 21, ..Round::empty() };
            let topic = FetchTopic::default().with_topic(TopicName(StrBytes::from_static_str("t")));
            let request = FetchRequest::default().with_topics(vec![topic]);
            let id = RequestId { api_version: version, correlation_id: 5 };
            let mut frame = encode(id, &request, round);
            let mut frame = frame.copy_to_bytes(frame.remaining());
            assert_eq!(frame.get_u32() as usize, frame.len());
            ResponseHeader::decode(&mut frame, FetchResponse::header_version(version)).unwrap();
            let response = FetchResponse::decode(&mut frame, version).unwrap();
            assert!(frame.is_empty(), "version {version}");
            let partitions = &response.responses[0].partitions;
            let expected = |(producer_id, first_offset): (i64, i64)| {
                Aborted::default()
                    .with_producer_id(producer_id.into())
                    .with_first_offset(first_offset)
            };
            assert_eq!(partitions[0].aborted_transactions, None, "read_uncommitted: null");
            assert_eq!(partitions[1].aborted_transactions, Some(vec![]));
            let both = vec![expected((7, 3)), expected((8, 4))];
            assert_eq!(partitions[2].aborted_transactions, Some(both), "version {version}");
            for partition in partitions {
                assert_eq!(partition.high_watermark, 30);
                assert_eq!(partition.last_stable_offset, 20);
                assert_eq!(partition.records.as_deref(), Some(&b"records"[..]));
            }
        }
    }
}
