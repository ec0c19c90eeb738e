//! Plugins that came through the fleet: every version that there is, compiled,
//! and which of them is active.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::adapt::info;
use super::engine::{PluginHost, hex};
use super::error::{Cause, HostError};
use super::plugin::Plugin;
use crate::worker::herder::{ConnectorKind, PluginInfo};
use crate::worker::plugin as asked;

/// What a component begins with.
const MAGIC: &[u8] = b"\0asm";
/// Version and layer of a component, after its magic.
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];
/// Version and layer of a core module.
const MODULE: [u8; 4] = [1, 0, 0, 0];

/// The plugins of the worker's own `plugin.path`, and whether those of the fleet may
/// take their place.
#[derive(Debug, Clone, Default)]
pub struct OwnPlugins {
    /// Their roles, by name.
    pub kinds: BTreeMap<String, ConnectorKind>,
    /// `plugin.upload.replace.enable`.
    pub may_be_replaced: bool,
}

impl OwnPlugins {
    /// Why the fleet may not have a plugin of this name; `None` if it may.
    fn refuses(&self, name: &str) -> Option<String> {
        let is_taken = self.kinds.contains_key(name) && !self.may_be_replaced;
        is_taken.then(|| {
            format!(
                "`{name}` is a plugin of the worker's own: give this one another name, or set \
                 `plugin.upload.replace.enable: true` in the files of the workers"
            )
        })
    }

    fn refuses_role(&self, info: &PluginInfo) -> Option<String> {
        let own = self.kinds.get(&info.class).filter(|own| **own != info.kind)?;
        Some(format!(
            "`{}` of the worker's own is a {own:?} plugin, and this component is a {:?}: give it \
             another name",
            info.class, info.kind
        ))
    }
}

/// The plugins of the fleet, on this worker.
#[derive(Debug)]
pub struct FleetPlugins {
    host: PluginHost,
    own: OwnPlugins,
    held: RwLock<Held>,
    /// One component is compiled at a time, whoever waits for it.
    compiling: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Held {
    /// By digest.
    components: HashMap<String, Component>,
    /// Digests, by plugin and version.
    versions: BTreeMap<String, BTreeMap<String, String>>,
    active: BTreeMap<String, String>,
}

/// A component, compiled or not.
#[derive(Debug, Clone)]
enum Component {
    Ready(Arc<Plugin>),
    /// Why it cannot be used here, and its bytes if another try may end otherwise.
    Failed(String, Option<Bytes>),
}

/// Why a component cannot be used.
#[derive(Debug)]
struct Unusable {
    why: String,
    /// It compiled, but took too long to say what it is: a busy worker may be the cause.
    /// What the compiler or the contract refuses stays refused.
    may_pass: bool,
}

impl Unusable {
    fn for_ever(why: impl Into<String>) -> Self {
        Self { why: why.into(), may_pass: false }
    }
}

impl From<HostError> for Unusable {
    fn from(error: HostError) -> Self {
        let may_pass = match &error {
            HostError::Describe { source, .. } => matches!(source.cause, Cause::Timeout { .. }),
            _ => false,
        };
        Self { why: error.to_string(), may_pass }
    }
}

impl Held {
    fn digest(&self, name: &str, version: &str) -> Option<&String> {
        self.versions.get(name)?.get(version)
    }

    /// Components that are worth another try.
    fn failed(&self) -> Vec<(String, Bytes)> {
        let all = self.components.iter();
        let failed = all.filter_map(|(digest, component)| match component {
            Component::Failed(_, Some(bytes)) => Some((digest.clone(), bytes.clone())),
            _ => None,
        });
        failed.collect()
    }

    /// The plugins that have a component.
    fn names_of(&self, digest: &str) -> Vec<String> {
        let has = |versions: &BTreeMap<String, String>| versions.values().any(|it| it == digest);
        let all = self.versions.iter().filter(|(_, versions)| has(versions));
        all.map(|(name, _)| name.clone()).collect()
    }
}

impl FleetPlugins {
    /// None yet.
    #[must_use]
    pub fn new(host: PluginHost, own: OwnPlugins) -> Self {
        Self { host, own, held: RwLock::default(), compiling: Arc::new(Semaphore::new(1)) }
    }

