//! Many brokers: their addresses, who is in charge, trying again.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, MetadataRequest, MetadataResponse,
};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connection::Connection;
use super::limits;
use super::secure::Secured;
use crate::kafka::config::ClusterConfig;
use crate::kafka::error::{ClientError, ErrorClass};

/// Connections to the brokers of one cluster. Clones share them.
#[derive(Clone)]
pub(in crate::kafka) struct Cluster(Arc<Inner>);

struct Inner {
    config: ClusterConfig,
    secured: Secured,
    bootstrap: Vec<String>,
    known: Mutex<Known>,
}

/// How long an opening is waited for by others than who began it: a broker that took a
/// connection and says nothing may answer another.
const OPENING_SHARED: Duration = Duration::from_secs(1);

/// Whoever needs the connection waits for the same one.
type Opening = Shared<BoxFuture<'static, Result<Arc<Connection>, ClientError>>>;

#[derive(Default)]
struct Known {
    /// Addresses by `node.id`.
    nodes: HashMap<i32, String>,
    controller: Option<i32>,
    /// `node.id`s of coordinators.
    coordinators: HashMap<Coordinated, i32>,
    connections: HashMap<(String, Lane), Arc<Connection>>,
    /// Those that are being opened, since when.
    openings: HashMap<(String, Lane), (Instant, Opening)>,
    /// When it was last tried in vain to connect to an address.
    failed: HashMap<String, Instant>,
}

impl Known {
    fn open(&self, key: &(String, Lane)) -> Option<Arc<Connection>> {
        self.connections.get(key).filter(|connection| connection.is_open()).cloned()
    }

    /// Where a broker may be found: those of the cluster, then the bootstrap servers, and
    /// last of all those that were tried in vain, or stopped answering.
    fn candidates(&self, bootstrap: &[String], lane: Lane) -> Vec<String> {
        let mut all: Vec<String> = self.nodes.values().chain(bootstrap).cloned().collect();
        let broke = |address: &String| {
            let connection = self.connections.get(&(address.clone(), lane));
            connection.is_some_and(|connection| connection.is_broken())
        };
        all.sort_by_cached_key(|address| (self.failed.get(address).copied(), broke(address)));
        let mut seen = HashSet::new();
        all.retain(|address| seen.insert(address.clone()));
        all
    }
}

/// Brokers answer the requests of one connection in turn, so those that may
/// take long have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::kafka) enum Lane {
    /// Everything that is answered at once.
    Common,
    /// Joins wait for other members.
    Join,
    /// Heartbeats must not wait behind anything.
    Heartbeat,
}

/// The broker that a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Target {
    /// Whichever answers.
    Any,
    /// The one that takes changes.
    Controller,
    /// A certain one.
    Node(i32),
    /// The coordinator of a group.
    Coordinator(String),
    /// The coordinator of a transactional id.
    TransactionCoordinator(String),
}

/// What has a coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Coordinated {
    Group(String),
    TransactionalId(String),
}

impl Coordinated {
    /// Kafka's number of the kind, and the key.
    fn key(&self) -> (i8, &str) {
        match self {
            Self::Group(id) => (0, id),
            Self::TransactionalId(id) => (1, id),
        }
    }
}

impl fmt::Display for Coordinated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(id) => write!(f, "group `{id}`"),
            Self::TransactionalId(id) => write!(f, "transactional id `{id}`"),
        }
    }
}

/// A broker's refusal, in its own words or in the code's usual ones.
pub(in crate::kafka) fn refused(
    what: impl Into<String>,
    code: ResponseError,
    message: Option<&StrBytes>,
) -> ClientError {
    ClientError::Refused {
        what: what.into(),
        code,
        message: message
            .filter(|message| !message.is_empty())
            .map_or_else(|| code.to_string(), |message| message.to_string()),
    }
}

impl Cluster {
    /// A cluster by its bootstrap servers; nothing is connected yet.
    pub(in crate::kafka) fn new(config: ClusterConfig) -> Result<Self, ClientError> {
        let bootstrap = addresses(&config.bootstrap_servers)?;
        let secured = Secured::new(&config.security)?;
        Ok(Self(Arc::new(Inner { config, secured, bootstrap, known: Mutex::default() })))
    }

    /// Asks `target` once. The time-out is for all of it: looking for the broker,
    /// connecting, and its answer.
    pub(in crate::kafka) async fn call<R: Request>(
        &self,
        target: &Target,
        lane: Lane,
        make: impl FnOnce(i16) -> R,
        timeout: Option<Duration>,
    ) -> Result<R::Response, ClientError> {
        let deadline = Instant::now() + timeout.unwrap_or(limits::REQUEST_TIMEOUT);
        let connection = self.connection(target, lane, deadline).await?;
        connection.call(make, answer_time(deadline)).await
    }

