//! An open processor.

use std::sync::Arc;

use super::bindings::processor::{ProcessorPart, ProcessorPartPre};
use super::call::Live;
use super::convert;
use super::error::{CallError, Cause};
use super::guest::{Guest, Metrics};
use super::plugin::{OpenContext, Plugin};
use super::state::{StateFull, StateStore};
use crate::batch::Batch;
use crate::convert::Converters;
use crate::task::failures::Stage;
use crate::task::plugin::Processed;

/// A processor, open for one partition number of its inputs.
pub struct ProcessorInstance {
    live: Live<ProcessorPart>,
    converters: Arc<Converters>,
}

impl ProcessorInstance {
    pub(super) async fn open(
        plugin: &Plugin,
        part: &ProcessorPartPre<Guest>,
        context: OpenContext,
        config: String,
        partition: u32,
        converters: Arc<Converters>,
    ) -> Result<Self, CallError> {
        let mut live = Live::open(&plugin.host, plugin.name(), Some(context), async |store| {
            part.instantiate_async(store).await
        })
        .await?;
        let limit = live.limits().call;
        live.call("open", limit, |store, part| {
            Box::pin(async move {
                part.longshore_connector_processor().call_open(store, &config, partition).await
            })
        })
        .await?;
        // State belongs to the changelog, and nothing that was written before
        // the changelog was read may hide what is there.
        live.store.data_mut().state.discard();
        Ok(Self { live, converters })
    }

    /// Takes back state from the changelog, before the first `process`.
    pub fn restore(&mut self, changes: &Batch) -> Result<(), StateFull> {
        self.live.store.data_mut().state.restore(changes)
    }

    /// Processes records of one input topic. When it fails, the state is as it
    /// was before.
    pub async fn process(
        &mut self,
        topic: &str,
        batch: Arc<Batch>,
    ) -> Result<Processed, CallError> {
        let limit = self.live.limits().call;
        let records = batch.len();
        let handle = self.live.hold("process", batch, &self.converters)?;
        let unread = handle.unread.clone();
        let stage = |at| unread.stage(at, Stage::TaskProcess);
        let topic = topic.to_owned();
        let processed = self.live.call("process", limit, |store, part| {
            Box::pin(async move {
                let handle = store.data_mut().table.push(handle)?;
                part.longshore_connector_processor().call_process(store, &topic, handle).await
            })
        });
        let answer = match processed.await {
            Ok(processed) => convert::outputs(processed.outputs)
                .and_then(|outputs| {
                    Ok((outputs, convert::rejects(processed.rejects, records, stage)?))
                })
                .map_err(|cause: Cause| self.live.failed("process", cause)),
            Err(error) => Err(error),
        };
        let state = &mut self.live.store.data_mut().state;
        match answer {
            Ok((outputs, rejects)) => Ok(Processed { outputs, rejects, changes: state.commit() }),
            Err(error) => {
                state.discard();
                Err(error)
            }
        }
    }

    /// Lets the guest let go; whatever it answers, it is gone.
    pub async fn close(mut self) {
        let limit = self.live.limits().describe;
        let call = self.live.call("close", limit, |store, part| {
            Box::pin(
                async move { part.longshore_connector_processor().call_close(store).await.map(Ok) },
            )
        });
        if let Err(error) = call.await {
            tracing::warn!(%error, "a processor did not close");
        }
    }

    /// The keyed state.
    pub fn state(&self) -> &StateStore {
        &self.live.store.data().state
    }

    /// Memory of the instance in bytes, its state not counted; it never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.live.store.data().memory.used()
    }

    /// What the plugin reported about itself.
    pub fn metrics(&self) -> &Metrics {
        &self.live.store.data().metrics
    }
}
