//! An open sink.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bindings::sink::exports::longshore::connector::sink as wit;
use super::bindings::sink::{SinkPart, SinkPartPre};
use super::bindings::types;
use super::call::Live;
use super::convert;
use super::error::{CallError, Cause};
use super::guest::{Guest, Metrics};
use super::plugin::{Form, OpenContext, Plugin};
use super::records::Handed;
use crate::batch::Batch;
use crate::convert::Converters;
use crate::kafka::TopicPartition;
use crate::task::failures::{Failure, Stage};
use crate::task::plugin::{LateReject, Mark, Progress, Reject};

/// One task of a sink, open.
pub struct SinkInstance {
    live: Live<SinkPart>,
    form: Form,
    converters: Arc<Converters>,
}

impl SinkInstance {
    pub(super) async fn open(
        plugin: &Plugin,
        part: &SinkPartPre<Guest>,
        context: OpenContext,
        config: String,
        converters: Arc<Converters>,
    ) -> Result<Self, CallError> {
        let mut live = Live::open(&plugin.host, plugin.name(), Some(context), async |store| {
            part.instantiate_async(store).await
        })
        .await?;
        let limit = live.limits().call;
        live.call("open", limit, |store, part| {
            Box::pin(async move { part.longshore_connector_sink().call_open(store, &config).await })
        })
        .await?;
        Ok(Self { live, form: plugin.manifest().input, converters })
    }

    /// These partitions come. Marks returned say where the sink is.
    pub async fn assigned(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Mark>, CallError> {
        let limit = self.live.limits().call;
        let partitions = to_guest(partitions);
        let marks = self.live.call("assigned", limit, |store, part| {
            Box::pin(async move {
                part.longshore_connector_sink().call_assigned(store, &partitions).await
            })
        });
        let marks = marks.await?;
        all_marks(marks).map_err(|cause| self.live.failed("assigned", cause))
    }

    /// These partitions go: the sink makes durable what it can.
    pub async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, CallError> {
        let limit = self.live.limits().call;
        let partitions = to_guest(partitions);
        let progress = self.live.call("revoked", limit, |store, part| {
            Box::pin(async move {
                part.longshore_connector_sink().call_revoked(store, &partitions).await
            })
        });
        let progress = progress.await?;
        self.checked("revoked", progress)
    }

    /// Hands over records of one partition, in offset order; `topic` is its
    /// name after the transforms.
    pub async fn put(
        &mut self,
        from: &TopicPartition,
        topic: &str,
        batch: Arc<Batch>,
    ) -> Result<Vec<Reject>, CallError> {
        let limit = self.live.limits().call;
        let Handed { handle, asked } = self.live.hold("put", batch, self.form, &self.converters)?;
        if asked.records == 0 {
            return asked
                .rejects(Vec::new(), Stage::TaskPut)
                .map_err(|c| self.live.failed("put", c));
        }
        let (from, topic) = (convert::to_guest_partition(from), topic.to_owned());
        let rejects = self.live.call("put", limit, |store, part| {
            Box::pin(async move {
                let handle = store.data_mut().table.push(handle)?;
                part.longshore_connector_sink().call_put(store, &from, &topic, handle).await
            })
        });
        let rejects = rejects.await?;
        asked.rejects(rejects, Stage::TaskPut).map_err(|cause| self.live.failed("put", cause))
    }

    /// About once a second: what became durable.
    pub async fn tick(&mut self) -> Result<Progress, CallError> {
        let limit = self.live.limits().call;
        let progress = self.live.call("tick", limit, |store, part| {
            Box::pin(part.longshore_connector_sink().call_tick(store))
        });
        let progress = progress.await?;
        self.checked("tick", progress)
    }

    /// Makes everything durable now.
    pub async fn drain(&mut self) -> Result<Progress, CallError> {
        let limit = self.live.limits().call;
        let progress = self.live.call("drain", limit, |store, part| {
            Box::pin(part.longshore_connector_sink().call_drain(store))
        });
        let progress = progress.await?;
        self.checked("drain", progress)
    }

    /// Lets the guest let go; whatever it answers, it is gone.
    pub async fn close(mut self) {
        let limit = self.live.limits().describe;
        let call = self.live.call("close", limit, |store, part| {
            Box::pin(async move { part.longshore_connector_sink().call_close(store).await.map(Ok) })
        });
        if let Err(error) = call.await {
            tracing::warn!(%error, "a sink did not close");
        }
    }

    /// Bytes of the batches that the guest still holds.
    pub fn held_bytes(&self) -> usize {
        self.live.store.data().held.load(Ordering::Relaxed)
    }

    /// Memory of the instance in bytes; it never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.live.store.data().memory.used()
    }

    /// What the plugin reported about itself.
    pub fn metrics(&self) -> &Metrics {
        &self.live.store.data().metrics
    }

    fn checked(
        &mut self,
        call: &'static str,
        progress: wit::Progress,
    ) -> Result<Progress, CallError> {
        checked(progress).map_err(|cause| self.live.failed(call, cause))
    }
}

fn to_guest(partitions: &[TopicPartition]) -> Vec<types::Partition> {
    partitions.iter().map(convert::to_guest_partition).collect()
}

fn checked(progress: wit::Progress) -> Result<Progress, Cause> {
    let late = |reject: wit::LateReject| {
        Ok(LateReject {
            partition: convert::partition(reject.partition)?,
            offset: reject.offset,
            failure: Failure { stage: Stage::TaskPut, code: reject.code, message: reject.message },
        })
    };
    let stalled = |stalled: wit::Stalled| {
        let error = convert::fault(stalled.fault).into();
        Ok((convert::partition(stalled.partition)?, error))
    };
    Ok(Progress {
        marks: all_marks(progress.marks)?,
        rejects: progress.rejects.into_iter().map(late).collect::<Result<_, Cause>>()?,
        stalled: progress.stalled.into_iter().map(stalled).collect::<Result<_, Cause>>()?,
    })
}

fn all_marks(marks: Vec<wit::Mark>) -> Result<Vec<Mark>, Cause> {
    marks
        .into_iter()
        .map(|mark| Ok(Mark { partition: convert::partition(mark.partition)?, next: mark.next }))
        .collect()
}