    /// Does `attempt` until it succeeds, fails for good, or the client's
    /// time-out is over, with growing pauses. After a failure it is looked up
    /// anew who is in charge.
    pub(in crate::kafka) async fn retry<T, F>(
        &self,
        attempt: impl FnMut() -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        self.retry_unless(None, attempt).await
    }

    /// The same, with one error that is an answer here though it may pass
    /// elsewhere.
    pub(in crate::kafka) async fn retry_unless<T, F>(
        &self,
        definite: Option<ResponseError>,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let deadline = Instant::now() + self.0.config.api_timeout;
        let mut pause = limits::BACKOFF_MIN;
        loop {
            let error = match tokio::time::timeout_at(deadline, attempt()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                Err(_) => ClientError::TimedOut {
                    what: "the cluster".into(),
                    after: self.0.config.api_timeout,
                },
            };
            // A broker that is not the controller (any more) says so with a
            // code that is no error of ours.
            let moved = error.code() == Some(ResponseError::NotController);
            let retriable = error.class() == ErrorClass::Retriable || moved;
            let is_answer = definite.is_some() && error.code() == definite;
            if !retriable || is_answer || Instant::now() >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, "trying again");
            self.forget_who_is_in_charge().await;
            tokio::time::sleep_until(deadline.min(Instant::now() + jitter(pause))).await;
            if Instant::now() >= deadline {
                return Err(error);
            }
            pause = (pause * 2).min(limits::BACKOFF_MAX);
        }
    }

    /// Forgets controller and coordinators: the next request looks them up.
    pub(in crate::kafka) async fn forget_who_is_in_charge(&self) {
        let mut known = self.0.known.lock().await;
        known.controller = None;
        known.coordinators.clear();
    }

    /// Asks for the brokers and for some topics (`None`: all), and remembers
    /// the brokers.
    pub(in crate::kafka) async fn metadata(
        &self,
        topics: Option<&[&str]>,
    ) -> Result<MetadataResponse, ClientError> {
        self.metadata_by(Instant::now() + limits::REQUEST_TIMEOUT, topics).await
    }

    async fn metadata_by(
        &self,
        deadline: Instant,
        topics: Option<&[&str]>,
    ) -> Result<MetadataResponse, ClientError> {
        let make = |version: i16| {
            let topics = topics.map(|names| {
                names
                    .iter()
                    .map(|name| {
                        kafka_protocol::messages::metadata_request::MetadataRequestTopic::default()
                            .with_name(Some(StrBytes::from_string((*name).into()).into()))
                    })
                    .collect()
            });
            MetadataRequest::default()
                .with_topics(topics)
                // Asking must not create; before version 4 brokers did not know.
                .with_allow_auto_topic_creation(version < 4)
        };
        let connection = self.any(Lane::Common, deadline).await?;
        let metadata = connection.call(make, answer_time(deadline)).await?;
        let mut known = self.0.known.lock().await;
        known.nodes = metadata
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, address(&broker.host, broker.port)))
            .collect();
        known.controller = (metadata.controller_id.0 >= 0).then_some(metadata.controller_id.0);
        Ok(metadata)
    }

    /// `node.id` of a group's coordinator.
    pub(in crate::kafka) async fn coordinator(&self, group_id: &str) -> Result<i32, ClientError> {
        let deadline = Instant::now() + limits::REQUEST_TIMEOUT;
        self.find_coordinator(Coordinated::Group(group_id.into()), deadline).await
    }

    /// `node.id` of a transactional id's coordinator.
    pub(in crate::kafka) async fn transaction_coordinator(
        &self,
        id: &str,
    ) -> Result<i32, ClientError> {
        let deadline = Instant::now() + limits::REQUEST_TIMEOUT;
        self.find_coordinator(Coordinated::TransactionalId(id.into()), deadline).await
    }

    async fn find_coordinator(
        &self,
        of: Coordinated,
        deadline: Instant,
    ) -> Result<i32, ClientError> {
        if let Some(node) = self.0.known.lock().await.coordinators.get(&of) {
            return Ok(*node);
        }
        let what = || format!("looking for the coordinator of {of}");
        let (kind, key) = of.key();
        let key = StrBytes::from_string(key.into());
        let connection = self.any(Lane::Common, deadline).await?;
        let found = connection
            .call(
                |version| {
                    let request = FindCoordinatorRequest::default().with_key_type(kind);
                    match version {
                        4.. => request.with_coordinator_keys(vec![key]),
                        _ => request.with_key(key),
                    }
                },
                answer_time(deadline),
            )
            .await?;
        let (code, message, node, host, port) = match found.coordinators.first() {
            Some(c) => (c.error_code, c.error_message.as_ref(), c.node_id, &c.host, c.port),
            None => {
                let message = found.error_message.as_ref();
                (found.error_code, message, found.node_id, &found.host, found.port)
            }
        };
        if let Some(code) = ResponseError::try_from_code(code) {
            return Err(refused(what(), code, message));
        }
        let mut known = self.0.known.lock().await;
        known.nodes.insert(node.0, address(host, port));
        known.coordinators.insert(of, node.0);
        Ok(node.0)
    }

    async fn connection(
        &self,
        target: &Target,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Arc<Connection>, ClientError> {
        let node = match target {
            Target::Any => return self.any(lane, deadline).await,
            Target::Node(node) => *node,
            Target::Controller => {
                let controller = self.0.known.lock().await.controller;
                match controller {
                    Some(controller) => controller,
                    None => match self.metadata_by(deadline, Some(&[])).await?.controller_id {
                        BrokerId(node) if node >= 0 => node,
                        _ => {
                            let code = ResponseError::BrokerNotAvailable;
                            return Err(refused("looking for the controller", code, None));
                        }
                    },
                }
            }
            Target::Coordinator(group) => {
                self.find_coordinator(Coordinated::Group(group.clone()), deadline).await?
            }
            Target::TransactionCoordinator(id) => {
                self.find_coordinator(Coordinated::TransactionalId(id.clone()), deadline).await?
            }
        };
        let address = self.0.known.lock().await.nodes.get(&node).cloned();
        let address = match address {
            Some(address) => address,
            None => {
                self.metadata_by(deadline, Some(&[])).await?;
                let known = self.0.known.lock().await;
                known.nodes.get(&node).cloned().ok_or_else(|| {
                    let code = ResponseError::BrokerNotAvailable;
                    refused(format!("looking for broker {node}"), code, None)
                })?
            }
        };
        self.open(&address, lane, deadline).await
    }

    /// A broker that answers: one connected already, one of the cluster, or
    /// a bootstrap server.
    async fn any(&self, lane: Lane, deadline: Instant) -> Result<Arc<Connection>, ClientError> {
        let mut tried = Vec::new();
        let mut last = String::from("there is none");
        let candidates = {
            let known = self.0.known.lock().await;
            let open = known.connections.iter().find(|((_, l), c)| *l == lane && c.is_open());
            if let Some((_, connection)) = open {
                return Ok(connection.clone());
            }
            known.candidates(&self.0.bootstrap, lane)
        };
        for address in candidates {
            if !tried.is_empty() && left(deadline).is_zero() {
                break;
            }
            match self.open(&address, lane, deadline).await {
                Ok(connection) => return Ok(connection),
                // No version in common, or nonsense: another broker would do the same.
                Err(error) if error.class() != ErrorClass::Retriable => return Err(error),
                Err(error) => last = error.to_string(),
            }
            tried.push(address);
        }
        Err(ClientError::Unreachable { addresses: tried.join(", "), reason: last })
    }

    async fn open(
        &self,
        address: &str,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Arc<Connection>, ClientError> {
        let key = (address.to_owned(), lane);
        let opening = {
            let mut known = self.0.known.lock().await;
            if let Some(open) = known.open(&key) {
                return Ok(open);
            }
            match known.openings.get(&key) {
                Some((since, opening)) if since.elapsed() < OPENING_SHARED => opening.clone(),
                _ => {
                    let opening = self.clone().opening(key.clone());
                    known.openings.insert(key.clone(), (Instant::now(), opening.clone()));
                    opening
                }
            }
        };
        let limit = left(deadline);
        match tokio::time::timeout(limit, opening).await {
            Ok(opened) => opened,
            Err(_) => {
                let mut known = self.0.known.lock().await;
                if known.open(&key).is_none() {
                    known.failed.insert(key.0, Instant::now());
                }
                let what = format!("connecting to {address}");
                Err(ClientError::TimedOut { what, after: limit })
            }
        }
    }

    fn opening(self, key: (String, Lane)) -> Opening {
        let address = key.0.clone();
        let opened = tokio::spawn(self.establish(key)).map(|joined| {
            joined.unwrap_or_else(|error| {
                Err(ClientError::Disconnected { address, reason: error.to_string() })
            })
        });
        opened.boxed().shared()
    }

    /// Opens a connection. It is there for the next request though whoever asked for it
    /// has no more time: else short requests would never get one where opening is slow.
    async fn establish(self, key: (String, Lane)) -> Result<Arc<Connection>, ClientError> {
        let opening = Connection::open(&key.0, &self.0.config.client_id, &self.0.secured);
        // Not under the lock: others reach their brokers meanwhile.
        let opened = opening.await.map(Arc::new);
        let mut known = self.0.known.lock().await;
        // Another may have been begun since: whoever waits for that has it, too.
        known.openings.remove(&key);
        match &opened {
            Ok(connection) => {
                known.failed.remove(&key.0);
                known.connections.insert(key, connection.clone());
            }
            // One that was begun later may be there.
            Err(_) if known.open(&key).is_some() => {}
            Err(_) => drop(known.failed.insert(key.0, Instant::now())),
        }
        opened
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// How long an answer is waited for. What finding and reaching the broker has cost is not
/// held against it: a connection without an answer in time is given up, for all its users.
fn answer_time(deadline: Instant) -> Duration {
    left(deadline).max(limits::ANSWER_TIME_MIN)
}

fn address(host: &str, port: i32) -> String {
    // A bare IPv6 address needs brackets.
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// `bootstrap.servers`, in parts.
fn addresses(servers: &str) -> Result<Vec<String>, ClientError> {
    let refuse = |reason: String| ClientError::Config { name: "bootstrap.servers".into(), reason };
    let mut addresses = Vec::new();
    for server in servers.split(',').map(str::trim).filter(|server| !server.is_empty()) {
        // Kafka's tools take a listener as it is written in the broker's file.
        let server = server.split_once("://").map_or(server, |(_, address)| address);
        let port = server.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        match port.map(|(_, port)| port.parse::<u16>()) {
            Some(Ok(port)) if port > 0 => addresses.push(server.to_owned()),
            _ => return Err(refuse(format!("`{server}` is not `host:port`"))),
        }
    }
    if addresses.is_empty() {
        return Err(refuse("it names no broker".into()));
    }
    Ok(addresses)
}

/// Half to all of `pause`: those that failed together do not come back together.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0u8) % 512;
    pause / 2 + pause * random as u32 / 1024
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[test]
    fn bootstrap_servers_are_taken_apart() {
        let found = addresses(" a:9092, PLAINTEXT://b:9093 ,[::1]:9094,").unwrap();
        assert_eq!(found, ["a:9092", "b:9093", "[::1]:9094"]);
    }

    #[test]
    fn a_bootstrap_server_without_a_port_is_refused_by_name() {
        for servers in ["localhost", "a:1,b", ":9092", "a:0", "a:70000", " , "] {
            let error = addresses(servers).unwrap_err();
            assert!(error.to_string().starts_with("`bootstrap.servers`"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_costs_one_request_and_is_tried_last() {
        // It takes connections, and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent_at = silent.local_addr().unwrap().to_string();
        let servers = format!("{silent_at},localhost:1");
        let cluster = Cluster::new(ClusterConfig::new(&servers, "test")).unwrap();
        let deadline = Instant::now() + Duration::from_millis(100);
        let error = cluster.any(Lane::Common, deadline).await.err().unwrap();
        assert!(error.to_string().contains(&silent_at), "{error}");
        let known = cluster.0.known.lock().await;
        let candidates = known.candidates(&cluster.0.bootstrap, Lane::Common);
        assert_eq!(candidates, ["localhost:1".to_owned(), silent_at]);
    }

    #[tokio::test]
    async fn a_connection_that_opens_slowly_is_there_for_the_next_request() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let go_on = Arc::new(tokio::sync::Notify::new());
        let slow = go_on.clone();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            slow.notified().await;
            // No error, no versions.
            let answer = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
            socket.write_all(&answer).await.unwrap();
            std::future::pending::<()>().await;
        });
        let cluster = Cluster::new(ClusterConfig::new(&at, "test")).unwrap();
        let soon = || Instant::now() + Duration::from_millis(100);
        assert!(cluster.any(Lane::Common, soon()).await.is_err());
        go_on.notify_one();
        let key = (at, Lane::Common);
        while !cluster.0.known.lock().await.connections.contains_key(&key) {
            tokio::task::yield_now().await;
        }
        assert!(cluster.any(Lane::Common, Instant::now()).await.is_ok());
    }

    #[tokio::test]
    async fn a_cluster_that_is_not_there_is_named_after_the_time_out() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut config = ClusterConfig::new(&address, "test");
        config.api_timeout = Duration::from_millis(200);
        let cluster = Cluster::new(config).unwrap();
        let error = cluster.retry(|| cluster.metadata(None)).await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(&address), "{error}");
    }
}
