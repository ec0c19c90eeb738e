//! A processor's sessions, one for each of its partition numbers, opened.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::kafka::{OffsetReset, Overrides, TopicPartition};
use crate::task::delivery::Delivery;
use crate::task::error::TaskError;
use crate::task::failures::Failures;
use crate::task::numbers::{OpenNumber, ProcessorTask};
use crate::task::plugin::ProcessorPlugin;
use crate::task::processor::ProcessorSession;
use crate::worker::clients::SharedConsumer;
use crate::worker::core::label;
use crate::worker::guarantees::Guarantee;
use crate::worker::options::{Inputs, Options};
use crate::worker::plan::changelog_topic;
use crate::worker::plugin::Plugin;

impl Runner {
    pub(super) async fn processor(
        &self,
        plugin: Arc<dyn Plugin>,
        options: Options,
        progressed: Arc<AtomicBool>,
    ) -> Result<(), TaskError> {
        let Some(Inputs::Names(topics)) = options.inputs.clone() else {
            return Err(TaskError::stop("a processor names its topics"));
        };
        let consumer = self.connector.consumer(&*self.core.clients, &options.consumer_overrides)?;
        let mut overrides = options.consumer_overrides.clone();
        let changes = match overrides.remove("isolation.level").as_deref().map(str::trim) {
            Some("read_uncommitted") => {
                self.core.clients.consumer(Some(&self.connector.group), &overrides)?
            }
            _ => consumer.clone(),
        };
        let task = ProcessorTask {
            shares: self.shares.clone(),
            held: self.held.clone(),
            open: Arc::new(Opener {
                failures: self.failures(&*plugin, &options),
                guarantee: options.guarantee,
                overrides: options.producer_overrides,
                runner: self.clone(),
                plugin,
                topics: topics.into_iter().collect(),
                consumer,
                changes,
                offset_reset: options.offset_reset,
                progressed,
            }),
            stop: self.stop.clone(),
        };
        task.run().await
    }
}

/// Opens one partition number of a processor after another.
struct Opener {
    runner: Runner,
    plugin: Arc<dyn Plugin>,
    topics: Vec<String>,
    consumer: Arc<dyn SharedConsumer>,
    /// The same, unless that reads what is not committed.
    changes: Arc<dyn SharedConsumer>,
    guarantee: Guarantee,
    overrides: Overrides,
    offset_reset: OffsetReset,
    failures: Failures,
    progressed: Arc<AtomicBool>,
}

#[async_trait]
impl OpenNumber for Opener {
    async fn open(
        &self,
        number: i32,
        stop: CancellationToken,
    ) -> Result<(ProcessorSession, Box<dyn ProcessorPlugin>), TaskError> {
        let Runner { core, connector, id, config, .. } = &self.runner;
        let context = self.runner.context(&stop);
        let partition = u32::try_from(number)
            .map_err(|_| TaskError::stop(format!("there is no partition {number}")))?;
        let opened = self.plugin.open_processor(context, config, partition).await;
        let plugin = self.runner.opened(opened)?;
        let delivery = match self.guarantee {
            Guarantee::ExactlyOnceV2 => {
                self.runner.exactly_once(number, &self.overrides, Duration::ZERO)?
            }
            Guarantee::AtLeastOnce | Guarantee::AtMostOnce => {
                Delivery::AtLeastOnce(core.producers.get(&self.overrides)?)
            }
        };
        let session = ProcessorSession {
            label: format!("{}, partition {number}", label(id)),
            fleet: core.config.group_id.clone(),
            group: connector.group.clone(),
            inputs: self
                .topics
                .iter()
                .map(|topic| TopicPartition::new(topic.as_str(), number))
                .collect(),
            changelog: TopicPartition::new(changelog_topic(&connector.name), number),
            consumer: self.consumer.share(),
            admin: core.clients.admin(),
            changes: self.changes.share(),
            recommit_every: core.config.recommit_every,
            offset_reset: self.offset_reset,
            delivery,
            writes: core.writes(),
            topics: self.runner.output_topics(config),
            failures: Failures { room: self.runner.rooms.of(number), ..self.failures.clone() },
            patience: self.runner.patience(),
            counters: connector.task(id.task).counters.clone(),
            observer: self.runner.observer(),
            progressed: self.progressed.clone(),
            stop,
        };
        Ok((session, plugin))
    }
}
