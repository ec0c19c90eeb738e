//! An open source.

use std::sync::Arc;
use std::time::Duration;

use super::bindings::source::exports::longshore::connector::source as wit;
use super::bindings::source::{SourcePart, SourcePartPre};
use super::bindings::types;
use super::call::Live;
use super::convert;
use super::error::{CallError, Cause};
use super::guest::{Guest, Metrics};
use super::plugin::{Form, OpenContext, Plugin};
use crate::convert::Converters;
use crate::task::failures::{Failure, Stage};
use crate::task::plugin::{Next, Polled, Refused, TransactionEnd};
use crate::worker::plugin::PlannedTask;

/// One task of a source, open.
pub struct SourceInstance {
    live: Live<SourcePart>,
    form: Form,
    converters: Arc<Converters>,
}

impl SourceInstance {
    pub(super) async fn plan(
        plugin: &Plugin,
        part: &SourcePartPre<Guest>,
        context: OpenContext,
        config: String,
        tasks_max: u32,
    ) -> Result<Vec<PlannedTask>, CallError> {
        let mut live = live(plugin, part, context).await?;
        let limit = live.limits().call;
        let tasks = live.call("plan", limit, |store, part| {
            Box::pin(async move {
                part.longshore_connector_source().call_plan(store, &config, tasks_max).await
            })
        });
        let tasks = tasks.await?;
        if tasks.len() > tasks_max as usize {
            let words = format!("it planned {} tasks of at most {tasks_max}", tasks.len());
            return Err(live.failed("plan", Cause::Answer(words)));
        }
        let planned =
            |task: types::Task| PlannedTask { name: task.name, assignment: task.assignment };
        Ok(tasks.into_iter().map(planned).collect())
    }

    pub(super) async fn open(
        plugin: &Plugin,
        part: &SourcePartPre<Guest>,
        context: OpenContext,
        config: String,
        task: &PlannedTask,
        converters: Arc<Converters>,
    ) -> Result<Self, CallError> {
        let mut live = live(plugin, part, context).await?;
        let limit = live.limits().call;
        let task = types::Task { name: task.name.clone(), assignment: task.assignment.clone() };
        live.call("open", limit, |store, part| {
            Box::pin(async move {
                part.longshore_connector_source().call_open(store, &config, &task).await
            })
        })
        .await?;
        Ok(Self { live, form: plugin.manifest().output, converters })
    }

    /// Asks for records: it returns within `wait` even if there are none, and
    /// stays near `max_bytes`.
    pub async fn poll(&mut self, wait: Duration, max_bytes: u32) -> Result<Polled, CallError> {
        let limit = self.live.limits().call + wait;
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        self.live.store.data_mut().transaction_end = None;
        let polled = self.live.call("poll", limit, |store, part| {
            Box::pin(part.longshore_connector_source().call_poll(store, wait_ms, max_bytes))
        });
        let polled = polled.await?;
        let end = self.live.store.data_mut().transaction_end.take();
        self.checked(polled, end).map_err(|cause| self.live.failed("poll", cause))
    }

    /// The first `polls` polls since it was opened are durable.
    pub async fn committed(&mut self, polls: u64) -> Result<(), CallError> {
        let limit = self.live.limits().call;
        let call = self.live.call("committed", limit, |store, part| {
            Box::pin(part.longshore_connector_source().call_committed(store, polls))
        });
        call.await
    }

    /// Lets the guest let go; whatever it answers, it is gone.
    pub async fn close(mut self) {
        let limit = self.live.limits().describe;
        let call = self.live.call("close", limit, |store, part| {
            Box::pin(
                async move { part.longshore_connector_source().call_close(store).await.map(Ok) },
            )
        });
        if let Err(error) = call.await {
            tracing::warn!(%error, "a source did not close");
        }
    }

    fn checked(&self, polled: wit::Polled, end: Option<TransactionEnd>) -> Result<Polled, Cause> {
        let schemas = &self.live.store.data().schemas;
        let written = convert::outputs(polled.outputs, self.form, &self.converters, schemas)?;
        let refused = polled.refused.into_iter().map(|wit::Refused { payload, code, message }| {
            Refused { payload, failure: Failure { stage: Stage::TaskPoll, code, message } }
        });
        Ok(Polled {
            outputs: written.outputs,
            refused: refused.chain(written.unwritten).collect(),
            saved: convert::checkpoints(polled.saved)?,
            end,
            next: match polled.next {
                wit::Next::More => Next::More,
                wit::Next::Idle => Next::Idle,
                wit::Next::Done => Next::Done,
                wit::Next::Replan => Next::Replan,
            },
        })
    }

    /// Memory of the instance in bytes; it never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.live.store.data().memory.used()
    }

    /// What the plugin reported about itself.
    pub fn metrics(&self) -> &Metrics {
        &self.live.store.data().metrics
    }
}

async fn live(
    plugin: &Plugin,
    part: &SourcePartPre<Guest>,
    context: OpenContext,
) -> Result<Live<SourcePart>, CallError> {
    Live::open(&plugin.host, plugin.name(), Some(context), async |store| {
        part.instantiate_async(store).await
    })
    .await
}
