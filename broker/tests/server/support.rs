//! A broker on a free port and a temporary directory, and a client for it.

use std::{net::SocketAddr, path::Path, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, CreateTopicsRequest, FetchRequest, FetchResponse, ProduceRequest, RequestHeader,
        ResponseHeader, TopicName,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        fetch_request::{FetchPartition, FetchTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::PartitionProduceResponse,
    },
    protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes},
};
use longshore_broker::{
    Broker, BrokerConfig,
    log::{BatchBuilder, BatchHeader, Batches},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A broker and the directory that lives as long as it.
pub(crate) struct TestBroker {
    pub(crate) broker: Broker,
    pub(crate) directory: tempfile::TempDir,
}

pub(crate) fn config(directory: &Path, more: &[(&str, &str)]) -> BrokerConfig {
    let directory = directory.to_str().unwrap();
    let mut properties = vec![
        ("log.dirs", directory),
        ("listeners", "PLAINTEXT://127.0.0.1:0"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "100"),
        ("offsets.topic.num.partitions", "3"),
    ];
    properties.extend_from_slice(more);
    BrokerConfig::from_properties(properties).unwrap()
}

impl TestBroker {
    pub(crate) async fn start(more: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let broker = Broker::start(config(directory.path(), more)).await.unwrap();
        Self { broker, directory }
    }

    /// Ends it cleanly and starts another on the same directory.
    pub(crate) async fn restart(self, more: &[(&str, &str)]) -> Self {
        let Self { broker, directory } = self;
        broker.shutdown().await;
        let broker = Broker::start(config(directory.path(), more)).await.unwrap();
        Self { broker, directory }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.broker.local_addr()).await
    }
}

/// One connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    next_correlation_id: i32,
    client_id: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, next_correlation_id: 1, client_id: "test".to_owned() }
    }

    /// The same connection under another client id.
    pub(crate) fn named(mut self, client_id: &str) -> Self {
        client_id.clone_into(&mut self.client_id);
        self
    }

    /// Sends a request and awaits its answer.
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let correlation_id = self.send(version, request).await;
        self.receive::<R>(version, correlation_id).await
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        let frame = encode_as(&self.client_id, version, correlation_id, request);
        self.stream.write_all(&frame).await.unwrap();
        correlation_id
    }

    pub(crate) async fn receive<R: Request>(
        &mut self,
        version: i16,
        correlation_id: i32,
    ) -> R::Response {
        let mut frame = self.receive_frame().await.expect("the broker closed the connection");
        let header_version = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut frame, header_version).unwrap();
        assert_eq!(header.correlation_id, correlation_id, "answers come in order");
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes follow the response", frame.len());
        response
    }

    /// The next frame; `None` when the broker closed the connection.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; length as usize];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        timeout(PATIENCE, read).await.expect("an answer or an end within the deadline")
    }

    /// Whether the broker closes the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut sink = [0; 1024];
        loop {
            match timeout(PATIENCE, self.stream.read(&mut sink)).await {
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
    }

    pub(crate) async fn create_topic(&mut self, topic: &str, partitions: i32) {
        self.create_topic_with(topic, partitions, &[]).await;
    }

    pub(crate) async fn create_topic_with(
        &mut self,
        topic: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) {
        let configs = configs.iter().map(|(key, value)| {
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
        });
        let topic = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let response = self.call(7, &request).await;
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }

    /// Produces one batch and answers with what the broker says about it.
    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        acks: i16,
        batch: Vec<u8>,
    ) -> PartitionProduceResponse {
        let request = produce_request(topic, partition, acks, batch);
        let response = self.call(9, &request).await;
        response.responses[0].partition_responses[0].clone()
    }

    pub(crate) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> FetchResponse {
        self.call(12, &fetch_request(topic, partition, offset)).await
    }
}

/// A request as a frame.
pub(crate) fn encode<R: Request>(version: i16, correlation_id: i32, request: &R) -> Bytes {
    encode_as("test", version, correlation_id, request)
}

fn encode_as<R: Request>(client_id: &str, version: i16, correlation_id: i32, request: &R) -> Bytes {
    let key = ApiKey::try_from(R::KEY).unwrap();
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(text(client_id)));
    let mut body = BytesMut::new();
    header.encode(&mut body, key.request_header_version(version)).unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = BytesMut::with_capacity(4 + body.len());
    frame.put_u32(body.len() as u32);
    frame.put(body);
    frame.copy_to_bytes(frame.len())
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

/// An uncompressed batch of these values, at the time given.
pub(crate) fn batch_at(timestamp_ms: i64, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0);
    for value in values {
        builder.push(timestamp_ms, Some(b"key"), Some(value.as_bytes()), &[]);
    }
    builder.build().unwrap()
}

pub(crate) fn batch(values: &[&str]) -> Vec<u8> {
    batch_at(1_700_000_000_000, values)
}

pub(crate) fn produce_request(
    topic: &str,
    partition: i32,
    acks: i16,
    batch: Vec<u8>,
) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(Bytes::from(batch)));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

pub(crate) fn fetch_request(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(10 << 20)
        .with_topics(vec![topic])
}

/// The headers of the batches in one fetched partition.
pub(crate) fn batches(response: &FetchResponse) -> Vec<BatchHeader> {
    let records = response.responses[0].partitions[0].records.clone().unwrap_or_default();
    Batches::new(&records).map(|batch| batch.unwrap().0).collect()
}
