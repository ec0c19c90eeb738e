//! An open processor.

use std::sync::Arc;

use super::bindings::processor::{ProcessorPart, ProcessorPartPre};
use super::bindings::types;
use super::call::Live;
use super::convert;
use super::error::{CallError, Cause, Fault};
use super::guest::{Guest, Metrics};
use super::plugin::{Form, OpenContext, Plugin};
use super::records::Handed;
use super::state::{StateFull, StateStore};
use crate::batch::Batch;
use crate::convert::Converters;
use crate::task::failures::{Failure, Stage};
use crate::task::plugin::{Output, Processed, Refused};

/// A processor, open for one partition number of its inputs.
pub struct ProcessorInstance {
    live: Live<ProcessorPart>,
    input: Form,
    output: Form,
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
        let (input, output) = (plugin.manifest().input, plugin.manifest().output);
        Ok(Self { live, input, output, converters })
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
        let Handed { handle, asked } =
            self.live.hold("process", batch, self.input, &self.converters)?;
        if asked.records == 0 {
            let rejects = asked.rejects(Vec::new(), Stage::TaskProcess);
            let rejects = rejects.map_err(|cause| self.live.failed("process", cause))?;
            return Ok(Processed { rejects, ..Processed::default() });
        }
        let topic = topic.to_owned();
        let processed = self.live.call("process", limit, |store, part| {
            Box::pin(async move {
                let handle = store.data_mut().table.push(handle)?;
                part.longshore_connector_processor().call_process(store, &topic, handle).await
            })
        });
        let answer = match processed.await {
            Ok(processed) => self
                .outputs(processed.outputs)
                .and_then(|outputs| {
                    Ok((outputs, asked.rejects(processed.rejects, Stage::TaskProcess)?))
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

    /// What it gave out, as the topics' bytes. A processor's answer is one whole: what a
    /// converter cannot write of it is no record that could be left out.
    fn outputs(&self, given: Vec<types::Output>) -> Result<Vec<Output>, Cause> {
        let schemas = &self.live.store.data().schemas;
        let written = convert::outputs(given, self.output, &self.converters, schemas)?;
        match written.unwritten.into_iter().next() {
            None => Ok(written.outputs),
            Some(Refused { failure: Failure { code, message, .. }, .. }) => {
                Err(Cause::Fault(Fault::Fatal { code, message }))
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
