//! The roles of a node, started, and stopped in the order that loses nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use longshore_broker::{Broker, Reports, StartError, serve_metrics};

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::CliError;
use super::super::plugins::Plugins;
use super::{NodeConfig, WorkerSettings};
use crate::host::adapt::WorkerPlugins;
use crate::host::{ConnectionConfig, Connections, FleetPlugins, OwnPlugins, Reach};
use crate::kafka::ClientError;
use crate::pipeline::PluginCatalog as _;
use crate::pipeline::model::Connection;
use crate::rest::{RestServer, ServeError};
use crate::worker::herder::Herder;
use crate::worker::kafka_clients::KafkaClients;
use crate::worker::{Worker, WorkerError};

/// How often a worker that starts is looked at.
const READY_LOOK: Duration = Duration::from_millis(20);
/// A worker that is no member of its group by then will not become one.
const READY_TIME_MAX: Duration = Duration::from_secs(120);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The broker did not.
    #[error("the broker did not start: {0}")]
    Broker(#[from] StartError),
    /// Plugins cannot be run at all.
    #[error("the worker did not start: {0}")]
    Plugins(CliError),
    /// Connections are wrong.
    #[error("the worker's connections are wrong: {0}")]
    Connections(String),
    /// REST has no address.
    #[error(transparent)]
    Rest(#[from] ServeError),
    /// The metrics have no address.
    #[error("cannot serve metrics on {address} (metrics.listener): {source}")]
    Metrics {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The worker's cluster cannot be used.
    #[error("the worker did not start: {0}")]
    Clients(#[from] ClientError),
    /// The worker did not start.
    #[error("the worker did not start: {0}")]
    Worker(Box<WorkerError>),
    /// The worker could not join its group.
    #[error(
        "the worker did not become a member of the group `{group}` in {} s; is another fleet using its name?",
        READY_TIME_MAX.as_secs()
    )]
    NotReady {
        /// `group.id`.
        group: String,
    },
}

/// A node that serves.
pub struct RunningNode {
    broker: Option<Broker>,
    worker: Option<RunningWorker>,
}

struct RunningWorker {
    worker: Worker,
    herder: Arc<dyn Herder>,
    rest: RestServer,
    /// Ends what serves its metrics, if that is its own.
    metrics: DropGuard,
}

impl RunningNode {
    /// Starts the roles; when this returns, clients can connect. The worker's
    /// plugins are searched for unless they were found already.
    pub async fn start(config: NodeConfig, plugins: Option<Plugins>) -> Result<Self, NodeError> {
        let broker = match config.broker {
            Some(broker) => Some(Box::pin(Broker::start(broker)).await?),
            None => None,
        };
        let Some(settings) = config.worker else { return Ok(Self { broker, worker: None }) };
        let own = broker.as_ref().map(|broker| reachable(broker.local_addr()));
        let reports = broker.as_ref().map(|broker| broker.reports().clone()).unwrap_or_default();
        match Box::pin(RunningWorker::start(settings, own, plugins, reports)).await {
            Ok(worker) => Ok(Self { broker, worker: Some(worker) }),
            Err(error) => {
                // What the broker has flushed in order need not be recovered.
                Self { broker, worker: None }.shutdown().await;
                Err(error)
            }
        }
    }

    /// Where the Kafka listener is.
    #[must_use]
    pub fn kafka(&self) -> Option<SocketAddr> {
        self.broker.as_ref().map(|broker| reachable(broker.local_addr()))
    }

    /// Where the REST listener is.
    #[must_use]
    pub fn rest(&self) -> Option<SocketAddr> {
        self.worker.as_ref().map(|worker| reachable(worker.rest.address()))
    }

    /// The handle on the worker, if this node is one.
    #[must_use]
    pub fn herder(&self) -> Option<Arc<dyn Herder>> {
        self.worker.as_ref().map(|worker| Arc::clone(&worker.herder))
    }

    /// Stops: REST, then the worker, whose commits need the broker, then the broker.
    pub async fn shutdown(self) {
        if let Some(RunningWorker { worker, herder, rest, metrics }) = self.worker {
            rest.stop().await;
            Box::pin(worker.shutdown()).await;
            drop(metrics);
            // The last of the worker's Kafka clients go with it, before their broker.
            drop(herder);
        }
        if let Some(broker) = self.broker {
            Box::pin(broker.shutdown()).await;
        }
    }
}

impl RunningWorker {
    async fn start(
        settings: WorkerSettings,
        own_broker: Option<SocketAddr>,
        plugins: Option<Plugins>,
        reports: Reports,
    ) -> Result<Self, NodeError> {
        let metrics = serve_reports(settings.metrics_listener, reports.clone()).await?;
        let mut config = settings.config;
        if let (true, Some(own)) = (config.bootstrap_servers.is_empty(), own_broker) {
            config.bootstrap_servers = own.to_string();
        }
        // Probes ask from the first moment; nothing else is answered yet.
        let rest = Box::pin(RestServer::start(settings.rest)).await?;
        let listening = rest.address();
        let host = settings.advertised_host.unwrap_or_else(|| own_host(listening.ip()));
        let port = settings.advertised_port.unwrap_or(listening.port());
        config.worker_id = format!("{host}:{port}");

        let plugins = match plugins {
            Some(plugins) => plugins,
            None => Plugins::load(&settings.plugin_path, &settings.cache_dir)
                .await
                .map_err(NodeError::Plugins)?,
        };
        let mut internal = settings.state_dirs;
        internal.push(settings.cache_dir);
        internal.extend(plugins.folders());
        let reach = Reach { internal, allowed: settings.allowed };
        let connections =
            connections(&settings.connections, reach).map_err(NodeError::Connections)?;
        let connections = Arc::new(connections);
        let kinds = plugins.catalog().iter().map(|plugin| plugin.manifest());
        let own = OwnPlugins {
            kinds: kinds.map(|it| (it.name.clone(), it.kind)).collect(),
            may_be_replaced: settings.replaces_plugins,
        };
        let fleet = Arc::new(FleetPlugins::new(plugins.host().clone(), own));
        let plugins = WorkerPlugins { catalog: plugins.catalog().clone(), connections, fleet };
        let clients = Arc::new(KafkaClients::new(&config)?);
        let group = config.group_id.clone();
        let worker = Box::pin(Worker::start(config, Arc::new(plugins), clients))
            .await
            .map_err(|error| NodeError::Worker(Box::new(error)))?;
        reports.add(worker.metrics());
        let herder = worker.herder();
        let ready = async {
            while !herder.ready() {
                tokio::time::sleep(READY_LOOK).await;
            }
        };
        if tokio::time::timeout(READY_TIME_MAX, ready).await.is_err() {
            Box::pin(worker.shutdown()).await;
            return Err(NodeError::NotReady { group });
        }
        rest.serve(Arc::clone(&herder));
        Ok(Self { worker, herder, rest, metrics })
    }
}

/// Serves what is reported until the guard is dropped.
async fn serve_reports(address: Option<String>, reports: Reports) -> Result<DropGuard, NodeError> {
    let stopping = CancellationToken::new();
    if let Some(address) = address {
        let socket = TcpListener::bind(&address).await;
        let socket = socket.map_err(|source| NodeError::Metrics { address, source })?;
        tokio::spawn(serve_metrics(socket, reports, stopping.clone()));
    }
    Ok(stopping.drop_guard())
}

/// How other machines know this one, as Kafka Connect takes it: the address
/// listened on, or the machine's name where that is every address. Two workers
/// in two containers must not go by one name.
fn own_host(address: IpAddr) -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match (address.is_unspecified(), name.trim()) {
        (false, _) | (true, "") => address.to_string(),
        (true, name) => name.to_owned(),
    }
}

/// An address that a client on this machine can connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

fn connections(
    defined: &BTreeMap<String, Connection>,
    reach: Reach,
) -> Result<Connections, String> {
    let mut definitions: BTreeMap<String, ConnectionConfig> = BTreeMap::new();
    for (name, connection) in defined {
        let definition = serde_json::to_value(connection)
            .and_then(serde_json::from_value)
            .map_err(|error| format!("`{name}`: {error}"))?;
        definitions.insert(name.clone(), definition);
    }
    Connections::new(definitions, reach).map_err(|errors| {
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        told.join("; ")
    })
}
