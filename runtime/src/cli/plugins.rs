//! Where plugins are, and which there are.

use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use crate::host::{Catalog, HostConfig, Limits, PluginHost};
use crate::pipeline::{PluginCatalog, PluginDescription};

/// Where packages put plugins.
const SYSTEM_FOLDER: &str = "/usr/lib/longshore/plugins";

/// `--plugin-path`, for every command that looks at plugins.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PluginArgs {
    /// Folders of plugins (.wasm), with commas between
    /// [default: `plugins` beside the executable's folder, /usr/lib/longshore/plugins]
    #[arg(
        long,
        env = "LONGSHORE_PLUGIN_PATH",
        value_name = "FOLDER,...",
        value_delimiter = ',',
        verbatim_doc_comment
    )]
    plugin_path: Vec<PathBuf>,
}

/// The plugins of some folders.
#[derive(Debug, Clone)]
pub struct Plugins {
    host: PluginHost,
    catalog: Catalog,
    folders: Vec<PathBuf>,
}

impl Plugins {
    /// Those of `--plugin-path`, else of the default folders.
    pub(super) async fn find(args: &PluginArgs) -> Result<Self, CliError> {
        Self::load(&args.plugin_path, &cache_folder()).await
    }

    /// Those of `folders`, else of the default ones. Compiled code is kept in
    /// `cache`.
    pub(super) async fn load(folders: &[PathBuf], cache: &Path) -> Result<Self, CliError> {
        let folders = if folders.is_empty() { default_folders() } else { folders.to_owned() };
        let host =
            PluginHost::new(HostConfig { cache_dir: cache.to_owned(), limits: Limits::default() })
                .map_err(|error| CliError::failed(error.to_string()))?;
        let catalog = host.scan(&folders).await;
        Ok(Self { host, catalog, folders })
    }

    /// What they run in.
    pub(super) fn host(&self) -> &PluginHost {
        &self.host
    }

    /// The loaded plugins.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}

impl PluginCatalog for Plugins {
    fn find(&self, name: &str) -> Option<PluginDescription<'_>> {
        let plugin = self.catalog.get(name)?;
        Some(PluginDescription { kind: plugin.manifest().kind, schema: plugin.config_schema() })
    }

    fn names(&self) -> Vec<String> {
        self.catalog.iter().map(|plugin| plugin.manifest().name.clone()).collect()
    }

    fn folders(&self) -> Vec<PathBuf> {
        self.folders.clone()
    }

    fn broken(&self) -> Vec<String> {
        let told = self.catalog.broken().iter();
        told.map(|broken| format!("{}: {}", broken.path.display(), broken.reason)).collect()
    }
}

/// `plugins` in the executable's folder and beside it (target/release/longshore
/// finds target/plugins), then where packages put them; those that exist.
fn default_folders() -> Vec<PathBuf> {
    let executable = std::env::current_exe().ok();
    let beside = executable.iter().flat_map(|executable| executable.ancestors().skip(1).take(2));
    beside
        .map(|folder| folder.join("plugins"))
        .chain([PathBuf::from(SYSTEM_FOLDER)])
        .filter(|folder| folder.is_dir())
        .collect()
}

/// The user's own cache: compiled code is run as it is, so it may lie nowhere
/// that others can write, as the temporary folder is.
pub(super) fn cache_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")));
    cache.unwrap_or_else(|| PathBuf::from(".cache")).join("longshore/compiled-plugins")
}
