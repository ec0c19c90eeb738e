//! A worker's start and its orderly end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use prometheus_client::collector::Collector;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::active_topics::ActiveTopics;
use super::answers::{Answers, deletion};
use super::claims::{Claim, OtherFleet};
use super::clients::{Clients, Group, Producers};
use super::compacted::{CompactedLog, Entry, LogError, Write, at_once};
use super::config::{InternalTopic, WorkerConfig};
use super::config_state::{Change, ConfigState};
use super::connections;
use super::core::{Core, Led, Logs};
use super::herd::{Event, Herd};
use super::herder::{ConnectorConfig, Herder};
use super::inter_worker;
use super::lag;
use super::member::Voice;
use super::metrics::{WorkerCollector, WorkerMetrics};
use super::plugin::{Plugins, Uploads};
use super::records::Status;
use super::status_writer::write_statuses;
use super::stores::{Checkpoints, Statuses};
use super::topics::{TopicError, ensure_compacted};
use super::uploads::{self, PluginStore};
use crate::kafka::{ClientError, ConsumeError, Overrides, ProduceError};

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The cluster could not be asked.
    #[error("the Kafka cluster cannot be used: {0}")]
    Cluster(#[from] ClientError),
    /// A client could not be made.
    #[error("the worker's consumer cannot be made: {0}")]
    Consumer(#[from] ConsumeError),
    /// A client could not be made.
    #[error("the worker's producer cannot be made: {0}")]
    Producer(#[from] ProduceError),
    /// An internal topic cannot be used.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// An internal topic could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An internal topic is another fleet's.
    #[error(transparent)]
    OtherFleet(#[from] OtherFleet),
}

/// A running worker. Dropping it ends its tasks without order, as a crash
/// would; [`Worker::shutdown`] ends them in order.
pub struct Worker {
    pub(super) core: Arc<Core>,
    group: Arc<dyn Group>,
    events: mpsc::UnboundedSender<Event>,
    jobs: Vec<JoinHandle<()>>,
    statuses: JoinHandle<()>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        for job in &self.jobs {
            job.abort();
        }
    }
}

impl Worker {
    /// Creates and reads the internal topics, joins the fleet and starts what
    /// it is assigned. It is [`ready`](Herder::ready) once it is a member.
    pub async fn start(
        config: WorkerConfig,
        plugins: Arc<dyn Plugins>,
        clients: Arc<dyn Clients>,
    ) -> Result<Self, WorkerError> {
        let admin = clients.admin();
        let cluster_id = admin.describe_cluster().await?.cluster_id.unwrap_or_default();
        let producers = Arc::new(Producers::new(clients.clone()));
        // A new producer needs half a second for its id: have it meanwhile.
        for overrides in [at_once(), Overrides::new()] {
            producers.get(&overrides)?;
        }
        let (events, inbox) = mpsc::unbounded_channel();
        let opener = Opener { clients: &*clients, producers: producers.clone() };

        let configs: Arc<RwLock<ConfigState>> = Arc::default();
        // Requests to restart are for those who were there.
        let live = Arc::new(AtomicBool::new(false));
        let claim = Arc::new(Claim::default());
        let apply = {
            let (configs, live, events) = (configs.clone(), live.clone(), events.clone());
            let connections = plugins.connections();
            let takes_connections = config.fleet_resources.connections;
            let claim = claim.clone();
            move |entry: Entry<'_>| {
                claim.apply(&entry);
                let mut configs = configs.write().expect("no holder panics");
                let applied = configs.apply(entry.offset, entry.key, entry.value);
                if let Ok(Change::Connection(name)) = &applied
                    && takes_connections
                {
                    let present = configs.connections().get(name);
                    connections.set(name, present.map(|present| &present.definition));
                }
                match applied {
                    Ok(Change::None) => {}
                    Ok(change) if live.load(Ordering::Acquire) => {
                        let _ = events.send(Event::Config(change));
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(offset = entry.offset, "{error}; passed over"),
                }
            }
        };
        let config_topic = InternalTopic { partitions: 1, ..config.config_storage.clone() };
        let config_log =
            opener.open(&config_topic, true, "connectors' configurations", apply).await?;
        claim.take(&config_log, &config.group_id).await??;
        if let Some(only) = &config.only {
            let writes = leftovers(&configs.read().expect("no holder panics"), only);
            // Nothing to write is nothing to wait for, such as what a worker that died
            // left open.
            if !writes.is_empty() {
                config_log.write_and_read(&writes).await?;
            }
        }
        live.store(true, Ordering::Release);

        let checkpoints = Arc::new(Checkpoints::default());
        let claim = Arc::new(Claim::default());
        let apply = {
            let (checkpoints, claim) = (checkpoints.clone(), claim.clone());
            move |entry: Entry<'_>| {
                claim.apply(&entry);
                checkpoints.apply(entry);
            }
        };
        let offset_log =
            opener.open(&config.offset_storage, false, "sources' checkpoints", apply).await?;
        claim.take(&offset_log, &config.group_id).await??;

        let statuses = Arc::new(Statuses::default());
        let active_topics = Arc::new(ActiveTopics::default());
        let generation = Arc::new(AtomicI32::new(-1));
        let apply = {
            let (statuses, generation) = (statuses.clone(), generation.clone());
            let active_topics = active_topics.clone();
            let (worker_id, events) = (config.worker_id.clone(), events.clone());
            move |entry: Entry<'_>| {
                // Of its own tasks this worker knows more than the topic.
                let generation = generation.load(Ordering::Relaxed);
                if !is_own(&entry, &worker_id, generation)
                    && let Some((id, own)) = statuses.apply(entry)
                    && own.worker_id == worker_id
                    && generation >= 0
                {
                    let _ = events.send(Event::Contradicted { id, own });
                }
                active_topics.apply(entry);
            }
        };
        let status_log =
            opener.open(&config.status_storage, false, "connectors' states", apply).await?;

        let uploads = plugins.uploads().filter(|_| config.fleet_resources.plugins);
        let plugin_store = match uploads {
            Some(uploads) => Some(opener.plugins(&config, uploads, events.clone()).await?),
            None => None,
        };

        let (status_writes, status_inbox) = mpsc::unbounded_channel();
        let core = Arc::new(Core {
            config,
            plugins,
            clients: clients.clone(),
            producers,
            cluster_id,
            configs,
            checkpoints,
            statuses,
            logs: Logs { config: config_log, offset: offset_log, status: status_log.clone() },
            plugin_store,
            lease: OnceLock::new(),
            generation,
            changing: tokio::sync::Mutex::default(),
            privileges: Arc::default(),
            dealing: tokio::sync::Mutex::default(),
            ready: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            told: Mutex::default(),
            health: tokio::sync::Mutex::default(),
            led: watch::channel(Led::default()).0,
            active_topics,
            connectors: RwLock::default(),
            metrics: WorkerMetrics::default(),
            telling: Mutex::default(),
            status_writes,
        });
        let voice = Voice::new(core.clone(), events.clone());
        let group = clients.join(&core.config, Box::new(voice)).await?;
        let _ = core.lease.set(group.lease());
        let rejoin = {
            let group = group.clone();
            Arc::new(move || group.rejoin())
        };
        let herd = Herd::new(core.clone(), events.clone(), rejoin);
        let jobs = vec![
            tokio::spawn(herd.run(inbox)),
            tokio::spawn(lag::watch(core.clone())),
            tokio::spawn(inter_worker::keep_key(core.clone())),
            tokio::spawn(connections::watch(core.clone(), events.clone())),
        ];
        let statuses = tokio::spawn(write_statuses(status_inbox, status_log));
        Ok(Self { core, group, events, jobs, statuses })
    }

    /// The handle for REST, the command line and `run`.
    pub fn herder(&self) -> Arc<dyn Herder> {
        Arc::new(Answers { core: self.core.clone(), events: self.events.clone() })
    }

    /// What it tells Prometheus, until it ends.
    pub fn metrics(&self) -> Arc<dyn Collector> {
        Arc::new(WorkerCollector(Arc::downgrade(&self.core)))
    }

    /// Ends in order: tasks are revoked, drain, commit and close; then the
    /// worker leaves its group, so that others take over at once. Its Kafka
    /// clients close when the last [`Herder`] is dropped too: do that before
    /// the cluster is stopped.
    pub async fn shutdown(mut self) {
        let (done, ended) = oneshot::channel();
        if self.events.send(Event::Shutdown(done)).is_ok() {
            // An error means that the herd is gone, and its tasks with it.
            let _ = ended.await;
        }
        self.group.leave().await;
        for job in std::mem::take(&mut self.jobs) {
            job.abort();
        }
        // The last states are still on their way.
        let _ = self.core.status_writes.send(None);
        let _ = (&mut self.statuses).await;
    }
}

