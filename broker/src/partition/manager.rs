//! All partitions of this node. It follows the cluster's image: what the image
//! has is opened, what it lacks is deleted, changed configurations take hold.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    time::Instant,
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use uuid::Uuid;

use super::{handle::Partition, metadata};
use crate::{
    clock,
    controller::{ClusterImage, OutlivedEpoch, TopicImage},
    effective::TopicDefaults,
    log::{Log, LogConfig, Offline, Outage, partition_dir},
};

/// Checks the configurations that are set on one topic, all together.
pub(crate) fn check_topic_configs(configs: &BTreeMap<String, String>) -> Result<(), String> {
    LogConfig::from_map(configs).map(drop).map_err(|error| error.to_string())
}

/// The partitions of one topic, by number.
#[derive(Debug)]
struct Topic {
    id: Uuid,
    partitions: Vec<Arc<Partition>>,
}

/// Who keeps something about topics by their name.
pub(crate) trait DeletionFollower: std::fmt::Debug + Send + Sync {
    /// A topic is gone. Its folders are there until this returns, and no topic of its
    /// name is opened before: a crash in between shows by them.
    fn topic_deleted(self: Arc<Self>, topic: &str);
}

/// All partitions of this node.
#[derive(Debug)]
pub(crate) struct PartitionManager {
    data_dir: PathBuf,
    topic_defaults: TopicDefaults,
    topics: RwLock<HashMap<String, Topic>>,
    /// The image that `topics` shows; locked while it is brought up to date.
    applied: tokio::sync::Mutex<Arc<ClusterImage>>,
    opening: Arc<Semaphore>,
    follower: Mutex<Option<Weak<dyn DeletionFollower>>>,
}

