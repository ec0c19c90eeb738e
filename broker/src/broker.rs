//! A broker from start to shutdown.

use std::{io, net::SocketAddr, sync::Arc};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{
        self, Authorizer, ITERATIONS_DEFAULT, Mechanism, ScramCredential, Secret, TlsError,
        TlsListener,
    },
    config::{BrokerConfig, ConfigError, ListenerConfig, dynamic::DynamicBounds},
    controller::{
        BrokerRecord, Controller, ControllerError, Endpoint, JournalError, LocalController,
        ScramChange,
    },
    datadir::{DataDir, DataDirError},
    effective::TopicDefaults,
    group::{GroupCoordinator, GroupSettings},
    kafka::{self, Admission, FetchMemory, LargeReads, Listener, LogLimit, RequestMemory, Turns},
    limits,
    metrics::{self, ConnectionCounts, Metrics, NodeCollector, Reports},
    node::Node,
    partition::{Background, PartitionManager, check_topic_configs, set_strays_aside},
    producer_ids::ProducerIds,
    quota::Quotas,
    txn::{Surroundings, TransactionCoordinator, TransactionSettings},
};

/// Why a broker did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A topic default of the configuration is wrong.
    #[error("the defaults for topics are wrong: {reason}")]
    TopicDefaults {
        /// Which, and why.
        reason: String,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The controller's journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The controller refused this broker.
    #[error(transparent)]
    Controller(#[from] ControllerError),
    /// An address cannot be listened on.
    #[error("cannot listen on {listener}: {source}")]
    Bind {
        /// As configured.
        listener: ListenerConfig,
        /// The system's reason.
        source: io::Error,
    },
    /// The address for metrics cannot be listened on.
    #[error("cannot serve metrics on {address} (metrics.listener): {source}")]
    BindMetrics {
        /// As configured.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A listener has no certificates that it could show.
    #[error("{listener}: {source}")]
    Tls {
        /// As configured.
        listener: ListenerConfig,
        /// What is wrong.
        source: Box<TlsError>,
    },
    /// A listener that the configuration says no protocol of.
    #[error("{listener} has no entry in listener.security.protocol.map")]
    NoProtocol {
        /// As configured.
        listener: ListenerConfig,
    },
    /// Clients cannot be told an address that means every interface.
    #[error(
        "{listener} listens on every interface: set advertised.listeners to an address that clients can reach"
    )]
    NotAdvertisable {
        /// As configured.
        listener: ListenerConfig,
    },
    /// Hashing the passwords of the configuration's users panicked.
    #[error("the passwords of SCRAM users cannot be hashed: {reason}")]
    ScramUsers {
        /// What the task said.
        reason: String,
    },
    /// Reading the groups and their offsets panicked.
    #[error("the groups cannot be read: {reason}; restore the folders of __consumer_offsets")]
    Groups {
        /// What the panic said.
        reason: String,
    },
    /// Reading the transactional ids panicked.
    #[error(
        "the transactions cannot be read: {reason}; restore the folders of __transaction_state"
    )]
    Transactions {
        /// What the panic said.
        reason: String,
    },
    /// A directory cannot be read.
    #[error("cannot read the partitions: {reason}")]
    Partitions {
        /// The system's reason.
        reason: String,
    },
}

