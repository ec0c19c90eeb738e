//! How transactions fail where the included broker lets none fail: against
//! librdkafka's own stand-in for a cluster.

use std::sync::mpsc;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Code};

use super::transactions::{KafkaTransactions, STEPS_MAX};
use crate::batch::Batch;
use crate::kafka::{
    Admin, AdminClient, ClusterConfig, ErrorClass, OffsetCommit, ProduceError, ProducerConfig,
    TopicPartition, Transactional, TransactionalProducer,
};

const ID: &str = "fleet-count-0";
const WITHIN: Duration = Duration::from_secs(30);

type Mock = MockCluster<'static, DefaultProducerContext>;

fn transactions(bootstrap: &str) -> KafkaTransactions {
    let config = ProducerConfig {
        transactional: Some(Transactional { id: ID.into(), timeout: 2 * WITHIN }),
        delivery_timeout: WITHIN,
        ..ProducerConfig::new(ClusterConfig::new(bootstrap, "test"))
    };
    KafkaTransactions::new(&config).unwrap()
}

/// A cluster that answers the first requests of a kind with an error, and a
/// producer that has the id.
async fn begun(api: Api, error: Code) -> (Mock, KafkaTransactions) {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("out", 1, 1).unwrap();
    let producer = transactions(&mock.bootstrap_servers());
    producer.init().await.unwrap();
    mock.request_errors(api, &[error; 3]);
    producer.begin().await.unwrap();
    (mock, producer)
}

async fn send(producer: &KafkaTransactions) -> Result<(), ProduceError> {
    let mut batch = Batch::default();
    batch.push(None, Some(b"v"), -1);
    producer.records().send("out", Some(0), &batch).await?.wait().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_whose_id_is_forgotten_is_replaced_and_not_taken_for_fenced() {
    for code in [
        Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
        Code::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    ] {
        let (_mock, producer) = begun(Api::AddPartitionsToTxn, code).await;
        let error = producer.cause(send(&producer).await.unwrap_err());
        assert_eq!(error.class(), ErrorClass::Retriable, "{error}");
        assert!(error.to_string().contains("to transaction"), "{error}");

        let (_mock, producer) = begun(Api::EndTxn, code).await;
        send(&producer).await.unwrap();
        let error = producer.commit().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Retriable, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_was_fenced_is_told_so_at_every_step() {
    let fenced = Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    let at = |error: ProduceError| {
        assert_eq!(error.class(), ErrorClass::Fenced, "{error}");
        assert!(error.to_string().contains("txn describe fleet-count-0"), "{error}");
    };
    let (_mock, producer) = begun(Api::AddPartitionsToTxn, fenced).await;
    at(producer.cause(send(&producer).await.unwrap_err()));

    let (_mock, producer) = begun(Api::AddOffsetsToTxn, fenced).await;
    let offset = OffsetCommit {
        partition: TopicPartition::new("in", 0),
        offset: 1,
        metadata: String::new(),
    };
    at(producer.send_offsets("group", &[offset]).await.unwrap_err());

    let (_mock, producer) = begun(Api::EndTxn, fenced).await;
    send(&producer).await.unwrap();
    at(producer.commit().await.unwrap_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_may_be_open_longer_than_the_broker_allows_says_what_to_set() {
    let mock = MockCluster::new(1).unwrap();
    let code = Code::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT;
    mock.request_errors(Api::InitProducerId, &[code; 3]);
    let error = transactions(&mock.bootstrap_servers()).init().await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("`transaction.max.timeout.ms`") && told.contains("60000 ms"), "{told}");
    assert!(told.contains("`session.timeout.ms`"), "{told}");
    assert_eq!(error.class(), ErrorClass::Fatal, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_may_still_change_are_not_taken_from_a_broker_that_cannot_keep_them_back() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("in", 1, 1).unwrap();
    mock.apiversion(Api::OffsetFetch, Some(0), Some(6)).unwrap();
    let admin = AdminClient::new(ClusterConfig::new(mock.bootstrap_servers(), "test")).unwrap();
    let partitions = [TopicPartition::new("in", 0)];
    assert!(admin.committed_offsets("group", Some(&partitions)).await.unwrap().is_empty());
    let told = admin.stable_offsets("group", &partitions).await.unwrap_err().to_string();
    assert!(told.contains("Kafka 2.5"), "{told}");
}

#[test]
fn steps_that_block_leave_threads_for_a_broker_in_the_same_process() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(STEPS_MAX + 1)
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.block_on(async {
        let producer = std::sync::Arc::new(transactions("127.0.0.1:1"));
        let (began, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let mut blocked = Vec::new();
        for _ in 0..STEPS_MAX + 20 {
            let (producer, began) = (producer.clone(), began.clone());
            let (end, ended) = mpsc::channel::<()>();
            blocked.push(end);
            tokio::spawn(async move {
                let wait = move |_: &_, _| {
                    let _ = began.send(());
                    let _ = ended.recv();
                    Ok(())
                };
                producer.step("waiting", wait).await
            });
        }
        for _ in 0..STEPS_MAX {
            begins.recv().await.unwrap();
        }
        let broker = tokio::task::spawn_blocking(|| ());
        tokio::time::timeout(WITHIN, broker).await.is_ok()
    });
    assert!(done, "steps of transactions took every thread");
}