impl PartitionManager {
    pub(crate) fn new(
        data_dir: &Path,
        topic_defaults: TopicDefaults,
        recovery_threads: usize,
    ) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            topic_defaults,
            topics: RwLock::default(),
            applied: tokio::sync::Mutex::default(),
            opening: Arc::new(Semaphore::new(recovery_threads)),
            follower: Mutex::default(),
        }
    }

    /// Tells of deletions from now on, for as long as the follower is there.
    pub(crate) fn tell_of_deletions(&self, follower: &Arc<dyn DeletionFollower>) {
        *self.follower.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::downgrade(follower));
    }

    /// A partition by name and number.
    pub(crate) fn get(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(index).ok()?;
        topics.get(topic)?.partitions.get(index).cloned()
    }

    /// All partitions as they are now.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().flat_map(|topic| topic.partitions.iter().cloned()).collect()
    }

    /// Partitions that must be led in a new epoch, and above which: records that clients
    /// have seen may be lost.
    pub(crate) fn outlived_epochs(&self) -> Vec<OutlivedEpoch> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let of_topic = |topic: &Topic| {
            let outlived = topic.partitions.iter().filter_map(|partition| {
                let (topic_id, partition, epoch) =
                    (topic.id, partition.index(), partition.outlived_epoch()?);
                Some(OutlivedEpoch { topic_id, partition, epoch })
            });
            outlived.collect::<Vec<_>>()
        };
        topics.values().flat_map(of_topic).collect()
    }

    /// How many partitions a topic has; 0 when there is no such topic.
    pub(crate) fn count(&self, topic: &str) -> i32 {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic).map_or(0, |topic| topic.partitions.len() as i32)
    }

    /// Whether there is such a topic, with its partitions open or about to be.
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).contains_key(topic)
    }

    /// Brings the partitions up to the newest image. The work goes on even if the
    /// caller goes away: half of it, with files still being opened or deleted on
    /// other threads, is nothing that the next caller could go on from.
    pub(crate) async fn follow(self: &Arc<Self>, images: &watch::Receiver<Arc<ClusterImage>>) {
        let (manager, images) = (Arc::clone(self), images.clone());
        let following = tokio::spawn(async move { manager.bring_up_to(&images).await });
        if let Err(error) = following.await {
            tracing::error!(%error, "bringing the partitions up to date panicked");
        }
    }

    async fn bring_up_to(&self, images: &watch::Receiver<Arc<ClusterImage>>) {
        let mut applied = self.applied.lock().await;
        // Read under the lock, so that an older image never comes after a newer.
        let image = images.borrow().clone();
        if Arc::ptr_eq(&applied, &image) {
            return;
        }
        for gone in applied.topics() {
            if image.topic(&gone.name).is_none_or(|topic| topic.id != gone.id) {
                self.delete(gone).await;
            }
        }
        let defaults = self.topic_defaults.now(&image);
        let same_defaults = self.topic_defaults.same(&applied, &image);
        let changed = image.topics().filter(|topic| {
            let present = applied.topic(&topic.name);
            !same_defaults || present.is_none_or(|present| !Arc::ptr_eq(present, topic))
        });
        let changed: Vec<_> = changed.cloned().collect();
        self.open_missing(&changed, &defaults, open).await;
        for topic in &changed {
            self.configure(topic, &defaults);
        }
        *applied = image;
    }

    /// Opens the partitions that are not there yet, several at a time.
    async fn open_missing(
        &self,
        topics: &[Arc<TopicImage>],
        defaults: &BTreeMap<String, String>,
        open: Opener,
    ) {
        let mut opening = JoinSet::new();
        for topic in topics {
            let present = {
                let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
                let new = || Topic { id: topic.id, partitions: Vec::new() };
                topics.entry(topic.name.clone()).or_insert_with(new).partitions.len()
            };
            for index in present..topic.partitions.len() {
                let (data_dir, topic) = (self.data_dir.clone(), Arc::clone(topic));
                let config = config_of(&topic, defaults);
                let turn = Arc::clone(&self.opening);
                opening.spawn(async move {
                    let _turn = turn.acquire_owned().await;
                    let opened = Arc::clone(&topic);
                    let job = move || open(&data_dir, &opened, index, config);
                    // One that panics keeps its place: numbers are positions.
                    tokio::task::spawn_blocking(job).await.unwrap_or_else(|error| {
                        let reason = format!("opening it failed: {error}");
                        partition_of(&topic, index, Err(reason))
                    })
                });
            }
        }
        let mut opened: HashMap<String, Vec<Arc<Partition>>> = HashMap::new();
        while let Some(result) = opening.join_next().await {
            let partition = result.expect("the task catches what the opening panics with");
            opened.entry(partition.topic().to_owned()).or_default().push(Arc::new(partition));
        }
        let mut present = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        for topic in topics {
            let entry = present
                .entry(topic.name.clone())
                .or_insert_with(|| Topic { id: topic.id, partitions: Vec::new() });
            let mut more = opened.remove(&topic.name).unwrap_or_default();
            more.sort_by_key(|partition| partition.index());
            entry.partitions.extend(more);
            let numbers = entry.partitions.iter().map(|partition| partition.index());
            assert!(numbers.eq(0..entry.partitions.len() as i32), "numbers are positions");
            debug_assert_eq!(entry.id, topic.id, "a topic made anew was deleted before");
        }
    }

    fn configure(&self, topic: &TopicImage, defaults: &BTreeMap<String, String>) {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let Some(present) = topics.get(&topic.name) else { return };
        for (partition, image) in present.partitions.iter().zip(&topic.partitions) {
            partition.set_config(config_of(topic, defaults));
            partition.set_leader_epoch(image.leader_epoch);
        }
    }

    async fn delete(&self, topic: &TopicImage) {
        let removed = {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            topics.remove(&topic.name)
        };
        let partitions = removed.map(|topic| topic.partitions).unwrap_or_default();
        let (data_dir, topic_id, name) = (self.data_dir.clone(), topic.id, topic.name.clone());
        let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let deleting = tokio::task::spawn_blocking(move || {
            if let Some(follower) = follower.and_then(|follower| follower.upgrade()) {
                follower.topic_deleted(&name);
            }
            for partition in partitions {
                let dir = partition_dir(&data_dir, partition.topic(), partition.index());
                if matches!(metadata::belongs(&dir, topic_id), Ok(Some(false))) {
                    tracing::error!(%partition, "the folder is another topic's and stays");
                    continue;
                }
                let deleted = match partition.opened() {
                    Some(log) => log.delete().map_err(|error| error.to_string()),
                    None => fs::remove_dir_all(dir).map_err(|error| error.to_string()),
                };
                if let Err(error) = deleted {
                    tracing::error!(%partition, %error, "a deleted partition's files remain");
                }
                partition.wake();
            }
        });
        if let Err(error) = deleting.await {
            tracing::error!(topic = %topic.name, %error, "deleting a topic's files panicked");
        }
    }

    /// Has long work on the logs give up: they are closed soon.
    pub(crate) fn begin_close(&self) {
        for partition in self.all() {
            if let Some(log) = partition.opened() {
                log.begin_close();
            }
        }
    }

    /// Closes every log cleanly, several at a time.
    pub(crate) async fn close(&self) {
        let mut closing = JoinSet::new();
        for partition in self.all() {
            let turn = Arc::clone(&self.opening);
            closing.spawn(async move {
                let _turn = turn.acquire_owned().await;
                tokio::task::spawn_blocking(move || {
                    if let Some(log) = partition.opened()
                        && log.check_online().is_ok()
                        && let Err(error) = log.close()
                    {
                        tracing::error!(
                            %partition, %error,
                            "a log was not closed cleanly: it is recovered at the next start"
                        );
                    }
                })
                .await
            });
        }
        while closing.join_next().await.is_some() {}
    }
}

