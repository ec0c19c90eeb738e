//! One task on this worker: session after session, until it is stopped or
//! given up.
//!
//! | file | what it opens |
//! | --- | --- |
//! | `source`, `sink` | a session of the task's plugin |
//! | `processor` | a session for each of its partition numbers |

mod processor;
mod sink;
mod source;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::active_topics::TaskObserver;
use super::core::{Connector, Core, label};
use super::dead_letters;
use super::error_options;
use super::herder::{ConnectorConfig, ConnectorKind, State, TaskId};
use super::metrics::TaskMetrics;
use super::options::Options;
use super::plugin::{Plugin, TaskContext};
use super::records::StatusKey;
use super::restarts;
use crate::convert::config::Way;
use crate::convert::registry_config::{self, OpenedRegistries};
use crate::convert::{HeaderConverter, Part, Passages, config as converters, header};
use crate::kafka::{Overrides, TopicPartition};
use crate::registry::RegistrySettings;
use crate::task::backoff::{Backoff, Patience, Verdict, chance};
use crate::task::calls::Call;
use crate::task::delivery::Delivery;
use crate::task::error::TaskError;
use crate::task::failures::{Failures, Origin, Rooms};
use crate::task::topics::{self, OutputTopics};
use crate::task::transforms::BatchTransform;
use crate::transform::Chain;

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// In order, as it was asked to.
    Stopped,
    /// It is FAILED; its state says why.
    Failed {
        /// When it is to start again.
        restart: Option<Duration>,
    },
}

/// A task to run.
#[derive(Clone)]
pub(super) struct Runner {
    pub(super) core: Arc<Core>,
    pub(super) connector: Arc<Connector>,
    pub(super) id: TaskId,
    pub(super) config: ConnectorConfig,
    /// The generation of an exactly-once source's tasks that it is of.
    pub(super) generation: Option<i64>,
    pub(super) shares: watch::Receiver<BTreeSet<TopicPartition>>,
    pub(super) held: watch::Sender<BTreeSet<TopicPartition>>,
    pub(super) replan: Arc<Notify>,
    pub(super) stop: CancellationToken,
    /// Its plugin was open at least once.
    pub(super) started: Arc<AtomicBool>,
    /// What its dead-letter topic takes.
    pub(super) rooms: Arc<Rooms>,
}

