//! Plugins that were uploaded: taken in by one worker, written to the plugin topic
//! in chunks, put together and compiled by every worker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::answers::Answers;
use super::compacted::{CompactedLog, Entry, LogError, Write};
use super::config_state::ConfigState;
use super::herd::Event;
use super::herder::{ConnectorConfig, ConnectorKind, HerderError};
use super::options;
use super::plugin::Uploads;
use super::plugin_topic::{Active, Manifest, PluginChange, PluginKey, PluginTopic};
use super::privileges::Change;
use super::records;
use super::resources::{PluginVersion, UploadedPlugin, is_name};

/// The most of a component that one record holds, in bytes.
const CHUNK_BYTES_MAX: usize = 512 << 10;
/// What a record needs beside its value, and more, in bytes.
const RECORD_BYTES: usize = 4 << 10;
/// The least that a topic's largest record must leave for a chunk, in bytes.
const CHUNK_BYTES_MIN: usize = 16 << 10;

/// All components of a fleet together, in bytes: every worker reads them at its start,
/// and has them compiled in its memory and on its disk.
pub(super) const UPLOADED_BYTES_MAX: u64 = 256 << 20;
/// All versions of a fleet's plugins.
const VERSIONS_MAX: usize = 200;
/// How often a component is tried again that was too slow.
const RETRY_EVERY: Duration = Duration::from_secs(60);

/// The topic as this worker follows it, and what it made of it.
pub(super) struct PluginStore {
    pub(super) log: Arc<CompactedLog>,
    pub(super) topic: Arc<RwLock<PluginTopic>>,
    pub(super) uploads: Arc<dyn Uploads>,
    chunk_bytes: usize,
    sent: Arc<AtomicU64>,
    done: watch::Receiver<u64>,
}

/// Follows the topic; what its records change is handed on, in their order.
pub(super) struct Follower {
    topic: Arc<RwLock<PluginTopic>>,
    sent: Arc<AtomicU64>,
    changes: mpsc::UnboundedSender<PluginChange>,
}

/// Compiles what comes.
pub(super) struct Installer {
    uploads: Arc<dyn Uploads>,
    changes: mpsc::UnboundedReceiver<PluginChange>,
    done: watch::Sender<u64>,
}

/// The parts before the topic is open.
pub(super) struct Parts {
    topic: Arc<RwLock<PluginTopic>>,
    uploads: Arc<dyn Uploads>,
    sent: Arc<AtomicU64>,
    done: watch::Receiver<u64>,
}

/// Nothing read yet.
pub(super) fn parts(uploads: Arc<dyn Uploads>) -> (Parts, Follower, Installer) {
    let (topic, sent): (Arc<RwLock<PluginTopic>>, Arc<AtomicU64>) = Default::default();
    let (changes, inbox) = mpsc::unbounded_channel();
    let (done, is_done) = watch::channel(0);
    (
        Parts { topic: topic.clone(), uploads: uploads.clone(), sent: sent.clone(), done: is_done },
        Follower { topic, sent, changes },
        Installer { uploads, changes: inbox, done },
    )
}

impl Follower {
    /// Takes a record.
    pub(super) fn apply(&self, entry: Entry<'_>) {
        let applied = self.topic.write().expect("no holder panics").apply(entry.key, entry.value);
        match applied {
            Ok(PluginChange::None) => {}
            Ok(change) => {
                self.sent.fetch_add(1, Ordering::AcqRel);
                // Nobody listens only while the worker shuts down.
                let _ = self.changes.send(change);
            }
            Err(error) => tracing::warn!(offset = entry.offset, "{error}; passed over"),
        }
    }
}

impl Installer {
    /// Installs for ever, and tells the herd which plugins changed.
    pub(super) async fn run(mut self, events: mpsc::UnboundedSender<Event>) {
        let mut retries = interval(RETRY_EVERY);
        retries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                change = self.changes.recv() => {
                    let Some(change) = change else { return };
                    let event = self.install(change).await;
                    self.done.send_modify(|done| *done += 1);
                    let _ = events.send(event);
                }
                _ = retries.tick() => {
                    for class in self.uploads.retry().await {
                        let _ = events.send(Event::Plugin { class, switched: false });
                    }
                }
            }
        }
    }

    async fn install(&self, change: PluginChange) -> Event {
        match change {
            PluginChange::Installed { name, version, manifest, component } => {
                let installed =
                    self.uploads.install(&name, &version, &manifest.sha256, component).await;
                if let Err(why) = installed {
                    tracing::warn!(plugin = name, version, "cannot be used by this worker: {why}");
                }
                Event::Plugin { class: name, switched: false }
            }
            PluginChange::Removed(name, version) => {
                self.uploads.remove(&name, &version);
                Event::Plugin { class: name, switched: false }
            }
            PluginChange::Activated(name, version) => {
                self.uploads.activate(&name, version.as_deref());
                Event::Plugin { class: name, switched: true }
            }
            PluginChange::None => Event::HeldLess,
        }
    }
}