/// What deletes every connector that is not among `only`, or there otherwise.
fn leftovers(configs: &ConfigState, only: &BTreeMap<String, ConnectorConfig>) -> Vec<Write> {
    let all = configs.connectors().iter();
    all.filter(|(name, entry)| only.get(*name) != Some(&entry.config))
        .flat_map(|(name, _)| deletion(name, configs.known_tasks(name)))
        .collect()
}

/// Opens internal topics.
struct Opener<'a> {
    clients: &'a dyn Clients,
    producers: Arc<Producers>,
}

impl Opener<'_> {
    async fn open(
        &self,
        topic: &InternalTopic,
        exact: bool,
        holds: &'static str,
        apply: impl FnMut(Entry<'_>) + Send + 'static,
    ) -> Result<Arc<CompactedLog>, WorkerError> {
        let admin = self.clients.admin();
        let partitions = ensure_compacted(&*admin, topic, exact, BTreeMap::new(), holds).await?;
        let consumer = self.clients.consumer(None, &Overrides::new())?.share();
        let producers = self.producers.clone();
        let log = CompactedLog::open(&topic.name, partitions, producers, consumer, apply).await?;
        Ok(Arc::new(log))
    }
}

impl Opener<'_> {
    /// The plugin topic, read, and what was in it installed.
    async fn plugins(
        &self,
        config: &WorkerConfig,
        uploads: Arc<dyn Uploads>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<PluginStore, WorkerError> {
        let (parts, follower, installer) = uploads::parts(uploads);
        // It ends with the follower.
        tokio::spawn(installer.run(events));
        let topic = InternalTopic { partitions: 1, ..config.plugin_storage.clone() };
        let apply = move |entry: Entry<'_>| follower.apply(entry);
        let log = self.open(&topic, true, "uploaded plugins", apply).await?;
        let configs = self.clients.admin().topic_configs(&topic.name).await?;
        let largest = configs.get("max.message.bytes").and_then(|it| it.value.as_deref());
        let store = parts.open(log, largest.and_then(|text| text.parse().ok()));
        store.settled().await;
        Ok(store)
    }
}

/// True for a state that this worker told since it is a member of its group: the
/// topic has it later than the worker itself, and may have a newer one later still.
/// What it told before it was started again comes before it joins.
fn is_own(entry: &Entry<'_>, worker_id: &str, generation: i32) -> bool {
    let status = entry.value.and_then(|value| serde_json::from_slice::<Status>(value).ok());
    status.is_some_and(|status| status.worker_id == worker_id && status.generation <= generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::herder::State;

    #[test]
    fn a_workers_own_states_of_older_generations_are_not_taken_from_the_topic() {
        let is_own = |teller: &str, told_in: i32, now: i32| {
            let (state, trace) = (State::Running, None);
            let status = Status { state, trace, worker_id: teller.to_owned(), generation: told_in };
            let value = crate::worker::records::encode(&status);
            is_own(&Entry { offset: 0, key: b"k", value: Some(&value) }, "w1", now)
        };
        assert!(is_own("w1", 4, 4));
        assert!(is_own("w1", 3, 4), "what it told later may not be in the topic yet");
        assert!(!is_own("w2", 4, 4));
        assert!(!is_own("w1", 3, -1), "told before it was started again");
    }
}
