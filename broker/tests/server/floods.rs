//! What many bad clients do at once, and the good one beside them: each attack
//! is refused or bounded, and the good client's records all come through.
//!
//! Times are not judged here; `examples/flood` measures them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest, SaslHandshakeRequest};
use tokio::{
    io::AsyncWriteExt,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    certificates::{Authority, client_config, connect},
    support::{
        Client, PATIENCE, TestBroker, batch, batches, encode, fetch_request, produce_request,
    },
};

const TOPIC_REFUSED: i16 = 29;
const AUTHENTICATION_FAILED: i16 = 58;

/// Rounds of the good client that each attack lasts for at least.
const ROUNDS: u64 = 40;

/// A client that behaves: it produces a record and fetches it, again and again.
struct Good {
    rounds: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Good {
    async fn start(mut client: Client) -> Self {
        client.create_topic("good", 1).await;
        let (rounds, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (Arc::clone(&rounds), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let offset = counted.load(Ordering::Relaxed).cast_signed();
                let produced = client.produce("good", 0, -1, batch(&["good"])).await;
                assert_eq!((produced.error_code, produced.base_offset), (0, offset));
                assert_eq!(batches(&client.fetch("good", 0, offset).await).len(), 1);
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { rounds, stop, task }
    }

    /// Lets it do some rounds more.
    async fn goes_on(&self) {
        let goal = self.rounds.load(Ordering::Relaxed) + ROUNDS;
        let reached = async {
            while self.rounds.load(Ordering::Relaxed) < goal {
                assert!(!self.task.is_finished(), "the good client failed");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the good client is served beside the attack");
    }

    async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// Runs attackers, each again and again, while the good client goes on.
async fn beside<F: Future<Output = ()> + Send + 'static>(
    good: Good,
    attackers: usize,
    attack: impl Fn() -> F + Send + Sync + 'static,
) {
    let attack = Arc::new(attack);
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..attackers {
        let (attack, stop, done) = (Arc::clone(&attack), Arc::clone(&stop), Arc::clone(&done));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                attack().await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    good.goes_on().await;
    let all_attacked = async {
        while done.load(Ordering::Relaxed) < 2 * attackers as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, all_attacked).await.expect("each attack meets an end");
    good.goes_on().await;
    stop.store(true, Ordering::Relaxed);
    while let Some(attacker) = tasks.join_next().await {
        attacker.unwrap();
    }
    good.finish().await;
}

const SASL: &[(&str, &str)] = &[
    ("listeners", "SASL_PLAINTEXT://127.0.0.1:0"),
    ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256"),
    (
        "listener.name.sasl_plaintext.plain.sasl.jaas.config",
        "PlainLoginModule required user_root=\"r\" user_alice=\"a\";",
    ),
    (
        "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config",
        "ScramLoginModule required user_carol=\"c\";",
    ),
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("super.users", "User:root"),
];

async fn log_in(address: SocketAddr, user: &str) -> Client {
    let mut client = Client::connect(address).await;
    assert_eq!(client.plain(user, &user[..1]).await.error_code, 0);
    client
}

#[tokio::test]
async fn wrong_passwords_are_refused_one_by_one() {
    let broker = TestBroker::start(SASL).await;
    let address = broker.broker.local_addr();
    let good = Good::start(log_in(address, "root").await).await;
    beside(good, 8, move || async move {
        let mut client = Client::connect(address).await;
        assert_eq!(client.plain("root", "guess").await.error_code, AUTHENTICATION_FAILED);
        assert!(client.is_closed().await);
        let mut client = Client::connect(address).await;
        let code = client.scram("SCRAM-SHA-256", "carol", "guess").await;
        assert_eq!(code, AUTHENTICATION_FAILED);
        assert!(client.is_closed().await);
    })
    .await;
}

#[tokio::test]
async fn forbidden_topics_are_refused_by_name_and_not_made() {
    let broker = TestBroker::start(SASL).await;
    let address = broker.broker.local_addr();
    let mut root = log_in(address, "root").await;
    root.create_topic("secret", 1).await;
    let good = Good::start(log_in(address, "root").await).await;
    beside(good, 4, move || async move {
        let mut client = log_in(address, "alice").await;
        for topic in ["secret", "not-there"] {
            for _ in 0..10 {
                let refused = client.produce(topic, 0, 1, batch(&["x"])).await;
                assert_eq!(refused.error_code, TOPIC_REFUSED, "{topic}");
                let refused = client.fetch(topic, 0, 0).await;
                let code = refused.responses[0].partitions[0].error_code;
                assert_eq!(code, TOPIC_REFUSED, "{topic}");
            }
        }
    })
    .await;
    let all = root.call(9, &MetadataRequest::default().with_topics(None)).await;
    let mut names: Vec<_> = all.topics.iter().map(|topic| topic.name.as_ref().unwrap()).collect();
    names.sort();
    assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["good", "secret"]);
}

/// A broker with a TLS listener before a plain one.
async fn encrypted(authority: &Authority, more: &[(&str, &str)]) -> TestBroker {
    let directory = tempfile::tempdir().unwrap();
    let (keystore, truststore) =
        (directory.path().join("broker.pem"), directory.path().join("trusted.pem"));
    authority.server().write(&keystore);
    std::fs::write(&truststore, &authority.pem).unwrap();
    let mut properties = vec![
        ("listeners", "SSL://127.0.0.1:0,PLAINTEXT://127.0.0.1:0"),
        ("ssl.keystore.location", keystore.to_str().unwrap()),
        ("ssl.truststore.location", truststore.to_str().unwrap()),
    ];
    properties.extend_from_slice(more);
    TestBroker::start(&properties).await
}

#[tokio::test]
async fn expired_wrong_and_missing_certificates_are_refused() {
    let authority = Authority::new("authority");
    let broker = encrypted(&authority, &[("ssl.client.auth", "required")]).await;
    let [address, plain] = broker.broker.local_addrs() else { panic!("two listeners") };
    let good = Good::start(Client::connect(*plain).await).await;
    let bad = [
        client_config(&authority, Some(&authority.expired_client("alice"))),
        client_config(&authority, Some(&Authority::new("stranger").client("alice"))),
        client_config(&authority, None),
    ];
    let (address, bad) = (*address, Arc::new(bad));
    beside(good, 4, move || {
        let bad = Arc::clone(&bad);
        async move {
            for config in bad.iter() {
                // With TLS 1.3 a refused certificate shows at the first read.
                let Ok(stream) = connect(address, config.clone()).await else { continue };
                let mut client = Client::over(stream);
                let frame = encode(0, 1, &ApiVersionsRequest::default());
                let _ = client.stream.write_all(&frame).await;
                assert!(client.receive_frame().await.is_none());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn plaintext_on_a_tls_port_and_tls_on_a_plain_one_are_hung_up_on() {
    let authority = Authority::new("authority");
    let broker = encrypted(&authority, &[]).await;
    let [tls, plain] = broker.broker.local_addrs() else { panic!("two listeners") };
    let (tls, plain) = (*tls, *plain);
    let good = Good::start(Client::connect(plain).await).await;
    let config = client_config(&authority, None);
    beside(good, 8, move || {
        let config = config.clone();
        async move {
            let mut client = Client::connect(tls).await;
            client.send(0, &ApiVersionsRequest::default()).await;
            assert!(client.is_closed().await);
            assert!(connect(plain, config).await.is_err());
        }
    })
    .await;
}

/// Sends a byte at a time until it is hung up on.
async fn drip(mut client: Client, bytes: &[u8], then: u8) {
    let _ = client.stream.write_all(bytes).await;
    let dripping = async {
        while client.stream.write_all(&[then]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(2 * PATIENCE, dripping).await.expect("a byte at a time is not enough");
}

#[tokio::test]
async fn clients_that_drip_are_cut_off_wherever_they_do() {
    // So that a frame, a handshake and a login have five seconds.
    let broker = {
        let mut properties = SASL.to_vec();
        properties[0].1 = "SASL_PLAINTEXT://127.0.0.1:0,PLAINTEXT://127.0.0.1:0";
        properties.push(("connections.max.idle.ms", "5000"));
        TestBroker::start(&properties).await
    };
    let authority = Authority::new("authority");
    let secure = encrypted(&authority, &[("connections.max.idle.ms", "5000")]).await;
    let [sasl, plain] = broker.broker.local_addrs() else { panic!("two listeners") };
    let good = Good::start(log_in(*sasl, "root").await).await;
    let mut produce = encode(9, 1, &produce_request("good", 0, 1, batch(&["x"]))).to_vec();
    // A body of a megabyte of which a few bytes are there.
    produce[..4].copy_from_slice(&(1_u32 << 20).to_be_bytes());
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];
    let mut login = encode(0, 1, &SaslHandshakeRequest::default()).to_vec();
    login.truncate(10);
    let mut dripping = JoinSet::new();
    for _ in 0..20 {
        let handshake = Client::connect(secure.broker.local_addr()).await;
        dripping.spawn(async move { drip(handshake, &hello, 3).await });
        let (client, begun) = (Client::connect(*sasl).await, login.clone());
        dripping.spawn(async move { drip(client, &begun, 0).await });
        let client = Client::connect(*plain).await;
        dripping.spawn(async move { drip(client, &[0, 0, 1], 0).await });
        let (client, begun) = (Client::connect(*plain).await, produce.clone());
        dripping.spawn(async move { drip(client, &begun, 0).await });
    }
    good.goes_on().await;
    while let Some(cut_off) = dripping.join_next().await {
        cut_off.unwrap();
        assert!(!good.task.is_finished(), "the good client failed");
    }
    good.goes_on().await;
    good.finish().await;
}

#[tokio::test]
async fn idle_connections_cost_the_others_nothing() {
    let broker = TestBroker::start(&[("max.connections", "1000")]).await;
    let good = Good::start(broker.client().await).await;
    let mut idle = Vec::new();
    for _ in 0..900 {
        idle.push(broker.client().await);
    }
    good.goes_on().await;
    // All are held: those that say something are answered.
    for client in idle.iter_mut().step_by(100) {
        assert_eq!(client.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
    }
    good.goes_on().await;
    good.finish().await;
}

#[tokio::test]
async fn a_flood_of_large_requests_holds_the_memory_it_may_and_no_more() {
    const ALL: u64 = 16 << 20;
    let all = ALL.to_string();
    let broker = TestBroker::start(&[("queued.max.request.bytes", &all)]).await;
    let mut admin = broker.client().await;
    admin.create_topic_with("large", 1, &[("max.message.bytes", "8000000")]).await;
    let address = broker.broker.local_addr();
    let good = Good::start(broker.client().await).await;
    let rounds = Arc::clone(&good.rounds);
    // Together ten times what may be held; some stop in the middle.
    let mut flood = JoinSet::new();
    for size in [900_000, 5_000_000].repeat(16) {
        flood.spawn(async move {
            let large = batch(&[&"x".repeat(size)]);
            let frame = encode(9, 1, &produce_request("large", 0, 1, large));
            let mut stalled = Client::connect(address).await;
            let _ = stalled.stream.write_all(&frame[..10_000]).await;
            let mut client = Client::connect(address).await;
            client.stream.write_all(&frame).await.unwrap();
            assert!(client.receive_frame().await.is_some(), "each has its turn");
            stalled
        });
    }
    let mut most = 0;
    let mut stalled = Vec::new();
    let before = rounds.load(Ordering::Relaxed);
    let watched = async {
        while let Some(done) = tokio::select! {
            done = flood.join_next() => done.map(Some),
            () = tokio::time::sleep(Duration::from_millis(1)) => Some(None),
        } {
            stalled.extend(done.map(Result::unwrap));
            let text = broker.broker.metrics();
            let used = text.lines().find_map(|line| {
                line.strip_prefix("kafka_network_socketserver_memorypoolused ")?.parse::<f64>().ok()
            });
            most = most.max(used.expect("the memory in use is told") as u64);
        }
    };
    timeout(4 * PATIENCE, watched).await.expect("large requests do not wait for each other");
    assert!(rounds.load(Ordering::Relaxed) > before, "the good client went on meanwhile");
    assert!((1 << 20..=ALL).contains(&most), "{most} bytes were held at once");
    good.goes_on().await;
    good.finish().await;
}

#[tokio::test]
async fn readers_that_take_nothing_are_hung_up_on_when_others_want_the_memory() {
    let broker = TestBroker::start(&[("fetch.memory.bytes", "4000000")]).await;
    let good = Good::start(broker.client().await).await;
    let mut writer = broker.client().await;
    writer.create_topic("large", 1).await;
    let large = batch(&[&"x".repeat(900_000)]);
    assert_eq!(writer.produce("large", 0, 1, large).await.error_code, 0);
    let mut deaf = Vec::new();
    for _ in 0..8 {
        let mut client = broker.client().await;
        let mut frames = BytesMut::new();
        for id in 0..30 {
            frames.put_slice(&encode(12, id, &fetch_request("large", 0, 0)));
        }
        client.stream.write_all(&frames).await.unwrap();
        deaf.push(client);
    }
    good.goes_on().await;
    good.finish().await;
}