/// A running broker. Dropping it stops it without the flushes of a clean
/// [`Broker::shutdown`].
pub struct Broker {
    node: Arc<Node>,
    addresses: Vec<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    reports: Reports,
    tasks: TaskTracker,
    stopping: CancellationToken,
    data_dir: Option<DataDir>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Broker {
    /// Opens the data directory, recovers the logs and listens.
    ///
    /// When this returns, clients can connect.
    ///
    /// # Errors
    /// When the configuration, the data directory or an address cannot be used.
    pub async fn start(config: BrokerConfig) -> Result<Self, StartError> {
        check_topic_configs(&config.topic_defaults)
            .map_err(|reason| StartError::TopicDefaults { reason })?;
        raise_file_limit();
        let listeners = listeners(&config)?;
        let data_dir =
            DataDir::open(&config.log_dir, config.node_id, config.cluster_id.as_deref())?;
        let found = crate::log::list_partitions(data_dir.path())
            .map_err(|error| StartError::Partitions { reason: error.to_string() })?;
        let controller = Arc::new(LocalController::open(
            &data_dir.path().join("metadata"),
            config.num_partitions,
            check_topic_configs,
            DynamicBounds::of(&config),
        )?);
        let (sockets, endpoints) = bind(&config).await?;
        let metrics_socket = bind_metrics(&config).await?;
        let metrics_address = metrics_socket.as_ref().and_then(|socket| socket.local_addr().ok());
        let addresses: Vec<SocketAddr> =
            sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
        controller.register_broker(BrokerRecord { node_id: config.node_id, endpoints }).await?;

        add_scram_users(&config, &*controller).await?;
        let partitions = Arc::new(PartitionManager::new(
            data_dir.path(),
            TopicDefaults::of(&config),
            config.recovery_threads,
        ));
        let image = controller.image();
        set_strays_aside(&found, &image.borrow().clone());
        partitions.follow(&image).await;
        // Clients that have seen what is lost find out by the epoch (KIP-320).
        controller.begin_leader_epochs(&partitions.outlived_epochs()).await?;
        partitions.follow(&image).await;
        let settings = GroupSettings::from_config(&config);
        let groups =
            GroupCoordinator::load(settings, Arc::clone(&partitions), image.borrow().clone())
                .await
                .map_err(|error| StartError::Groups { reason: error.to_string() })?;

        let quotas = Quotas::new(config.quota_windows, config.controller_quota_windows);
        quotas.follow(image.borrow().client_quotas());

        let stopping = CancellationToken::new();
        let tasks = TaskTracker::new();
        let producer_ids = Arc::new(ProducerIds::default());
        let surroundings = Surroundings {
            partitions: Arc::clone(&partitions),
            groups: groups.clone(),
            controller: Arc::<LocalController>::clone(&controller),
            producer_ids: Arc::clone(&producer_ids),
            tasks: tasks.clone(),
            stopping: stopping.clone(),
        };
        let settings = TransactionSettings::from_config(&config);
        let transactions = TransactionCoordinator::load(settings, surroundings)
            .await
            .map_err(|error| StartError::Transactions { reason: error.to_string() })?;
        let now = image.borrow().clone();
        let node = Arc::new(Node {
            cluster_id: data_dir.cluster_id().to_owned(),
            request_memory: Arc::new(RequestMemory::new(config.request_memory_bytes)),
            fetch_memory: FetchMemory::new(config.fetch_memory_bytes),
            large_reads: LargeReads::new(),
            look_ups: Turns::new(),
            reworks: Turns::new(),
            controller,
            image,
            partitions,
            groups,
            producer_ids,
            quotas,
            metrics: Metrics {
                requests: kafka::request_counts(),
                under_way: Arc::default(),
                connections: Arc::new(ConnectionCounts::new(config.listeners.len())),
            },
            transactions,
            listeners,
            decoy_key: auth::decoy_key(),
            authorizer: config
                .authorizer
                .clone()
                .map(|settings| Arc::new(Authorizer::new(settings))),
            denials: Arc::new(LogLimit::default()),
            admission: Admission::new(&config, now, files_max(&config)),
            bad_connections: LogLimit::default(),
            stopping: stopping.clone(),
            config,
        });
        for (index, socket) in sockets.into_iter().enumerate() {
            tasks.spawn(kafka::accept(Arc::clone(&node), socket, index, tasks.clone()));
        }
        let reports = Reports::default();
        reports.add(Arc::new(NodeCollector(Arc::clone(&node))));
        if let Some(socket) = metrics_socket {
            tasks.spawn(metrics::serve(socket, reports.clone(), stopping.clone()));
        }
        tasks.spawn(Background::new(&node).run());
        let timers = Arc::clone(&node);
        tasks.spawn(async move { timers.groups.run_timers(&timers.stopping).await });
        let timers = Arc::clone(&node);
        tasks.spawn(async move { timers.transactions.run_timers(&timers.stopping).await });
        let follower = Arc::clone(&node);
        tasks.spawn(async move { follow_image(&follower).await });
        tracing::info!(
            cluster_id = %node.cluster_id, node_id = node.config.node_id, ?addresses,
            "broker started"
        );
        Ok(Self {
            node,
            addresses,
            metrics_address,
            reports,
            tasks,
            stopping,
            data_dir: Some(data_dir),
        })
    }

    /// The address of the first listener.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The addresses of all listeners, in the order of the configuration.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of `metrics.listener`, if it is set.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The metrics at this moment, in the OpenMetrics text format that Prometheus reads,
    /// for a process that serves them itself.
    pub fn metrics(&self) -> String {
        self.reports.text()
    }

    /// What is served at `metrics.listener`; other parts of the process may add to it.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }

    /// The id of the cluster that the data directory belongs to.
    pub fn cluster_id(&self) -> &str {
        &self.node.cluster_id
    }

    /// What its connections share.
    #[cfg(test)]
    pub(crate) fn node(&self) -> &std::sync::Arc<Node> {
        &self.node
    }

    /// Serves a client that sends these bytes and goes.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) async fn serve_bytes(&self, bytes: &[u8]) {
        kafka::fuzzing::serve(&self.node, bytes).await;
    }