impl Parts {
    /// With the topic open; its largest record bounds a chunk.
    pub(super) fn open(
        self,
        log: Arc<CompactedLog>,
        record_bytes_max: Option<usize>,
    ) -> PluginStore {
        let room = record_bytes_max.unwrap_or(usize::MAX).saturating_sub(RECORD_BYTES);
        let Self { topic, uploads, sent, done } = self;
        let chunk_bytes = room.min(CHUNK_BYTES_MAX);
        PluginStore { log, topic, uploads, chunk_bytes, sent, done }
    }
}

impl PluginStore {
    /// Returns once everything that was read is installed.
    pub(super) async fn settled(&self) {
        let goal = self.sent.load(Ordering::Acquire);
        // The installer ends with the worker.
        let _ = self.done.clone().wait_for(|done| *done >= goal).await;
    }

    /// Writes all of it, or nothing where changes are fenced; returns once what it
    /// changes is installed here.
    async fn write(&self, change: &mut Change<'_>, writes: &[Write]) -> Result<(), HerderError> {
        change.write_to(&self.log, writes).await?;
        self.settled().await;
        Ok(())
    }

    async fn read(&self) -> Result<(), LogError> {
        self.log.read_to_end().await?;
        self.settled().await;
        Ok(())
    }
}

/// A version that is to be there.
struct Uploaded<'a> {
    name: &'a str,
    version: &'a str,
    kind: ConnectorKind,
    upload: u64,
}

impl PluginStore {
    /// What brings a component to the topic: away with what uploads that were cut off
    /// have left, then its chunks; and then what it is.
    fn writes(
        &self,
        topic: &PluginTopic,
        uploaded: &Uploaded<'_>,
        component: &[u8],
        digest: &str,
    ) -> Result<(Vec<Write>, Write), HerderError> {
        if self.chunk_bytes < CHUNK_BYTES_MIN {
            return Err(HerderError::Internal(format!(
                "the topic `{}` takes records that are too small for plugins: raise its \
                 max.message.bytes, and restart the workers",
                self.log.topic()
            )));
        }
        let mut writes: Vec<Write> = Vec::new();
        for orphan in topic.orphans() {
            writes.extend(topic.chunks_of(&orphan).iter().map(|key| (bytes(key), None)));
        }
        let chunks = match topic.whole_chunks(digest) {
            Some(chunks) => chunks,
            None => {
                // What is left of one that lost chunks was perhaps cut otherwise.
                let left = topic.is_used(digest).then(|| topic.chunks_of(digest));
                writes.extend(left.iter().flatten().map(|key| (bytes(key), None)));
                let mut chunks = 0;
                for chunk in component.chunks(self.chunk_bytes) {
                    let key = PluginKey::Chunk(digest.to_owned(), chunks);
                    writes.push((bytes(&key), Some(chunk.to_vec())));
                    chunks += 1;
                }
                chunks
            }
        };
        let manifest = Manifest {
            sha256: digest.to_owned(),
            bytes: component.len() as u64,
            chunks,
            kind: uploaded.kind,
            upload: uploaded.upload,
        };
        let key = PluginKey::Version(uploaded.name.to_owned(), uploaded.version.to_owned());
        Ok((writes, (bytes(&key), Some(records::encode(&manifest)))))
    }
}

/// Refuses what is more than the workers of a fleet should hold.
fn has_room(topic: &PluginTopic, digest: &str, bytes: u64) -> Result<(), HerderError> {
    let full = |what: String| {
        Err(HerderError::Conflict(format!(
            "{what}: delete versions that nothing uses first (`longshore plugin versions`, \
             `longshore plugin remove`)"
        )))
    };
    let versions: usize = topic.versions().values().map(BTreeMap::len).sum();
    if versions >= VERSIONS_MAX {
        return full(format!("the fleet has {versions} versions of plugins, and may have no more"));
    }
    let there = topic.bytes();
    if !topic.is_used(digest) && there + bytes > UPLOADED_BYTES_MAX {
        return full(format!(
            "the fleet's plugins have {there} bytes, this one has {bytes}, and together they may \
             have {UPLOADED_BYTES_MAX}"
        ));
    }
    Ok(())
}

