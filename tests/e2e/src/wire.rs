//! Kafka requests written to a socket by hand: for what no client would send,
//! and for tests that must know exactly what was sent and answered.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest, ProduceRequest,
    RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
};

use crate::limits;
use crate::wait::until;

/// The version of requests to produce.
pub const PRODUCE_VERSION: i16 = 9;
/// The timestamp that asks ListOffsets for the end of the log.
pub const LATEST: i64 = -1;
/// The timestamp that asks ListOffsets for the start of the log.
pub const EARLIEST: i64 = -2;

/// Coordinator load in progress, not available, not here: it has just started.
const COORDINATOR_NOT_READY: [i16; 3] = [14, 15, 16];

/// A fetch's isolation levels.
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// Bits of a batch's attributes.
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// Bytes of a batch's base offset and length, before what the length counts.
const BATCH_PREFIX_BYTES: usize = 12;

/// A key and a value, as a record has them.
pub type Pair = (Option<Bytes>, Option<Bytes>);

/// One connection, one request at a time.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    correlation_id: i32,
}

impl Connection {
    /// Connects; answers are awaited for [`limits::ANSWER`].
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, limits::ANSWER)?;
        socket.set_read_timeout(Some(limits::ANSWER))?;
        socket.set_write_timeout(Some(limits::ANSWER))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, correlation_id: 0 })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Panics
    /// When the answer cannot be decoded, or answers another request.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        self.correlation_id += 1;
        let frame = frame(self.correlation_id, version, request);
        self.socket.write_all(&frame)?;
        let mut answer = self.read_frame()?;
        let header_version = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut answer, header_version).expect("a whole header");
        assert_eq!(header.correlation_id, self.correlation_id, "correlation id of the answer");
        let response = R::Response::decode(&mut answer, version).expect("a whole answer");
        assert_eq!(answer.remaining(), 0, "bytes after the answer to API {}", R::KEY);
        Ok(response)
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) -> io::Result<()> {
        self.socket.shutdown(std::net::Shutdown::Write)
    }

    /// Reads until the broker closes the connection, and gives what it sent.
    /// A reset counts as closing.
    pub fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        match self.socket.read_to_end(&mut answer) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(answer),
        }
    }

    /// Reads one length-prefixed answer.
    pub fn read_frame(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut body)?;
        Ok(Bytes::from(body))
    }
}

/// A request as it is on the wire, its length first.
pub fn frame<R: Request>(correlation_id: i32, version: i16, request: &R) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("longshore-e2e")));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version)).expect("a header can be encoded");
    request.encode(&mut body, version).expect("the request fits its version");
    let mut frame = BytesMut::with_capacity(4 + body.len());
    frame.put_u32(body.len() as u32);
    frame.put(body);
    frame.freeze()
}

/// Creates a topic with settings of its own.
///
/// # Panics
/// When the broker refuses.
pub fn create_topic(address: SocketAddr, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string((*name).to_owned()))
            .with_value(Some(StrBytes::from_string((*value).to_owned())))
    });
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    let mut connection = Connection::connect(address).expect("the broker accepts connections");
    let response = connection.call(5, &request).expect("an answer to CreateTopics");
    let topic = &response.topics[0];
    assert_eq!(topic.error_code, 0, "creating {name}: {:?}", topic.error_message);
    // A cluster may answer before each partition has its leader.
    for partition in 0..partitions {
        until("leader", limits::ANSWER, || {
            let answer =
                try_list_offset(&mut connection, name, partition, LATEST, READ_UNCOMMITTED);
            (answer.error_code == 0).then_some(())
        });
    }
}

/// A new producer id and its epoch.
pub fn init_producer_id(connection: &mut Connection) -> io::Result<(i64, i16)> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(i32::MAX)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let answer = until("producer id", limits::ANSWER, || match connection.call(3, &request) {
        Ok(response) if COORDINATOR_NOT_READY.contains(&response.error_code) => None,
        answer => Some(answer),
    })?;
    assert_eq!(answer.error_code, 0, "InitProducerId");
    Ok((answer.producer_id.0, answer.producer_epoch))
}

/// A batch of an idempotent producer, its base offset 0, its records of now.
pub fn batch(producer: (i64, i16), base_sequence: i32, records: &[Pair]) -> Bytes {
    batch_at(now_ms(), producer, base_sequence, records)
}

/// A batch whose records all have one timestamp, in milliseconds since 1970.
pub fn batch_at(
    timestamp: i64,
    (producer_id, producer_epoch): (i64, i16),
    base_sequence: i32,
    records: &[Pair],
) -> Bytes {
    let records: Vec<_> = (0..)
        .zip(records)
        .map(|(at, (key, value))| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id,
            producer_epoch,
            timestamp_type: kafka_protocol::records::TimestampType::Creation,
            offset: i64::from(at),
            sequence: base_sequence + at,
            timestamp,
            key: key.clone(),
            value: value.clone(),
            headers: Default::default(),
        })
        .collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).expect("records can be encoded");
    bytes.freeze()
}

