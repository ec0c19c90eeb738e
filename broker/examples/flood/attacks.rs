//! The attacks: each goes on until it is stopped and tells what it met.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use crate::{
    certificates::{Authority, client_config, connect},
    support::{Client, batch, encode, fetch_request, produce_request},
};

/// Where the node listens.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) plain: SocketAddr,
    pub(crate) sasl: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) authority: Arc<Authority>,
}

type Running = Pin<Box<dyn Future<Output = String> + Send>>;

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(Target, Arc<AtomicBool>) -> Running,
}

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "passwords",
        what: "64 clients with wrong passwords, PLAIN and SCRAM",
        run: |target, stop| Box::pin(each(64, stop, move |met| passwords(target.clone(), met))),
    },
    Attack {
        name: "certificates",
        what: "8 clients with expired and unknown certificates",
        run: |target, stop| Box::pin(each(8, stop, move |met| certificates(target.clone(), met))),
    },
    Attack {
        name: "forbidden",
        what: "16 clients that produce to and fetch from forbidden topics",
        run: |target, stop| Box::pin(each(16, stop, move |met| forbidden(target.clone(), met))),
    },
    Attack {
        name: "plaintext",
        what: "32 clients that speak plaintext to a TLS port",
        run: |target, stop| Box::pin(each(32, stop, move |met| plaintext(target.clone(), met))),
    },
    Attack {
        name: "slow-loris",
        what: "1,000 clients that drip in a handshake, a login, a header, a body",
        run: |target, stop| Box::pin(slow_loris(target, stop)),
    },
    Attack {
        name: "idle",
        what: "10,000 connections that say nothing",
        run: |target, stop| Box::pin(idle(target, stop)),
    },
    Attack {
        name: "large-requests",
        what: "64 clients that send 8 MiB requests, every other one only by half",
        run: |target, stop| {
            // Made once: what it costs the attackers is no measure of the node.
            let body = batch(&[&"x".repeat(8 << 20)]);
            let frame = encode(9, 1, &produce_request("good", 0, 1, body));
            Box::pin(each(64, stop, move |met| large(target.clone(), frame.clone(), met)))
        },
    },
    Attack {
        name: "deaf-readers",
        what: "64 clients that fetch and read no answer",
        run: |target, stop| Box::pin(deaf(target, stop)),
    },
];

/// What attackers met, and how often.
#[derive(Clone, Default)]
struct Met(Arc<Mutex<BTreeMap<String, u64>>>);

impl Met {
    fn note(&self, what: impl Into<String>) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    /// An answer with this error, or an end without any.
    fn note_code(&self, code: i16) {
        let error = kafka_protocol::ResponseError::try_from_code(code);
        self.note(error.map_or("no error".to_owned(), |error| format!("{error:?}")));
    }

    fn told(&self) -> String {
        let met = self.0.lock().unwrap();
        met.iter().map(|(what, times)| format!("{times} x {what}")).collect::<Vec<_>>().join(", ")
    }
}

/// Runs an attack by so many clients, each again and again.
async fn each<F: Future<Output = ()> + Send + 'static>(
    clients: usize,
    stop: Arc<AtomicBool>,
    attack: impl Fn(Met) -> F + Send + Sync + 'static,
) -> String {
    let (met, attack) = (Met::default(), Arc::new(attack));
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (met, stop, attack) = (met.clone(), Arc::clone(&stop), Arc::clone(&attack));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                attack(met.clone()).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    met.told()
}

