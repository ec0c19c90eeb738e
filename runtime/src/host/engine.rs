//! The engine, its ticker, and loading plugins.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, EngineWeak, Store};

use super::cache::Cache;
use super::catalog::Catalog;
use super::error::HostError;
use super::guest::Guest;
use super::limits::{COMPONENT_BYTES_MAX, EPOCH_TICK, Limits};
use super::linker;
use super::plugin::{OpenContext, Plugin};

/// What a host is set up with.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Folder for compiled code, this worker's own.
    pub cache_dir: PathBuf,
    /// The limits of every instance.
    pub limits: Limits,
}

/// The engine in which every plugin of this process runs. Clones share it.
#[derive(Clone)]
pub struct PluginHost {
    pub(super) engine: Engine,
    pub(super) linker: Arc<Linker<Guest>>,
    pub(super) limits: Arc<Limits>,
    cache: Cache,
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl PluginHost {
    /// Sets up the engine and starts its ticker.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let engine = engine().map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let linker =
            linker::all(&engine).map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let cache = Cache::open(&config.cache_dir, &engine)?;
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("plugin-ticker".to_owned())
            .spawn(move || tick(&weak))
            .map_err(|error| HostError::Engine(format!("no thread for the ticker: {error}")))?;
        Ok(Self { engine, linker: Arc::new(linker), limits: Arc::new(config.limits), cache })
    }

    /// Loads one plugin: compiles it, or takes the compiled code of the cache,
    /// and lets it describe itself.
    pub async fn load(&self, path: &Path) -> Result<Arc<Plugin>, HostError> {
        let host = self.clone();
        let owned = path.to_owned();
        let loaded = tokio::task::spawn_blocking(move || host.compile(&owned));
        let (component, digest) = loaded.await.map_err(|error| HostError::Component {
            path: path.to_owned(),
            reason: error.to_string(),
        })??;
        Plugin::describe(self, path, &component, digest).await.map(Arc::new)
    }

    /// Loads one plugin from its bytes, which are named by their digest. Its turn lasts
    /// until it is compiled, also when nobody waits for it any more.
    pub(super) async fn load_bytes(
        &self,
        wasm: Bytes,
        turn: OwnedSemaphorePermit,
    ) -> Result<Arc<Plugin>, HostError> {
        let (host, name) = (self.clone(), PathBuf::from("the component"));
        let owned = name.clone();
        let loaded = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            host.compile_bytes(&owned, &wasm)
        });
        let (component, digest) = loaded.await.map_err(|error| HostError::Component {
            path: name.clone(),
            reason: error.to_string(),
        })??;
        Plugin::describe(self, &name, &component, digest).await.map(Arc::new)
    }

    /// The plugins of a plugin path. What cannot be loaded is listed with why.
    pub async fn scan(&self, plugin_path: &[PathBuf]) -> Catalog {
        Catalog::scan(self, plugin_path).await
    }

    fn compile(&self, path: &Path) -> Result<(wasmtime::component::Component, String), HostError> {
        let failed = |source| HostError::File { verb: "read", path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > COMPONENT_BYTES_MAX {
            let path = path.to_owned();
            return Err(HostError::Size { path, size, limit: COMPONENT_BYTES_MAX });
        }
        let wasm = std::fs::read(path).map_err(failed)?;
        self.compile_bytes(path, &wasm)
    }

    fn compile_bytes(
        &self,
        path: &Path,
        wasm: &[u8],
    ) -> Result<(wasmtime::component::Component, String), HostError> {
        let size = wasm.len() as u64;
        if size > COMPONENT_BYTES_MAX {
            let path = path.to_owned();
            return Err(HostError::Size { path, size, limit: COMPONENT_BYTES_MAX });
        }
        let digest = hex(&<sha2::Sha256 as sha2::Digest>::digest(wasm));
        let component = self.cache.component(&self.engine, wasm, &digest).map_err(|error| {
            HostError::Component { path: path.to_owned(), reason: format!("{error:#}") }
        })?;
        Ok((component, digest))
    }

    /// A store for one instance, with its limits.
    pub(super) fn store(&self, plugin: &str, context: Option<OpenContext>) -> Store<Guest> {
        let guest = Guest::new(plugin, &self.limits, context);
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(self.limits.transfer_bytes);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_component_model(true)
        // Sixty-four frames tell where a guest died; a stack overflow has more.
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(64));
    Engine::new(&config)
}

/// Ticks until the last user of the engine is gone.
fn tick(engine: &EngineWeak) {
    let pause: Duration = EPOCH_TICK;
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        std::thread::sleep(pause);
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
