//! A sink's session, opened.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Runner;
use crate::convert::config::Way;
use crate::task::delivery::Delivery;
use crate::task::error::TaskError;
use crate::task::plugin::SinkPlugin;
use crate::task::sink::SinkSession;
use crate::task::transforms::TransformingSink;
use crate::worker::core::label;
use crate::worker::guarantees::Guarantee;
use crate::worker::metrics::MeteredSink;
use crate::worker::options::Options;
use crate::worker::plugin::Plugin;
use crate::worker::reread::TopicReader;

impl Runner {
    pub(super) async fn sink(
        &self,
        plugin: &dyn Plugin,
        options: &Options,
        progressed: Arc<AtomicBool>,
    ) -> Result<(), TaskError> {
        let consumer = self.connector.consumer(&*self.core.clients, &options.consumer_overrides)?;
        let opened = plugin.open_sink(self.context(&self.stop), &self.config).await;
        let opened = self.opened(opened)?;
        let opened: Box<dyn SinkPlugin> =
            Box::new(MeteredSink { plugin: opened, metrics: self.metrics() });
        let opened = match self.transform(Way::FromTopics).await? {
            Some(transform) => Box::new(TransformingSink::new(opened, transform)),
            None => opened,
        };
        let session = SinkSession {
            label: label(&self.id),
            fleet: self.core.config.group_id.clone(),
            group: self.connector.group.clone(),
            shares: self.shares.clone(),
            held: self.held.clone(),
            targets: self.connector.targets.subscribe(),
            consumer: consumer.share(),
            offset_reset: options.offset_reset,
            writes: self.core.writes(),
            commit_every: self.core.config.offset_flush_interval,
            at_most_once: options.guarantee == Guarantee::AtMostOnce,
            failures: self.failures(plugin, options),
            dead_letters: Delivery::AtLeastOnce(
                self.core.producers.get(&options.producer_overrides)?,
            ),
            reread: Box::new(TopicReader::new(
                self.connector.clone(),
                self.core.clients.clone(),
                options.consumer_overrides.clone(),
            )),
            patience: self.patience(),
            counters: self.metrics().counters.clone(),
            observer: self.observer(),
            progressed,
            stop: self.stop.clone(),
        };
        session.run(opened).await
    }
}