    /// A version of a plugin, the active one if none is named; `None` if the fleet
    /// has no such.
    pub(super) fn find(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Option<Result<Arc<Plugin>, String>> {
        let held = self.held.read().expect("no holder panics");
        let active = held.active.get(name).map(String::as_str);
        let active = active.filter(|_| self.own.refuses(name).is_none());
        let wanted = version.or(active)?;
        match (held.digest(name, wanted), version) {
            (Some(digest), _) => Some(match held.components.get(digest)? {
                Component::Ready(plugin) => Ok(plugin.clone()),
                Component::Failed(why, _) => Err(format!(
                    "version {wanted} of the plugin `{name}` cannot be used by this worker: {why}"
                )),
            }),
            (None, Some(_)) => None,
            // Nothing else takes its place until somebody says so.
            (None, None) => Some(Err(format!(
                "version {wanted} of the plugin `{name}` is active, and not there: upload it again, \
                 or make another active"
            ))),
        }
    }

    /// The versions of a plugin.
    pub(super) fn versions(&self, name: &str) -> Vec<String> {
        let held = self.held.read().expect("no holder panics");
        held.versions.get(name).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// All versions that can be used here.
    pub(super) fn all(&self) -> Vec<Arc<Plugin>> {
        let held = self.held.read().expect("no holder panics");
        let digests = held.versions.values().flat_map(BTreeMap::values);
        let found = digests.filter_map(|digest| match held.components.get(digest)? {
            Component::Ready(plugin) => Some(plugin.clone()),
            Component::Failed(..) => None,
        });
        found.collect()
    }

    async fn compile(&self, component: Bytes) -> Result<Arc<Plugin>, Unusable> {
        is_component(&component).map_err(Unusable::for_ever)?;
        let turn = self.compiling.clone().acquire_owned().await;
        let turn = turn.expect("nobody closes it");
        Ok(self.host.load_bytes(component, turn).await?)
    }

    /// The same of a component that must have this digest.
    async fn compile_as(&self, sha256: &str, component: Bytes) -> Result<Arc<Plugin>, Unusable> {
        let (hashed, wanted) = (component.clone(), sha256.to_owned());
        let digest = tokio::task::spawn_blocking(move || hex(&Sha256::digest(&hashed)));
        match digest.await {
            Ok(digest) if digest == wanted => self.compile(component).await,
            Ok(_) => Err(Unusable::for_ever("its bytes in the plugin topic have another digest")),
            Err(error) => Err(Unusable::for_ever(error.to_string())),
        }
    }
}

/// Says what a file is that is no component, for most who upload one have built it
/// in another way than they meant to.
fn is_component(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(MAGIC) {
        return Err("it is no WebAssembly: a plugin is a .wasm file".to_owned());
    }
    match bytes.get(4..8) {
        Some(head) if head == COMPONENT => Ok(()),
        Some(head) if head == MODULE => Err(
            "it is a core module and no component: build it with longshore-plugin-build, or make a \
             component of it with `wasm-tools component new`"
                .to_owned(),
        ),
        _ => Err("it is WebAssembly of another version than 0.1.0 of components".to_owned()),
    }
}

#[async_trait]
impl asked::Uploads for FleetPlugins {
    async fn inspect(&self, component: Bytes) -> Result<PluginInfo, String> {
        let info = self.compile(component).await.map(|plugin| info(&plugin));
        let info = info.map_err(|unusable| unusable.why)?;
        match self.own.refuses(&info.class).or_else(|| self.own.refuses_role(&info)) {
            Some(refused) => Err(refused),
            None => Ok(info),
        }
    }

    async fn install(
        &self,
        name: &str,
        version: &str,
        sha256: &str,
        component: Option<Bytes>,
    ) -> Result<(), String> {
        if let Some(refused) = self.own.refuses(name) {
            return Err(refused);
        }
        let known = self.held.read().expect("no holder panics").components.get(sha256).cloned();
        let held = match (known, component) {
            (Some(Component::Ready(plugin)), _) => Component::Ready(plugin),
            (_, Some(bytes)) => match self.compile_as(sha256, bytes.clone()).await {
                Ok(plugin) => Component::Ready(plugin),
                Err(Unusable { why, may_pass }) => {
                    Component::Failed(why, may_pass.then_some(bytes))
                }
            },
            (Some(failed), None) => failed,
            (None, None) => {
                let why = "not all of its chunks are in the plugin topic: upload it again";
                Component::Failed(why.to_owned(), None)
            }
        };
        let outcome = match &held {
            Component::Ready(_) => Ok(()),
            Component::Failed(why, _) => Err(why.clone()),
        };
        let mut all = self.held.write().expect("no holder panics");
        all.components.insert(sha256.to_owned(), held);
        let versions = all.versions.entry(name.to_owned()).or_default();
        versions.insert(version.to_owned(), sha256.to_owned());
        outcome
    }

    async fn retry(&self) -> Vec<String> {
        let failed = self.held.read().expect("no holder panics").failed();
        let mut usable = Vec::new();
        for (digest, bytes) in failed {
            let Ok(plugin) = self.compile_as(&digest, bytes).await else { continue };
            let mut held = self.held.write().expect("no holder panics");
            if held.components.contains_key(&digest) {
                usable.extend(held.names_of(&digest));
                held.components.insert(digest, Component::Ready(plugin));
            }
        }
        usable
    }

    fn remove(&self, name: &str, version: &str) {
        let mut held = self.held.write().expect("no holder panics");
        let Some(versions) = held.versions.get_mut(name) else { return };
        let Some(digest) = versions.remove(version) else { return };
        if versions.is_empty() {
            held.versions.remove(name);
        }
        if !held.versions.values().flat_map(BTreeMap::values).any(|used| *used == digest) {
            held.components.remove(&digest);
        }
    }

    fn activate(&self, name: &str, version: Option<&str>) {
        let mut held = self.held.write().expect("no holder panics");
        match version {
            Some(version) => drop(held.active.insert(name.to_owned(), version.to_owned())),
            None => drop(held.active.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::host::error::CallError;
    use crate::host::{HostConfig, Limits};
    use crate::worker::plugin::Uploads as _;

    fn plugins(own: OwnPlugins) -> (FleetPlugins, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let cache_dir = folder.path().join("cache");
        let config = HostConfig { cache_dir, limits: Limits::default() };
        (FleetPlugins::new(PluginHost::new(config).unwrap(), own), folder)
    }

    fn own(may_be_replaced: bool) -> OwnPlugins {
        let kinds = BTreeMap::from([("rows".to_owned(), ConnectorKind::Source)]);
        OwnPlugins { kinds, may_be_replaced }
    }

    #[tokio::test]
    async fn an_active_version_that_is_not_there_is_no_other_one() {
        let (fleet, _folder) = plugins(OwnPlugins::default());
        fleet.activate("rows", Some("2"));
        let told = fleet.find("rows", None).unwrap().unwrap_err();
        assert!(told.contains("is active, and not there"), "{told}");
        assert!(fleet.find("rows", Some("2")).is_none());
        fleet.activate("rows", None);
        assert!(fleet.find("rows", None).is_none());
    }

    #[tokio::test]
    async fn a_plugin_of_the_workers_own_is_replaced_only_where_its_file_says_so() {
        for may_be_replaced in [false, true] {
            let (fleet, _folder) = plugins(own(may_be_replaced));
            let told = fleet.install("rows", "2", "digest", None).await.unwrap_err();
            assert_eq!(told.contains("plugin.upload.replace.enable"), !may_be_replaced, "{told}");
            fleet.activate("rows", Some("2"));
            assert_eq!(fleet.find("rows", None).is_some(), may_be_replaced);
        }
        let sink = PluginInfo {
            class: "rows".to_owned(),
            kind: ConnectorKind::Sink,
            version: "2".to_owned(),
        };
        let told = own(true).refuses_role(&sink).unwrap();
        assert!(told.contains("is a Source plugin"), "{told}");
    }

    #[tokio::test]
    async fn what_no_try_makes_a_component_is_not_kept_and_what_was_lost_comes_again() {
        let (fleet, _folder) = plugins(OwnPlugins::default());
        let why = || fleet.find("rows", Some("1")).unwrap().unwrap_err();
        let kept = || fleet.held.read().unwrap().failed().len();
        let bytes = Bytes::from_static(b"#!/bin/sh");
        let digest = hex(&Sha256::digest(&bytes));
        assert!(fleet.install("rows", "1", &digest, None).await.is_err());
        assert!(why().contains("not all of its chunks"), "{}", why());
        // The same upload again brings them.
        let told = fleet.install("rows", "1", &digest, Some(bytes)).await.unwrap_err();
        assert!(told.contains("no WebAssembly"), "{told}");
        assert!(why().contains("no WebAssembly"), "{}", why());
        assert_eq!(kept(), 0);
    }

    #[tokio::test]
    async fn what_was_too_slow_is_tried_again_until_it_is_removed() {
        let (fleet, _folder) = plugins(OwnPlugins::default());
        let failed = |cause| {
            let source = CallError { plugin: "rows".to_owned(), call: "about", cause };
            Unusable::from(HostError::Describe { path: "p".into(), source: source.into() })
        };
        let slow = failed(Cause::Timeout { limit: Duration::ZERO, stderr: String::new() });
        assert!(slow.may_pass);
        assert!(!failed(Cause::Memory { asked: 2, limit: 1 }).may_pass);
        let contract = HostError::Contract { path: "p".into(), reason: "no sink".to_owned() };
        assert!(!Unusable::from(contract).may_pass);
        let bytes = Bytes::from_static(b"#!/bin/sh");
        {
            let mut held = fleet.held.write().unwrap();
            let versions = held.versions.entry("rows".to_owned()).or_default();
            versions.insert("1".to_owned(), "digest".to_owned());
            let component = Component::Failed(slow.why, Some(bytes));
            held.components.insert("digest".to_owned(), component);
        }
        assert!(fleet.retry().await.is_empty());
        let kept = || fleet.held.read().unwrap().failed().len();
        assert_eq!(kept(), 1);
        assert_eq!(fleet.held.read().unwrap().names_of("digest"), ["rows"]);
        fleet.remove("rows", "1");
        assert_eq!(kept(), 0);
    }

    #[test]
    fn what_is_no_component_is_told_apart() {
        let told = |bytes: &[u8]| is_component(bytes).unwrap_err();
        assert!(told(b"#!/bin/sh").contains("no WebAssembly"));
        assert!(told(b"").contains("no WebAssembly"));
        assert!(told(b"\0asm\x01\0\0\0").contains("core module"));
        assert!(told(b"\0asm\x0e\0\x01\0").contains("another version"));
        assert!(told(b"\0asm").contains("another version"));
        assert!(is_component(b"\0asm\x0d\0\x01\0").is_ok());
    }
}
