//! The plugins of a plugin path, by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::engine::PluginHost;
use super::plugin::Plugin;

/// The plugins that this worker can run.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    plugins: BTreeMap<String, Arc<Plugin>>,
    broken: Vec<Broken>,
}

/// A file of the plugin path that is no usable plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The file, or the folder that cannot be read.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Catalog {
    /// Loads every `*.wasm` of these folders. Of two plugins of one name the
    /// first found is taken: earlier folders win, then file names in order.
    pub(super) async fn scan(host: &PluginHost, plugin_path: &[PathBuf]) -> Self {
        let mut catalog = Self::default();
        for folder in plugin_path {
            match files(folder) {
                Ok(files) => {
                    for file in files {
                        catalog.add(host, &file).await;
                    }
                }
                Err(error) => {
                    catalog.broken.push(Broken { path: folder.clone(), reason: error.to_string() });
                }
            }
        }
        catalog
    }

    async fn add(&mut self, host: &PluginHost, path: &Path) {
        match host.load(path).await {
            Ok(plugin) => {
                let name = plugin.manifest().name.clone();
                if let Some(known) = self.plugins.get(&name) {
                    let reason = format!(
                        "the plugin `{name}` is already there from {}",
                        known.path().display()
                    );
                    self.broken.push(Broken { path: path.to_owned(), reason });
                } else {
                    self.plugins.insert(name, plugin);
                }
            }
            Err(error) => {
                self.broken.push(Broken { path: path.to_owned(), reason: error.to_string() });
            }
        }
    }

    /// The plugin of that name, as `connector.class` has it.
    pub fn get(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins.get(name)
    }

    /// All plugins, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.values()
    }

    /// The files that are no usable plugins.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Why there is no plugin of that name: which names there are, or what is
    /// wrong with the file that should be it.
    pub fn missing(&self, name: &str) -> String {
        let file = format!("{name}.wasm");
        if let Some(broken) =
            self.broken.iter().find(|broken| broken.path.ends_with(Path::new(&file)))
        {
            return format!("the plugin `{name}` cannot be used: {}", broken.reason);
        }
        let names: Vec<_> = self.plugins.keys().map(String::as_str).collect();
        let near = names
            .iter()
            .map(|known| (strsim::jaro_winkler(name, known), *known))
            .filter(|(likeness, _)| *likeness > 0.85)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = near.map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"));
        if names.is_empty() {
            format!("there is no plugin `{name}`, and none at all in the plugin path")
        } else {
            format!("there is no plugin `{name}`; there are {}{hint}", names.join(", "))
        }
    }
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