/// What Kafka's topic names allow, with what semantic versions have beside.
fn is_version(version: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    (1..=100).contains(&version.len()) && version.bytes().all(legal)
}

impl Answers {
    fn store(&self) -> Result<&PluginStore, HerderError> {
        let none = || {
            HerderError::Forbidden(
                "this worker takes no plugins: its file lacks `plugin.upload.enable: true`, with \
                 which those whom it lets upload decide what code connectors run"
                    .to_owned(),
            )
        };
        self.core.plugin_store.as_ref().ok_or_else(none)
    }

    /// All plugins that were uploaded.
    pub(super) fn all_uploaded(&self) -> Vec<UploadedPlugin> {
        let Ok(store) = self.store() else { return Vec::new() };
        let topic = store.topic.read().expect("no holder panics");
        topic.versions().keys().map(|name| self.uploaded(&topic, name)).collect()
    }

    fn uploaded(&self, topic: &PluginTopic, name: &str) -> UploadedPlugin {
        let versions = topic.versions().get(name).into_iter().flatten();
        let mut versions: Vec<PluginVersion> = versions
            .map(|(version, manifest)| PluginVersion {
                version: version.clone(),
                kind: manifest.kind,
                sha256: manifest.sha256.clone(),
                bytes: manifest.bytes,
                upload: manifest.upload,
                used_by: self.users_of(topic, name, version),
            })
            .collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.upload));
        let active = topic.active(name).map(str::to_owned);
        UploadedPlugin { name: name.to_owned(), active, versions }
    }

    /// The connectors that run a version, or are going to.
    fn users_of(&self, topic: &PluginTopic, name: &str, version: &str) -> Vec<String> {
        let configs = self.core.configs.read().expect("no holder panics");
        connectors_of(&configs, name)
            .filter(|(_, config)| {
                let wanted = config.get(options::PLUGIN_VERSION).map(String::as_str);
                wanted.or_else(|| topic.active(name)) == Some(version)
            })
            .map(|(connector, _)| connector.to_owned())
            .collect()
    }

    /// Takes a component in; true when its version is new.
    pub(super) async fn take_plugin(
        &self,
        component: Bytes,
        sha256: &str,
        activate: bool,
    ) -> Result<(UploadedPlugin, bool), HerderError> {
        let store = self.store()?;
        let bad = HerderError::BadRequest;
        let (hashed, given) = (component.clone(), sha256.to_ascii_lowercase());
        let digest = tokio::task::spawn_blocking(move || hex(&Sha256::digest(&hashed))).await;
        let digest = digest.map_err(|error| HerderError::Internal(error.to_string()))?;
        if digest != given {
            return Err(bad(format!(
                "the component that came has the SHA-256 {digest}, not {given}: it was changed on \
                 its way, or the digest is another file's"
            )));
        }
        let info = store.uploads.inspect(component.clone()).await.map_err(bad)?;
        let (name, version) = (info.class, info.version);
        if !is_name(&name) || !is_version(&version) {
            return Err(bad(format!(
                "the plugin calls itself `{name}` of version `{version}`: a name has ASCII letters, \
                 digits, `.`, `_` and `-`, a version `+` too"
            )));
        }

        let mut change = self.core.change().await?;
        store.read().await?;
        let (parts, writes, is_new) = {
            let topic = store.topic.read().expect("no holder panics");
            let present = topic.version(&name, &version);
            if present.is_some_and(|present| present.sha256 != digest) {
                return Err(HerderError::Conflict(format!(
                    "there is another component as version {version} of `{name}`: a version is never \
                     changed, so give this one another"
                )));
            }
            let others = topic.versions().get(&name).into_iter().flatten();
            if let Some((_, other)) = others.into_iter().find(|(_, it)| it.kind != info.kind) {
                return Err(HerderError::Conflict(format!(
                    "`{name}` is a {:?} plugin, and this component is a {:?}: give it another name",
                    other.kind, info.kind
                )));
            }
            let (mut parts, mut writes) = (Vec::new(), Vec::new());
            // One whose chunks were lost is made whole by the same upload again.
            if present.is_none_or(|present| !topic.is_whole(present)) {
                if present.is_none() {
                    has_room(&topic, &digest, component.len() as u64)?;
                }
                let upload = present.map_or_else(|| topic.next_upload(), |it| it.upload);
                let uploaded = Uploaded { name: &name, version: &version, kind: info.kind, upload };
                let manifest;
                (parts, manifest) = store.writes(&topic, &uploaded, &component, &digest)?;
                writes.push(manifest);
            }
            if activate && topic.active(&name) != Some(version.as_str()) {
                writes.push(active(&name, Some(version.clone())));
            }
            (parts, writes, present.is_none())
        };
        change.prepare(&store.log, &parts).await?;
        if !writes.is_empty() {
            store.write(&mut change, &writes).await?;
        }
        let topic = store.topic.read().expect("no holder panics");
        Ok((self.uploaded(&topic, &name), is_new))
    }

    /// Makes another version the active one; `None`: the workers' own.
    pub(super) async fn activate(
        &self,
        name: &str,
        version: Option<String>,
    ) -> Result<UploadedPlugin, HerderError> {
        let store = self.store()?;
        let mut change = self.core.change().await?;
        store.read().await?;
        let present = {
            let topic = store.topic.read().expect("no holder panics");
            let versions = topic.versions().get(name).ok_or_else(|| no_plugin(name))?;
            if let Some(version) = version.as_ref().filter(|it| !versions.contains_key(*it)) {
                return Err(no_version(name, version, versions));
            }
            topic.active(name).map(str::to_owned)
        };
        if present != version {
            store.write(&mut change, &[active(name, version)]).await?;
        }
        let topic = store.topic.read().expect("no holder panics");
        Ok(self.uploaded(&topic, name))
    }

    /// Deletes a version that nothing uses.
    pub(super) async fn delete_version(
        &self,
        name: &str,
        version: &str,
    ) -> Result<(), HerderError> {
        let store = self.store()?;
        let mut change = self.core.change().await?;
        store.read().await?;
        let writes: Vec<Write> = {
            let topic = store.topic.read().expect("no holder panics");
            let versions = topic.versions().get(name).ok_or_else(|| no_plugin(name))?;
            let missing = || no_version(name, version, versions);
            let manifest = versions.get(version).ok_or_else(missing)?;
            if topic.active(name) == Some(version) {
                return Err(HerderError::Conflict(format!(
                    "version {version} of `{name}` is the active one: make another active first"
                )));
            }
            let users = self.users_of(&topic, name, version);
            if !users.is_empty() {
                return Err(HerderError::Conflict(format!(
                    "version {version} of `{name}` is what `{}` asks for in {}",
                    options::PLUGIN_VERSION,
                    users.join(", ")
                )));
            }
            let key = PluginKey::Version(name.to_owned(), version.to_owned());
            let all = topic.versions().values().flat_map(BTreeMap::values);
            let shared = all.filter(|it| it.sha256 == manifest.sha256).count() > 1;
            let chunks = if shared { Vec::new() } else { topic.chunks_of(&manifest.sha256) };
            // The version first: it is never there without its chunks.
            std::iter::once(key).chain(chunks).map(|key| (bytes(&key), None)).collect()
        };
        store.write(&mut change, &writes).await
    }
}

/// The connectors of a plugin.
pub(super) fn connectors_of<'a>(
    configs: &'a ConfigState,
    class: &'a str,
) -> impl Iterator<Item = (&'a str, &'a ConnectorConfig)> {
    let all = configs.connectors().iter().map(|(name, entry)| (name.as_str(), &entry.config));
    all.filter(move |(_, config)| config.get(options::CLASS).is_some_and(|it| it == class))
}

fn bytes(key: &PluginKey) -> Vec<u8> {
    key.encode().into_bytes()
}

fn active(name: &str, version: Option<String>) -> Write {
    let value = version.map(|version| records::encode(&Active { version }));
    (bytes(&PluginKey::Active(name.to_owned())), value)
}

fn no_plugin(name: &str) -> HerderError {
    HerderError::NotFound(format!("no plugin `{name}` was uploaded"))
}

fn no_version(name: &str, version: &str, there: &BTreeMap<String, Manifest>) -> HerderError {
    let there = there.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    HerderError::NotFound(format!("there is no version {version} of `{name}`; there are {there}"))
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