/// The broker's defaults, then what the topic sets.
fn config_of(topic: &TopicImage, defaults: &BTreeMap<String, String>) -> LogConfig {
    LogConfig::from_map(defaults.iter().chain(&topic.configs)).unwrap_or_else(|error| {
        // Checked before it was written down, so this is a later version that no
        // longer knows a configuration, or a default that does not go with it.
        tracing::error!(topic = %topic.name, %error, "a configuration is ignored");
        let mut config = LogConfig::default();
        for (name, value) in defaults.iter().chain(&topic.configs) {
            let _ = config.set(name, value);
        }
        config
    })
}

/// How one partition is opened: [`open`], except in tests.
type Opener = fn(&Path, &TopicImage, usize, LogConfig) -> Partition;

/// Opens one partition. What cannot be opened is offline with the reason,
/// the node goes on with the others.
fn open(data_dir: &Path, topic: &TopicImage, index: usize, config: LogConfig) -> Partition {
    let number = index as i32;
    let started = Instant::now();
    let log = open_log(data_dir, topic, number, config);
    let elapsed_ms = started.elapsed().as_millis();
    tracing::debug!(topic = %topic.name, partition = number, elapsed_ms, "partition opened");
    match log {
        Ok(Opened { log, clean, took_anothers_folder }) => {
            let partition = partition_of(topic, index, Ok(log));
            let partition = if clean { partition } else { partition.recovered() };
            if took_anothers_folder { partition.in_anothers_folder() } else { partition }
        }
        Err(reason) => partition_of(topic, index, Err(reason)),
    }
}

/// A partition with its log, or offline with the reason why it has none.
fn partition_of(topic: &TopicImage, index: usize, log: Result<Log, String>) -> Partition {
    let number = index as i32;
    let log = log.map(Arc::new).map_err(|reason| {
        let partition = format!("{}-{number}", topic.name);
        tracing::error!(%partition, %reason, "the partition is offline");
        Offline { partition, outage: Outage::Failed(reason) }
    });
    let leader_epoch = topic.partitions[index].leader_epoch;
    Partition::new(Arc::from(topic.name.as_str()), number, leader_epoch, log)
}

/// A log, and how it was found.
struct Opened {
    log: Log,
    /// It was closed cleanly before.
    clean: bool,
    /// The folder was that of a topic of the same name.
    took_anothers_folder: bool,
}