async fn until(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn passwords(target: Target, met: Met) {
    let mut client = Client::connect(target.sasl).await;
    met.note_code(client.plain("alice", "guess").await.error_code);
    assert!(client.is_closed().await);
    let mut client = Client::connect(target.sasl).await;
    met.note_code(client.scram("SCRAM-SHA-512", "carol", "guess").await);
    assert!(client.is_closed().await);
}

async fn certificates(target: Target, met: Met) {
    let expired = target.authority.expired_client("alice");
    let stranger = Authority::new("stranger").client("alice");
    for identity in [expired, stranger] {
        let config = client_config(&target.authority, Some(&identity));
        let Ok(stream) = connect(target.tls, config).await else {
            met.note("an alert in the handshake");
            continue;
        };
        // With TLS 1.3 a refused certificate shows at the first read.
        let mut client = Client::over(stream);
        let _ = client.stream.write_all(&encode(0, 1, &ApiVersionsRequest::default())).await;
        assert!(client.receive_frame().await.is_none());
        met.note("an alert at the first read");
    }
}

async fn forbidden(target: Target, met: Met) {
    let mut client = Client::connect(target.sasl).await;
    assert_eq!(client.plain("alice", "a").await.error_code, 0);
    for _ in 0..100 {
        met.note_code(client.produce("good", 0, 1, batch(&["x"])).await.error_code);
        let fetched = client.fetch("good", 0, 0).await;
        met.note_code(fetched.responses[0].partitions[0].error_code);
    }
}

async fn plaintext(target: Target, met: Met) {
    let mut client = Client::connect(target.tls).await;
    client.send(9, &MetadataRequest::default().with_topics(None)).await;
    assert!(client.is_closed().await);
    met.note("the end of the connection");
}

async fn slow_loris(target: Target, stop: Arc<AtomicBool>) -> String {
    let met = Met::default();
    let mut produce = encode(9, 1, &produce_request("good", 0, 1, batch(&["x"]))).to_vec();
    produce[..4].copy_from_slice(&(1_u32 << 20).to_be_bytes());
    let places = [
        ("handshake", target.tls, vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]),
        ("login", target.sasl, vec![0, 0, 0, 40, 0, 17]),
        ("header", target.plain, vec![0, 0, 1]),
        ("body", target.plain, produce),
    ];
    let mut tasks = JoinSet::new();
    for number in 0..1000 {
        let (place, address, begun) = places[number % places.len()].clone();
        let (met, stop) = (met.clone(), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let mut sent = stream.write_all(&begun).await;
                while sent.is_ok() && !stop.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    sent = stream.write_all(&[0]).await;
                }
                let end = if sent.is_ok() { "still held at the end" } else { "cut off" };
                met.note(format!("{end} in the {place}"));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    met.told()
}

async fn idle(target: Target, stop: Arc<AtomicBool>) -> String {
    let mut open = Vec::with_capacity(10_000);
    for _ in 0..10_000 {
        open.push(TcpStream::connect(target.plain).await.unwrap());
    }
    until(&stop).await;
    let mut byte = [0];
    let held = open.iter().filter(|stream| {
        stream
            .try_read(&mut byte)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    });
    let held = held.count();
    format!("{held} x held, {} x hung up on at once", open.len() - held)
}

async fn large(target: Target, frame: Bytes, met: Met) {
    let mut half = Client::connect(target.plain).await;
    let _ = half.stream.write_all(&frame[..frame.len() / 2]).await;
    let mut whole = Client::connect(target.plain).await;
    let _ = whole.stream.write_all(&frame).await;
    match whole.receive_frame().await {
        // The batch is above max.message.bytes.
        Some(_) => met.note("an answer"),
        None => met.note("the end of the connection"),
    }
}

async fn deaf(target: Target, stop: Arc<AtomicBool>) -> String {
    let mut writer = Client::connect(target.plain).await;
    writer.create_topic("large", 1).await;
    for _ in 0..50 {
        let sent = batch(&[&"x".repeat(1_000_000)]);
        assert_eq!(writer.produce("large", 0, 1, sent).await.error_code, 0);
    }
    let mut open = Vec::new();
    for _ in 0..64 {
        let mut client = Client::connect(target.plain).await;
        for id in 0..30 {
            let mut request = fetch_request("large", 0, 0).with_max_bytes(50 << 20);
            request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
            let _ = client.stream.write_all(&encode(12, id, &request)).await;
        }
        open.push(client);
    }
    until(&stop).await;
    for client in &mut open {
        // What is closed answers this with a reset, which the next write tells.
        let _ = client.stream.write_all(&[0]).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut ended = 0;
    for client in &mut open {
        ended += usize::from(client.stream.write_all(&[0]).await.is_err());
    }
    format!("{ended} of {} hung up on", open.len())
}
