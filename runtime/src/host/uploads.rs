//! Plugins that came through the fleet: every version that there is, compiled,
//! and which of them is active.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::adapt::info;
use super::engine::{PluginHost, hex};
use super::plugin::Plugin;
use crate::worker::herder::PluginInfo;
use crate::worker::plugin as asked;

/// What a component begins with.
const MAGIC: &[u8] = b"\0asm";
/// Version and layer of a component, after its magic.
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];
/// Version and layer of a core module.
const MODULE: [u8; 4] = [1, 0, 0, 0];

/// The plugins of the fleet, on this worker.
#[derive(Debug)]
pub struct FleetPlugins {
    host: PluginHost,
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By digest; why, if it cannot be used here.
    components: HashMap<String, Result<Arc<Plugin>, String>>,
    /// Digests, by plugin and version.
    versions: BTreeMap<String, BTreeMap<String, String>>,
    active: BTreeMap<String, String>,
}

impl Held {
    fn digest(&self, name: &str, version: &str) -> Option<&String> {
        self.versions.get(name)?.get(version)
    }
}

impl FleetPlugins {
    /// None yet.
    #[must_use]
    pub fn new(host: PluginHost) -> Self {
        Self { host, held: RwLock::default() }
    }

    /// A version of a plugin, the active one if none is named; `None` if the fleet
    /// has no such.
    pub(super) fn find(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Option<Result<Arc<Plugin>, String>> {
        let held = self.held.read().expect("no holder panics");
        let version = version.or_else(|| held.active.get(name).map(String::as_str))?;
        let component = held.components.get(held.digest(name, version)?)?;
        Some(component.clone().map_err(|why| {
            format!("version {version} of the plugin `{name}` cannot be used by this worker: {why}")
        }))
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
        let found = digests.filter_map(|digest| held.components.get(digest)?.clone().ok());
        found.collect()
    }

    async fn compile(&self, component: Arc<[u8]>) -> Result<Arc<Plugin>, String> {
        is_component(&component)?;
        self.host.load_bytes(component).await.map_err(|error| error.to_string())
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
    async fn inspect(&self, component: Arc<[u8]>) -> Result<PluginInfo, String> {
        self.compile(component).await.map(|plugin| info(&plugin))
    }

    async fn install(
        &self,
        name: &str,
        version: &str,
        sha256: &str,
        component: Option<Arc<[u8]>>,
    ) -> Result<(), String> {
        let known = self.held.read().expect("no holder panics").components.get(sha256).cloned();
        let compiled = match (known, component) {
            (Some(known), _) => known,
            (None, None) => Err("not all of its chunks are in the plugin topic".to_owned()),
            (None, Some(component)) => {
                let (hashed, wanted) = (component.clone(), sha256.to_owned());
                let digest = tokio::task::spawn_blocking(move || hex(&Sha256::digest(&hashed)));
                match digest.await {
                    Ok(digest) if digest == wanted => self.compile(component).await,
                    Ok(_) => Err("its bytes in the plugin topic have another digest".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
        };
        let outcome = compiled.as_ref().map(|_| ()).map_err(Clone::clone);
        let mut held = self.held.write().expect("no holder panics");
        held.components.insert(sha256.to_owned(), compiled);
        let versions = held.versions.entry(name.to_owned()).or_default();
        versions.insert(version.to_owned(), sha256.to_owned());
        outcome
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
    use super::*;

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