fn open_log(
    data_dir: &Path,
    topic: &TopicImage,
    number: i32,
    config: LogConfig,
) -> Result<Opened, String> {
    let dir = partition_dir(data_dir, &topic.name, number);
    let told = |error: std::io::Error| format!("{}: {error}", dir.display());
    let belongs = metadata::belongs(&dir, topic.id).map_err(told)?;
    if belongs == Some(false) {
        // Left by a topic of the same name whose deletion a crash interrupted.
        tracing::warn!(dir = %dir.display(), "records of a deleted topic are removed");
        fs::remove_dir_all(&dir).map_err(told)?;
    }
    let (log, recovery) =
        Log::open(&dir, config, clock::wall_ms()).map_err(|error| error.to_string())?;
    if belongs != Some(true) {
        metadata::write(&dir, topic.id).map_err(told)?;
    }
    tracing::debug!(partition = %dir.display(), ?recovery, "log opened");
    Ok(Opened { log, clean: recovery.clean_shutdown, took_anothers_folder: belongs == Some(false) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        controller::{MetadataRecord, PartitionImage, PartitionRecord},
        log::BatchBuilder,
    };

    fn image_of_topic(topic_id: Uuid) -> watch::Receiver<Arc<ClusterImage>> {
        let mut image = ClusterImage::default();
        image.apply(&MetadataRecord::Topic { topic_id, name: "topic".into() });
        image.apply(&MetadataRecord::Partition(PartitionRecord {
            topic_id,
            partition: 0,
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            replicas: vec![1],
            isr: vec![1],
        }));
        watch::Sender::new(Arc::new(image)).subscribe()
    }

    async fn append_to_topic(dir: &Path, topic_id: Uuid) -> i64 {
        let manager = Arc::new(PartitionManager::new(dir, TopicDefaults::default(), 1));
        manager.follow(&image_of_topic(topic_id)).await;
        let mut builder = BatchBuilder::new(0);
        builder.push(0, None, Some(b"value"), &[]);
        let partition = manager.get("topic", 0).unwrap();
        let appended = partition.append(&mut builder.build().unwrap(), true, None).unwrap();
        manager.close().await;
        appended.base_offset
    }

    #[tokio::test]
    async fn records_of_a_deleted_topic_never_show_in_its_namesake() {
        // A crash between the deletion's record and its files leaves the folder.
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(append_to_topic(dir.path(), old).await, 0);
        assert_eq!(append_to_topic(dir.path(), old).await, 1);
        assert_eq!(append_to_topic(dir.path(), new).await, 0);
    }

    #[tokio::test]
    async fn a_panic_while_one_partition_is_opened_shifts_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let manager = PartitionManager::new(dir.path(), TopicDefaults::default(), 1);
        let partition = PartitionImage {
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            replicas: vec![1],
            isr: vec![1],
        };
        let topic = Arc::new(TopicImage {
            id: Uuid::from_u128(1),
            name: "topic".into(),
            partitions: vec![partition; 3],
            configs: BTreeMap::new(),
        });
        let opener: Opener = |data_dir, topic, index, config| {
            assert!(index != 1, "this one panics");
            open(data_dir, topic, index, config)
        };
        manager.open_missing(&[topic], &BTreeMap::new(), opener).await;
        for index in 0..3 {
            let partition = manager.get("topic", index).unwrap();
            assert_eq!((partition.index(), partition.log().is_ok()), (index, index != 1));
        }
    }

    #[tokio::test]
    async fn a_topic_is_there_while_its_partitions_are_being_opened() {
        let dir = tempfile::tempdir().unwrap();
        let manager = Arc::new(PartitionManager::new(dir.path(), TopicDefaults::default(), 1));
        let images = image_of_topic(Uuid::from_u128(1));
        let topics: Vec<_> = images.borrow().topics().cloned().collect();
        assert!(!manager.has("topic"));
        let defaults = BTreeMap::new();
        tokio::select! {
            biased;
            () = manager.open_missing(&topics, &defaults, open) => panic!("it opens files"),
            () = std::future::ready(()) => {}
        }
        assert_eq!((manager.has("topic"), manager.count("topic")), (true, 0));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_stop_the_manager_halfway() {
        let dir = tempfile::tempdir().unwrap();
        let manager = Arc::new(PartitionManager::new(dir.path(), TopicDefaults::default(), 1));
        let images = image_of_topic(Uuid::from_u128(1));
        tokio::select! {
            biased;
            () = manager.follow(&images) => panic!("it opens files on another thread"),
            () = std::future::ready(()) => {}
        }
        let opened = async {
            while manager.get("topic", 0).is_none() {
                tokio::task::yield_now().await;
            }
        };
        let patience = std::time::Duration::from_secs(20);
        tokio::time::timeout(patience, opened).await.expect("the work goes on by itself");
    }

    /// Notes of what was there when a topic was deleted.
    #[derive(Debug)]
    struct Witness {
        manager: Arc<PartitionManager>,
        dir: PathBuf,
        seen: Mutex<Vec<(String, bool, bool)>>,
    }

    impl DeletionFollower for Witness {
        fn topic_deleted(self: Arc<Self>, topic: &str) {
            let served = self.manager.get(topic, 0).is_some();
            let folder = self.dir.join(format!("{topic}-0")).exists();
            self.seen.lock().unwrap().push((topic.to_owned(), served, folder));
        }
    }

    #[tokio::test]
    async fn who_follows_deletions_hears_of_one_before_the_namesake_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let manager = Arc::new(PartitionManager::new(dir.path(), TopicDefaults::default(), 1));
        let witness = Arc::new(Witness {
            manager: Arc::clone(&manager),
            dir: dir.path().to_owned(),
            seen: Mutex::default(),
        });
        let follower: Arc<dyn DeletionFollower> = Arc::<Witness>::clone(&witness);
        manager.tell_of_deletions(&follower);
        manager.follow(&image_of_topic(Uuid::from_u128(1))).await;
        // The image goes from one to the next in one step.
        manager.follow(&image_of_topic(Uuid::from_u128(2))).await;
        assert_eq!(*witness.seen.lock().unwrap(), [("topic".to_owned(), false, true)]);
        assert!(manager.get("topic", 0).is_some());
    }
}
