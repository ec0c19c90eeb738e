//! A host with short limits, the evil plugins, and a folder to read and write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use longshore::host::connections::{Allow, Verb};
use longshore::host::{
    CallError, CheckpointReader, ConnectionConfig, Connections, HostConfig, Limits, OpenContext,
    Plugin, PluginHost, ProcessorInstance, Reach, SinkInstance, SourceInstance,
};
use longshore::kafka::group::Lease;
use longshore::worker::herder::{ConnectorConfig, TaskId};
use longshore::worker::plugin::PlannedTask;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Where the components of `plugins/evil` are.
pub(crate) fn plugins() -> PathBuf {
    let folder = std::env::var_os("LONGSHORE_PLUGINS").map_or_else(default_plugins, PathBuf::from);
    let folder = folder.join("evil");
    assert!(
        folder.join("evil-source.wasm").exists(),
        "the hostile guests are not built: there is no {}/evil-source.wasm. \
         Build them with: cargo run -p longshore-plugin-build -- plugins/evil\n\
         (or name the folder of components in LONGSHORE_PLUGINS)",
        folder.display()
    );
    folder
}

/// `plugins` in cargo's target folder, where the plugin builder puts them: this
/// test runs from there.
fn default_plugins() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("tests run from <target>/<profile>/deps");
    profile.parent().expect("a profile lies in the target folder").join("plugins")
}

/// How long a guest may run in these tests.
pub(crate) const CALL: Duration = Duration::from_millis(400);

/// A host, a folder, and who may use it.
pub(crate) struct House {
    pub(crate) host: PluginHost,
    pub(crate) folder: TempDir,
    connections: Arc<Connections>,
    pub(crate) lease: Lease,
}

/// Checkpoints of nobody.
struct NoCheckpoints;

impl CheckpointReader for NoCheckpoints {
    fn get(&self, _connector: &str, _partition: &str) -> Option<String> {
        None
    }

    fn list(&self, _: &str, _: Option<&str>, _: usize) -> Vec<(String, String)> {
        Vec::new()
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits {
            call: CALL,
            memory_bytes: 32 << 20,
            transfer_bytes: 8 << 20,
            state_bytes: 4 << 20,
            ..Limits::default()
        };
        let cache_dir = folder.path().join("cache");
        let host = PluginHost::new(HostConfig { cache_dir, limits }).unwrap();
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        std::fs::write(folder.path().join("outside.txt"), "not yours\n").unwrap();
        let connection = |connectors: &str| ConnectionConfig {
            driver: "objects".to_owned(),
            allow: Allow { connectors: vec![connectors.to_owned()], verbs: vec![Verb::Write] },
            settings: BTreeMap::from([
                ("kind".to_owned(), "local".into()),
                ("root".to_owned(), files.to_str().unwrap().into()),
            ]),
        };
        let definitions = BTreeMap::from([
            ("files".to_owned(), connection("evil*")),
            ("secrets".to_owned(), connection("somebody-else")),
        ]);
        let connections = Connections::new(definitions, Reach::default()).unwrap();
        Self { host, folder, connections: Arc::new(connections), lease: Lease::unlimited() }
    }

    pub(crate) fn context(&self) -> OpenContext {
        OpenContext {
            id: TaskId { connector: "evil-one".to_owned(), task: 0 },
            connections: Arc::clone(&self.connections),
            checkpoints: Arc::new(NoCheckpoints),
            stopping: CancellationToken::new(),
            reopen: CancellationToken::new(),
            lease: self.lease.clone(),
        }
    }

    pub(crate) async fn plugin(&self, name: &str) -> Arc<Plugin> {
        self.load(&plugins().join(format!("{name}.wasm"))).await
    }

    pub(crate) async fn load(&self, path: &Path) -> Arc<Plugin> {
        self.host.load(path).await.unwrap()
    }

    pub(crate) async fn source(
        &self,
        options: &[(&str, &str)],
    ) -> Result<SourceInstance, CallError> {
        let task = PlannedTask { name: "part-0".to_owned(), assignment: "{}".to_owned() };
        let plugin = self.plugin("evil-source").await;
        plugin.open_source(self.context(), &config(options), &task).await
    }

    pub(crate) async fn sink(&self, options: &[(&str, &str)]) -> Result<SinkInstance, CallError> {
        let plugin = self.plugin("evil-sink").await;
        plugin.open_sink(self.context(), &config(options)).await
    }

    pub(crate) async fn values(
        &self,
        options: &[(&str, &str)],
    ) -> Result<ProcessorInstance, CallError> {
        let plugin = self.plugin("evil-values").await;
        plugin.open_processor(self.context(), &config(options), 0).await
    }

    pub(crate) async fn processor(
        &self,
        options: &[(&str, &str)],
    ) -> Result<ProcessorInstance, CallError> {
        let plugin = self.plugin("evil-processor").await;
        plugin.open_processor(self.context(), &config(options), 0).await
    }
}

pub(crate) fn config(options: &[(&str, &str)]) -> ConnectorConfig {
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
