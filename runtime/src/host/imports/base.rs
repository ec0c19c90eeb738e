//! `base/host`, `base/checkpoints` and `base/transactions`.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::host::bindings::describe::longshore::base::{checkpoints, host, transactions};
use crate::host::bindings::types;
use crate::host::guest::{Guest, Line, cut};
use crate::task::plugin::TransactionEnd;

/// Checkpoints of one answer at most; more are asked for page by page.
const CHECKPOINTS_MAX: u32 = 10_000;

impl host::Host for Guest {
    fn log(
        &mut self,
        level: host::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let dropped = match self.log.take(Instant::now()) {
            Line::Dropped => return Ok(()),
            Line::Written { dropped } => dropped,
        };
        let task = self.context.as_ref().map(|context| &context.id);
        let connector = task.map_or("", |id| &id.connector);
        let number = task.map(|id| id.task);
        let plugin = &self.plugin;
        if dropped > 0 {
            tracing::warn!(plugin, connector, task = number, dropped, "the plugin logs too much");
        }
        let message = cut(&message);
        let fields: Vec<String> = fields
            .iter()
            .take(16)
            .map(|(name, value)| format!("{}={:?}", cut(name), cut(value)))
            .collect();
        let fields = fields.join(" ");
        match level {
            host::Level::Debug => {
                tracing::debug!(plugin, connector, task = number, fields, "{message}")
            }
            host::Level::Info => {
                tracing::info!(plugin, connector, task = number, fields, "{message}")
            }
            host::Level::Warn => {
                tracing::warn!(plugin, connector, task = number, fields, "{message}")
            }
            host::Level::Error => {
                tracing::error!(plugin, connector, task = number, fields, "{message}")
            }
        }
        Ok(())
    }

    fn count(&mut self, metric: String, add: u64) -> wasmtime::Result<()> {
        self.metrics.count(&metric, add);
        Ok(())
    }

    fn gauge(&mut self, metric: String, value: f64) -> wasmtime::Result<()> {
        self.metrics.gauge(&metric, value);
        Ok(())
    }

    fn observe(&mut self, metric: String, value: f64) -> wasmtime::Result<()> {
        self.metrics.observe(&metric, value);
        Ok(())
    }

    fn stopping(&mut self) -> wasmtime::Result<bool> {
        Ok(self.context.as_ref().is_some_and(|context| context.stopping.is_cancelled()))
    }

    fn now_ms(&mut self) -> wasmtime::Result<i64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
    }

    fn random(&mut self) -> wasmtime::Result<u64> {
        // Six bits of a UUID are fixed, others in each half: the halves of two
        // cover each other's.
        let (high, _) = Uuid::new_v4().as_u64_pair();
        let (_, low) = Uuid::new_v4().as_u64_pair();
        Ok(high ^ low)
    }

    fn last_words(&mut self, message: String) -> wasmtime::Result<()> {
        self.words = cut(&message).to_owned();
        Ok(())
    }
}

impl checkpoints::Host for Guest {
    fn get(&mut self, partitions: Vec<String>) -> wasmtime::Result<Vec<types::Checkpoint>> {
        let Some(context) = &self.context else { return Ok(Vec::new()) };
        Ok(partitions
            .into_iter()
            .filter_map(|partition| {
                let offset = context.checkpoints.get(&context.id.connector, &partition)?;
                Some(types::Checkpoint { partition, offset: Some(offset) })
            })
            .collect())
    }

    fn list(
        &mut self,
        after: Option<String>,
        max: u32,
    ) -> wasmtime::Result<Vec<types::Checkpoint>> {
        let Some(context) = &self.context else { return Ok(Vec::new()) };
        let max = max.min(CHECKPOINTS_MAX) as usize;
        let found = context.checkpoints.list(&context.id.connector, after.as_deref(), max);
        Ok(found
            .into_iter()
            .map(|(partition, offset)| types::Checkpoint { partition, offset: Some(offset) })
            .collect())
    }
}

impl transactions::Host for Guest {
    fn commit(&mut self) -> wasmtime::Result<()> {
        self.transaction_end = Some(TransactionEnd::Commit);
        Ok(())
    }

    fn abort(&mut self) -> wasmtime::Result<()> {
        self.transaction_end = Some(TransactionEnd::Abort);
        Ok(())
    }
}

impl types::Host for Guest {}
