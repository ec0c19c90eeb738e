//! A source's session, opened.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::watch;

use super::Runner;
use crate::convert::config::Way;
use crate::task::delivery::Delivery;
use crate::task::error::TaskError;
use crate::task::source::{Boundary, SourceSession};
use crate::worker::catch_up;
use crate::worker::config::SourceSupport;
use crate::worker::core::label;
use crate::worker::generations;
use crate::worker::guarantees;
use crate::worker::herder::ConnectorKind;
use crate::worker::metrics::MeteredSource;
use crate::worker::options::{self, Options};
use crate::worker::plugin::{PlannedTask, Plugin};
use crate::worker::stores::OffsetRecords;

impl Runner {
    pub(super) async fn source(
        &self,
        plugin: &dyn Plugin,
        options: &Options,
        progressed: Arc<AtomicBool>,
    ) -> Result<(), TaskError> {
        // The worker, or the configuration, may be another than when this was checked first.
        let sources = self.core.config.exactly_once_sources;
        if let Some(unmet) = guarantees::unmet(ConnectorKind::Source, &self.config, sources) {
            return Err(TaskError::stop(format!("`{}` {}", unmet.option, unmet.message)));
        }
        let text = |name: &str| self.config.get(name).cloned().unwrap_or_default();
        let task = PlannedTask {
            name: text(options::TASK_NAME),
            assignment: text(options::TASK_ASSIGNMENT),
        };
        let mut config = self.config.clone();
        config.remove(options::TASK_NAME);
        config.remove(options::TASK_ASSIGNMENT);
        if let Some(undrawn) = guarantees::undrawn(&self.config, plugin.ends_transactions()) {
            return Err(TaskError::stop(format!("`{}` {}", undrawn.option, undrawn.message)));
        }
        let boundary = options.boundary.transactions(self.core.config.offset_flush_interval);
        let connector = &self.id.connector;
        if let Some(generation) = self.generation {
            let may_start = tokio::select! {
                may_start = generations::may_start(&self.core, connector, generation) => may_start?,
                () = self.stop.cancelled() => false,
            };
            if !may_start {
                return Ok(());
            }
        }
        let delivery = match sources {
            SourceSupport::Enabled => {
                let open_for = match boundary {
                    Boundary::Interval(interval) => interval,
                    Boundary::Poll | Boundary::Connector => Duration::ZERO,
                };
                self.exactly_once(self.id.task, &options.producer_overrides, open_for)?
            }
            SourceSupport::Disabled | SourceSupport::Preparing => {
                Delivery::AtLeastOnce(self.core.producers.get(&options.producer_overrides)?)
            }
        };
        let writes = self.core.writes();
        // Not to be left half-way, stopped or not: a takeover that is still on its way
        // when the next owner has taken over fences that one.
        writes.hold(delivery.open()).await??;
        // This generation may have been fenced before that.
        if let Some(generation) = self.generation
            && !generations::is_present(&self.core, connector, generation).await?
        {
            return Ok(());
        }
        // What the task's last owner saved comes first.
        let (admin, offsets) = (self.core.clients.admin(), &self.core.logs.offset);
        let patience = 2 * self.core.config.transaction_timeout();
        let name = label(&self.id);
        tokio::select! {
            read = catch_up::read_to_end(offsets, &*admin, &name, patience) => read?,
            () = self.stop.cancelled() => return Ok(()),
        }
        self.connector.set_done(self.id.task, false);
        let opened = plugin.open_source(self.context(&self.stop), &config, &task).await;
        let opened = self.opened(opened)?;
        let opened = Box::new(MeteredSource { plugin: opened, metrics: self.metrics() });
        let (done, mut is_done) = watch::channel(false);
        let session = SourceSession {
            label: label(&self.id),
            delivery,
            checkpoints: Arc::new(OffsetRecords {
                connector: self.id.connector.clone(),
                topic: self.core.config.offset_storage.name.clone(),
            }),
            writes,
            topics: self.output_topics(&config),
            transform: self.transform(Way::ToTopics).await?,
            failures: self.failures(plugin, options),
            boundary,
            counters: self.metrics().counters.clone(),
            done,
            replan: self.replan.clone(),
            progressed,
            stop: self.stop.clone(),
        };
        let mut running = Box::pin(session.run(opened));
        loop {
            tokio::select! {
                ended = &mut running => return ended,
                Ok(()) = is_done.changed() => {
                    self.connector.set_done(self.id.task, *is_done.borrow());
                }
            }
        }
    }
}