/// A request to produce one batch with acks=all, as [`PRODUCE_VERSION`] has it.
pub fn produce_request(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    let topic =
        TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic])
}

/// Produces one batch with acks=all; the error code and the base offset.
pub fn produce(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    batch: Bytes,
) -> io::Result<(i16, i64)> {
    let response = connection.call(PRODUCE_VERSION, &produce_request(topic, partition, batch))?;
    let answer = &response.responses[0].partition_responses[0];
    Ok((answer.error_code, answer.base_offset))
}

/// The offset that ListOffsets has for a timestamp, [`LATEST`] or [`EARLIEST`].
pub fn list_offset(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    timestamp: i64,
) -> i64 {
    let answer = try_list_offset(connection, topic, partition, timestamp, READ_UNCOMMITTED);
    assert_eq!(answer.error_code, 0, "ListOffsets of {topic}-{partition} at {timestamp}");
    answer.offset
}

/// Where `read_committed` ends now: the first offset of an open transaction, else the end.
pub fn last_stable_offset(connection: &mut Connection, topic: &str, partition: i32) -> i64 {
    let answer = try_list_offset(connection, topic, partition, LATEST, READ_COMMITTED);
    assert_eq!(answer.error_code, 0, "ListOffsets of {topic}-{partition}");
    answer.offset
}

fn try_list_offset(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    timestamp: i64,
    isolation: i8,
) -> ListOffsetsPartitionResponse {
    let asked =
        ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(timestamp);
    let topic =
        ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let mut response = connection.call(5, &request).expect("an answer to ListOffsets");
    response.topics.remove(0).partitions.remove(0)
}

/// All records of a partition from its start to its present end, as
/// `read_committed` shows them: those of aborted transactions and control records
/// left out.
pub fn read_partition(address: SocketAddr, topic: &str, partition: i32) -> Vec<Record> {
    let mut connection = Connection::connect(address).expect("the broker accepts connections");
    let end = last_stable_offset(&mut connection, topic, partition);
    let mut next = list_offset(&mut connection, topic, partition, EARLIEST);
    let mut records = Vec::new();
    let mut aborting: BTreeSet<i64> = BTreeSet::new();
    while next < end {
        let (bytes, mut aborted) = fetch_committed(&mut connection, topic, partition, next);
        let batches = whole_batches(&bytes);
        assert!(!batches.is_empty(), "no batch at offset {next} of {topic}-{partition}, end {end}");
        for batch in batches {
            let last_delta = (&batch[23..27]).get_i32();
            let base = (&batch[0..8]).get_i64();
            let from = next;
            let set = RecordBatchDecoder::decode(&mut batch.clone()).expect("a valid batch");
            let producer = (&batch[43..51]).get_i64();
            aborting
                .extend(aborted.extract_if(.., |it| it.1 <= base).map(|(producer, _)| producer));
            next = base + i64::from(last_delta) + 1;
            let attributes = (&batch[21..23]).get_i16();
            if attributes & CONTROL != 0 {
                // Commit or abort: what follows is another transaction.
                aborting.remove(&producer);
                continue;
            }
            if attributes & TRANSACTIONAL != 0 && aborting.contains(&producer) {
                continue;
            }
            // A fetch from inside a batch gives the whole batch.
            let wanted = set.records.into_iter().filter(|record| record.offset >= from);
            records.extend(wanted);
        }
    }
    records
}

/// The bytes that a Fetch from `offset` gives; a batch may be cut at their end.
pub fn fetch(connection: &mut Connection, topic: &str, partition: i32, offset: i64) -> Bytes {
    fetch_at(connection, topic, partition, offset, READ_UNCOMMITTED).0
}

/// The same up to the first open transaction, with the producers and first
/// offsets of the aborted ones.
fn fetch_committed(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    offset: i64,
) -> (Bytes, Vec<(i64, i64)>) {
    fetch_at(connection, topic, partition, offset, READ_COMMITTED)
}

fn fetch_at(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    offset: i64,
    isolation: i8,
) -> (Bytes, Vec<(i64, i64)>) {
    let asked = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![asked]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(1 << 22)
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let response = connection.call(11, &request).expect("an answer to Fetch");
    let answer = &response.responses[0].partitions[0];
    assert_eq!(answer.error_code, 0, "Fetch at {offset}");
    let aborted = answer.aborted_transactions.iter().flatten();
    let aborted = aborted.map(|it| (it.producer_id.0, it.first_offset)).collect();
    (answer.records.clone().unwrap_or_default(), aborted)
}

/// The batches in the answer to a Fetch, without a cut one at its end.
pub fn whole_batches(bytes: &Bytes) -> Vec<Bytes> {
    let mut batches = Vec::new();
    let mut at = 0;
    while at + BATCH_PREFIX_BYTES <= bytes.len() {
        let length = (&bytes[at + 8..at + BATCH_PREFIX_BYTES]).get_u32() as usize;
        let end = at + BATCH_PREFIX_BYTES + length;
        if end > bytes.len() {
            break;
        }
        batches.push(bytes.slice(at..end));
        at = end;
    }
    batches
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("the clock is past 1970").as_millis() as i64
}