impl Runner {
    /// Runs until stopped or given up, and tells the task's states.
    pub(super) async fn run(self) -> Outcome {
        let patience = self.patience();
        let (mut backoff, began) = (Backoff::default(), Instant::now());
        let calls = &self.metrics().calls;
        calls.forget();
        self.core.metrics.task_starts.attempted();
        // Of a task that is opened again and again only a session is a time that it ran.
        let mut ran = Duration::ZERO;
        while !self.stop.is_cancelled() {
            self.connector.waits.lock().expect("no holder panics").remove(&self.id.task);
            self.tell(State::Running, None);
            let progressed = Arc::new(AtomicBool::new(false));
            let opened = Instant::now();
            let session = Self { stop: self.stop.child_token(), ..self.clone() };
            let ended = Box::pin(session.session(progressed.clone())).await;
            let task = label(&self.id);
            if session.stop.is_cancelled() && !self.stop.is_cancelled() {
                // A connection that it had open is another now. What the old one
                // could not finish is done again with the new.
                let left = ended.err().map(|error| error.message);
                tracing::info!(task, left, "opens again with a connection that changed");
                self.metrics().counters.reopen();
                continue;
            }
            // Nobody opens it again from here on.
            session.stop.cancel();
            let Err(error) = ended else { return Outcome::Stopped };
            ran = ran.max(restarts::well_for(opened.elapsed(), patience.retry_timeout));
            let made = progressed.load(Ordering::Relaxed);
            if calls.recovered() {
                backoff.recovered();
            }
            match backoff.decide(&patience, &error, made, began.elapsed(), chance()) {
                Verdict::GiveUp => return self.fail(error.message, ran),
                Verdict::After(pause) => {
                    if error.is_fault() {
                        self.metrics().counters.errors.retry();
                    }
                    let pause_ms = pause.as_millis() as u64;
                    tracing::warn!(task, pause_ms, "reopens from its last checkpoint: {error}");
                    self.tell(State::Restarting, Some(error.message));
                    tokio::select! {
                        () = self.stop.cancelled() => return Outcome::Stopped,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
        Outcome::Stopped
    }

    /// The task is FAILED after it ran well for this long; its trace says whether it
    /// starts again.
    pub(super) fn fail(&self, cause: String, ran: Duration) -> Outcome {
        if !self.started.load(Ordering::Relaxed) {
            self.core.metrics.task_starts.failed();
        }
        let policy = self.options().map(|options| options.restarts).unwrap_or_default();
        let restart = {
            let mut all = self.connector.restarts.lock().expect("no holder panics");
            all.entry(self.id.task).or_default().failed(&policy, ran)
        };
        let trace = match &restart {
            Some(restart) => restart.announce(&cause),
            None => cause,
        };
        tracing::error!(task = label(&self.id), "failed: {trace}");
        self.tell(State::Failed, Some(trace));
        Outcome::Failed { restart: restart.map(|restart| restart.after) }
    }

    /// The host's options, if there is nothing wrong with them.
    fn options(&self) -> Option<Options> {
        let kind = self.core.kind_of(&self.id.connector)?;
        Options::read(kind, &self.config, &self.core.config).ok()
    }

    fn patience(&self) -> Patience {
        let own = self.options().map(|options| options.errors).unwrap_or_default();
        Patience {
            reopen_max: self.core.config.task_reopen_max,
            pause_max: own.retry_delay_max.unwrap_or(self.core.config.retry_delay_max),
            retry_timeout: own.retry_timeout,
        }
    }

    /// Decides about records that cannot be used.
    fn failures(&self, plugin: &dyn Plugin, options: &Options) -> Failures {
        let text = |name: &str| self.config.get(name).cloned();
        let converter = |name| text(name).unwrap_or_else(|| "string".to_owned());
        let headers = text(converters::HEADERS).unwrap_or_else(|| header::SIMPLE.to_owned());
        let configs = self.core.configs.read().expect("no holder panics");
        let entry = configs.get(&self.id.connector);
        let origin = Origin {
            connector: self.id.connector.clone(),
            task: self.id.task,
            class: options.class.clone(),
            key_converter: converter("key.converter"),
            value_converter: converter("value.converter"),
            header_converter: headers,
            plugin_digest: plugin.digest(),
            config_version: entry.map(|entry| entry.digest.clone()).unwrap_or_default(),
        };
        Failures {
            label: label(&self.id),
            origin: Arc::new(origin),
            policy: options.errors.clone(),
            room: self.rooms.of(0),
            state: self.core.clone(),
            counters: self.metrics().counters.clone(),
        }
    }

    /// What the connector's records go through on their way; `None` if nothing.
    async fn transform(&self, way: Way) -> Result<Option<BatchTransform>, TaskError> {
        let chain = Chain::read(&self.config).map_err(|problems| {
            let all: Vec<_> =
                problems.iter().map(|it| format!("`{}` {}", it.option, it.message)).collect();
            TaskError::stop(all.join("; "))
        })?;
        let wrong = |errors: Vec<converters::ConverterError>| {
            let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
            TaskError::stop(all.join("; "))
        };
        let opened = OpenedRegistries {
            key: self.registry(Part::Key).await?,
            value: self.registry(Part::Value).await?,
        };
        let passages = Passages::from_config(&self.config, way, &opened).map_err(wrong)?;
        if chain.is_empty() && !passages.convert() {
            return Ok(None);
        }
        let headers = HeaderConverter::from_config(&self.config).map_err(wrong)?;
        Ok(Some(BatchTransform::new(chain, passages, headers)))
    }

    /// The schema registry that a converter's connection is to.
    async fn registry(&self, part: Part) -> Result<Option<RegistrySettings>, TaskError> {
        let Some(name) = registry_config::connection(&self.config, part) else { return Ok(None) };
        let context = self.context(&self.stop);
        self.core.plugins.connections().registry(name, &context).await.map(Some)
    }

    fn tell(&self, state: State, trace: Option<String>) {
        self.core.tell(StatusKey::Task(self.id.clone()), state, trace);
    }

    fn context(&self, stop: &CancellationToken) -> TaskContext {
        TaskContext {
            id: self.id.clone(),
            checkpoints: self.core.checkpoints.clone(),
            stop: stop.clone(),
            reopen: self.stop.clone(),
            lease: self.core.lease.get().cloned().unwrap_or_default(),
        }
    }

    /// A producer of its own for a task or partition number, whose transactions stay
    /// open for this long before they are committed.
    fn exactly_once(
        &self,
        number: impl std::fmt::Display,
        overrides: &Overrides,
        open_for: Duration,
    ) -> Result<Delivery, TaskError> {
        let id = self.core.config.transactional_id(&self.id.connector, number);
        let timeout = self.core.config.transaction_timeout() + open_for;
        Ok(Delivery::exactly_once(self.core.producers.transactional(&id, timeout, overrides)?))
    }

    /// What the plugin may write to, as the connector's own options have it:
    /// `config` holds nothing that a plugin made.
    fn output_topics(&self, config: &ConnectorConfig) -> OutputTopics {
        // Dead letters are the host's to write.
        let mut config = config.clone();
        config.remove(error_options::LETTERS);
        OutputTopics::new(&config, self.core.clone()).observed(self.observer())
    }

    fn metrics(&self) -> Arc<TaskMetrics> {
        self.connector.task(self.id.task)
    }

    /// Its plugin is open, or could not be opened.
    fn opened<P>(&self, opened: Result<P, TaskError>) -> Result<P, TaskError> {
        self.metrics().calls.note(Call::Open, &opened);
        if opened.is_ok() && !self.started.swap(true, Ordering::Relaxed) {
            self.core.metrics.task_starts.succeeded();
        }
        opened
    }

    fn observer(&self) -> Arc<TaskObserver> {
        let (core, connector) = (self.core.clone(), self.connector.clone());
        Arc::new(TaskObserver { core, connector, id: self.id.clone() })
    }

    async fn session(&self, progressed: Arc<AtomicBool>) -> Result<(), TaskError> {
        let plugin = self.core.plugin_of(&self.config).map_err(TaskError::stop)?;
        let kind = plugin.info().kind;
        let options = Options::read(kind, &self.config, &self.core.config).map_err(|problems| {
            let all: Vec<_> =
                problems.iter().map(|it| format!("`{}` {}", it.option, it.message)).collect();
            TaskError::stop(all.join("; "))
        })?;
        if let Some(topic) = &options.errors.dead_letters {
            topics::check_free(&*self.core, &topic.name)?;
            let admin = self.core.clients.admin();
            dead_letters::ensure(&*admin, topic).await?;
            let overrides = &options.producer_overrides;
            self.rooms.learn(dead_letters::bytes_max(&*admin, topic, overrides).await);
        }
        match kind {
            ConnectorKind::Source => self.source(&*plugin, &options, progressed).await,
            ConnectorKind::Sink => self.sink(&*plugin, &options, progressed).await,
            ConnectorKind::Processor => self.processor(plugin, options, progressed).await,
        }
    }
}
