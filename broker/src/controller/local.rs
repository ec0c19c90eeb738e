//! The controller of a single node, over a local journal.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::{
    BrokerRecord, ClusterImage, ConfigChange, ConfigResource, Controller, ControllerError,
    JournalError, MetadataRecord, NewTopic, NoCredential, OutlivedEpoch, QuorumState, QuotaEntity,
    ScramChange, TopicConfigCheck, TopicImage, TopicRef, acl,
    journal::Journal,
    placement,
    plan::{self, TopicDefaults},
    quota, scram,
};
use crate::{
    auth::{Acl, AclFilter},
    config::dynamic::DynamicBounds,
    limits,
};

/// The controller of a single node.
#[derive(Debug)]
pub struct LocalController {
    /// `None` after a failed write: what the disk holds is then unknown.
    journal: Arc<Mutex<Option<Journal>>>,
    image: watch::Sender<Arc<ClusterImage>>,
    defaults: TopicDefaults,
    bounds: DynamicBounds,
    /// The sequence of the journal's next transaction.
    log_end_offset: Arc<AtomicI64>,
}

impl LocalController {
    /// Opens the journal in `directory`, creating it if it is not there.
    ///
    /// # Errors
    /// When the journal is corrupt or the file system refuses.
    pub fn open(
        directory: &Path,
        default_partitions: i32,
        check: TopicConfigCheck,
        bounds: DynamicBounds,
    ) -> Result<Self, JournalError> {
        let (journal, image) = Journal::open(directory)?;
        let log_end_offset = Arc::new(AtomicI64::new(journal.next_sequence()));
        Ok(Self {
            journal: Arc::new(Mutex::new(Some(journal))),
            image: watch::Sender::new(Arc::new(image)),
            defaults: TopicDefaults { partitions: default_partitions, check },
            bounds,
            log_end_offset,
        })
    }

    /// Decides under the journal's lock, so that no two decisions rest on the
    /// same image; answers with the image after it.
    async fn change(
        &self,
        validate_only: bool,
        decide: impl FnOnce(&ClusterImage) -> Result<Vec<MetadataRecord>, ControllerError> + Send,
    ) -> Result<(Vec<MetadataRecord>, Arc<ClusterImage>), ControllerError> {
        let mut slot = Arc::clone(&self.journal).lock_owned().await;
        let image = self.image.borrow().clone();
        let records = decide(&image)?;
        let mut next = (*image).clone();
        records.iter().for_each(|record| next.apply(record));
        if validate_only || records.is_empty() {
            return Ok((records, Arc::new(next)));
        }
        let Some(mut journal) = slot.take() else {
            let reason = "an earlier write failed".to_owned();
            return Err(ControllerError::Storage { reason });
        };
        // The write goes on even if the asker goes away: the lock moves along.
        let publish = self.image.clone();
        let log_end_offset = Arc::clone(&self.log_end_offset);
        let written = tokio::task::spawn_blocking(move || {
            if let Err(error) = journal.append(&records) {
                if journal.is_usable() {
                    *slot = Some(journal);
                }
                return Err(error);
            }
            log_end_offset.store(journal.next_sequence(), Ordering::Release);
            let next = Arc::new(next);
            publish.send_replace(Arc::clone(&next));
            if let Err(error) = journal.compact_if_large(&next) {
                tracing::error!(%error, "the metadata journal could not be compacted");
            }
            if journal.is_usable() {
                *slot = Some(journal);
            }
            Ok((records, next))
        });
        match written.await {
            Ok(result) => result.map_err(|error: JournalError| {
                tracing::error!(%error, "the metadata journal could not be written");
                ControllerError::Storage { reason: error.to_string() }
            }),
            Err(join) => Err(ControllerError::Storage { reason: join.to_string() }),
        }
    }
}

#[async_trait]
impl Controller for LocalController {
    fn image(&self) -> watch::Receiver<Arc<ClusterImage>> {
        self.image.subscribe()
    }

    async fn register_broker(&self, broker: BrokerRecord) -> Result<(), ControllerError> {
        self.change(false, |image| {
            let known = image.brokers().any(|present| *present == broker);
            Ok(if known { Vec::new() } else { vec![MetadataRecord::Broker(broker)] })
        })
        .await
        .map(drop)
    }