    /// How many partitions there are.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn partition_count(&self) -> usize {
        self.node.partitions.all().len()
    }

    /// Stops: closes connections, flushes every log and marks the data
    /// directory as cleanly closed, so that the next start need not recover.
    pub async fn shutdown(mut self) {
        self.stopping.cancel();
        self.tasks.close();
        self.node.partitions.begin_close();
        // Connections first: no client is to hear of a log that is closed already.
        if tokio::time::timeout(limits::SHUTDOWN_GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
        self.node.partitions.close().await;
        drop(self.data_dir.take());
        tracing::info!(cluster_id = %self.node.cluster_id, "broker stopped");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// Changes that no request waits for (another controller's, one day) arrive here.
async fn follow_image(node: &Node) {
    let mut image = node.image.clone();
    loop {
        tokio::select! {
            changed = image.changed() => if changed.is_err() { return },
            () = node.stopping.cancelled() => return,
        }
        image.mark_unchanged();
        node.follow_image().await;
    }
}

/// What each listener asks of its clients; reads the certificates.
fn listeners(config: &BrokerConfig) -> Result<Vec<Listener>, StartError> {
    let open = |listener: &ListenerConfig| {
        let security = config
            .security
            .get(&listener.name)
            .ok_or_else(|| StartError::NoProtocol { listener: listener.clone() })?;
        let tls = security.tls.clone().map(TlsListener::open).transpose();
        let tls = tls.map_err(|source| StartError::Tls {
            listener: listener.clone(),
            source: Box::new(source),
        })?;
        Ok(Listener { tls: tls.map(Arc::new), sasl: security.sasl.clone().map(Arc::new) })
    };
    config.listeners.iter().map(open).collect()
}

/// Gives the controller the configuration's users that it lacks. Those that it
/// has are left: their passwords may have been changed since.
async fn add_scram_users(
    config: &BrokerConfig,
    controller: &impl Controller,
) -> Result<(), StartError> {
    let image = controller.image().borrow().clone();
    let sasl = config.security.values().filter_map(|security| security.sasl.as_ref());
    let missing: Vec<(Mechanism, String, Secret)> = sasl
        .flat_map(|sasl| &sasl.scram_users)
        .filter(|((mechanism, user), _)| image.scram_credential(*mechanism, user).is_none())
        .map(|((mechanism, user), password)| (*mechanism, user.clone(), password.clone()))
        .collect();
    let hashing = tokio::task::spawn_blocking(move || {
        let added = missing.into_iter().map(|(mechanism, user, password)| {
            let credential =
                ScramCredential::from_password(mechanism, &password, ITERATIONS_DEFAULT);
            ScramChange { user, mechanism, credential: Some(credential) }
        });
        added.collect()
    });
    let changes =
        hashing.await.map_err(|error| StartError::ScramUsers { reason: error.to_string() })?;
    controller.alter_scram_credentials(changes).await?;
    Ok(())
}

async fn bind_metrics(config: &BrokerConfig) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = &config.metrics_listener else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(socket) => Ok(Some(socket)),
        Err(source) => Err(StartError::BindMetrics { address: address.clone(), source }),
    }
}

async fn bind(config: &BrokerConfig) -> Result<(Vec<TcpListener>, Vec<Endpoint>), StartError> {
    let mut sockets = Vec::with_capacity(config.listeners.len());
    let mut endpoints = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        let host = if listener.host.is_empty() { "0.0.0.0" } else { &listener.host };
        let failed = |source| StartError::Bind { listener: listener.clone(), source };
        let socket = TcpListener::bind((host, listener.port)).await.map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        let advertised = config
            .advertised_listeners
            .iter()
            .find(|advertised| advertised.name == listener.name)
            .unwrap_or(listener);
        if matches!(advertised.host.as_str(), "" | "0.0.0.0" | "::") {
            return Err(StartError::NotAdvertisable { listener: listener.clone() });
        }
        endpoints.push(Endpoint {
            listener: listener.name.clone(),
            host: advertised.host.clone(),
            port: if advertised.port == 0 { port } else { advertised.port },
        });
        sockets.push(socket);
    }
    Ok((sockets, endpoints))
}

/// How many files the process may open; told if that cuts `max.connections`.
fn files_max(config: &BrokerConfig) -> Option<u64> {
    let configured = config.connections_max;
    let files_max = getrlimit(Resource::Nofile).current;
    let connections_max = limits::connections_within(configured, files_max);
    if connections_max < configured {
        tracing::warn!(
            configured,
            connections_max,
            ?files_max,
            "max.connections is cut: raise the limit of open files (ulimit -n)"
        );
    }
    files_max
}

/// Lets the process open as many files as it may: a segment holds three, a
/// connection one, and the usual soft limit of 1024 is soon used up.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}