    async fn create_topic(
        &self,
        topic: NewTopic,
        validate_only: bool,
    ) -> Result<Arc<TopicImage>, ControllerError> {
        let id = Uuid::new_v4();
        let (_, image) = self
            .change(validate_only, |image| plan::create_topic(image, self.defaults, &topic, id))
            .await?;
        plan::find(&image, &TopicRef::Id(id)).cloned()
    }

    async fn delete_topic(&self, topic: TopicRef) -> Result<Arc<TopicImage>, ControllerError> {
        let mut deleted = None;
        self.change(false, |image| {
            let found = plan::find(image, &topic)?;
            deleted = Some(Arc::clone(found));
            Ok(vec![MetadataRecord::RemoveTopic { topic_id: found.id }])
        })
        .await?;
        Ok(deleted.expect("a decision that succeeded found the topic"))
    }

    async fn create_partitions(
        &self,
        name: &str,
        count: i32,
        assignments: Option<Vec<Vec<i32>>>,
        validate_only: bool,
    ) -> Result<Arc<TopicImage>, ControllerError> {
        let (_, image) = self
            .change(validate_only, |image| {
                plan::create_partitions(image, name, count, assignments.as_deref())
            })
            .await?;
        plan::find(&image, &TopicRef::Name(name.to_owned())).cloned()
    }

    async fn begin_leader_epochs(&self, outlived: &[OutlivedEpoch]) -> Result<(), ControllerError> {
        // By the thousand, so that they fit a frame of the journal however many there are.
        for some in outlived.chunks(1000) {
            self.change(false, |image| Ok(placement::begin_leader_epochs(image, some))).await?;
        }
        Ok(())
    }

    async fn alter_configs(
        &self,
        resource: ConfigResource,
        changes: HashMap<String, ConfigChange>,
        validate_only: bool,
    ) -> Result<(), ControllerError> {
        self.change(validate_only, |image| {
            plan::alter_configs(image, self.defaults.check, &self.bounds, &resource, &changes)
        })
        .await
        .map(drop)
    }

    async fn create_acls(&self, acls: Vec<Acl>) -> Result<(), ControllerError> {
        self.change(false, |image| Ok(acl::create(image, acls))).await.map(drop)
    }

    async fn delete_acls(&self, filters: Vec<AclFilter>) -> Result<Vec<Vec<Acl>>, ControllerError> {
        let mut deleted = Vec::new();
        self.change(false, |image| {
            let (found, records) = acl::delete(image, &filters);
            deleted = found;
            Ok(records)
        })
        .await?;
        Ok(deleted)
    }

    async fn alter_scram_credentials(
        &self,
        changes: Vec<ScramChange>,
    ) -> Result<Vec<Result<(), NoCredential>>, ControllerError> {
        let mut answers = Vec::new();
        self.change(false, |image| {
            let (answered, records) = scram::alter(image, changes);
            answers = answered;
            Ok(records)
        })
        .await?;
        Ok(answers)
    }

    async fn replace_configs(
        &self,
        resource: ConfigResource,
        configs: BTreeMap<String, String>,
        validate_only: bool,
    ) -> Result<(), ControllerError> {
        self.change(validate_only, |image| {
            let changes = plan::replacing(image, &resource, configs);
            plan::alter_configs(image, self.defaults.check, &self.bounds, &resource, &changes)
        })
        .await
        .map(drop)
    }

    async fn alter_client_quotas(
        &self,
        entity: QuotaEntity,
        changes: Vec<(String, Option<f64>)>,
        validate_only: bool,
    ) -> Result<(), ControllerError> {
        self.change(validate_only, |image| quota::alter(image, &entity, &changes)).await.map(drop)
    }

    fn quorum(&self) -> QuorumState {
        // A local journal has one writer for good, so there is one epoch.
        QuorumState { leader_epoch: 1, log_end_offset: self.log_end_offset.load(Ordering::Acquire) }
    }

    async fn allocate_producer_ids(&self) -> Result<Range<i64>, ControllerError> {
        let mut first = 0;
        self.change(false, |image| {
            first = image.next_producer_id();
            Ok(vec![MetadataRecord::ProducerIds { next: first + limits::PRODUCER_ID_BLOCK }])
        })
        .await?;
        Ok(first..first + limits::PRODUCER_ID_BLOCK)
    }
}
