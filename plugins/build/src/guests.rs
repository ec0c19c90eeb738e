//! Which packages are guests, and which plugins each makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::toolchain::TARGET;

/// Why there is nothing to build.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestsError {
    #[error("cannot run {program}: {source}")]
    Spawn {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cargo does not understand {folder}:\n{words}")]
    Metadata { folder: PathBuf, words: String },
    #[error("cargo described {folder} in a way that is not understood: {source}")]
    Shape {
        folder: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{folder} is no package of the workspace that it lies in")]
    NoPackage { folder: PathBuf },
    #[error(
        "{package} is not marked as a guest crate; add to its Cargo.toml:\n\
         [package.metadata.longshore]\nplugins = \"\""
    )]
    NoGuest { package: String },
    #[error("{package} has no binary target; a plugin is one: src/bin/<plugin>.rs")]
    NoPlugin { package: String },
}

/// A crate that makes plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    /// The package's name.
    pub(crate) name: String,
    /// Its Cargo.toml.
    pub(crate) manifest_path: PathBuf,
    /// Cargo's target folder for host builds.
    pub(crate) target_directory: PathBuf,
    /// Where in the output folder its components go; empty: right there.
    pub(crate) subfolder: PathBuf,
    /// Its plugins' names, sorted: those of its binary targets.
    pub(crate) plugins: Vec<String>,
}

impl Guest {
    /// Cargo's target folder for guests.
    pub(crate) fn build_directory(&self) -> PathBuf {
        self.target_directory.join("guests")
    }

    /// Where cargo leaves the compiled module of a plugin.
    pub(crate) fn module_path(&self, plugin: &str, debug: bool) -> PathBuf {
        let profile = if debug { "debug" } else { "release" };
        self.build_directory().join(TARGET).join(profile).join(format!("{plugin}.wasm"))
    }
}

/// What `cargo metadata` tells, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    target_directory: PathBuf,
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    metadata: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Mark {
    plugins: PathBuf,
}

impl Workspace {
    /// The workspace that `folder` lies in.
    pub(crate) fn of(folder: &Path) -> Result<Self, GuestsError> {
        let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let run = Command::new(&program)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(folder)
            .output()
            .map_err(|source| GuestsError::Spawn { program, source })?;
        if !run.status.success() {
            let words = String::from_utf8_lossy(&run.stderr).trim().to_owned();
            return Err(GuestsError::Metadata { folder: folder.to_owned(), words });
        }
        Self::parse(&run.stdout, folder)
    }

    fn parse(json: &[u8], folder: &Path) -> Result<Self, GuestsError> {
        let mut workspace: Self = serde_json::from_slice(json)
            .map_err(|source| GuestsError::Shape { folder: folder.to_owned(), source })?;
        workspace.folder = folder.to_owned();
        Ok(workspace)
    }

    /// Every guest of the workspace.
    pub(crate) fn all_guests(&self) -> Result<Vec<Guest>, GuestsError> {
        self.packages
            .iter()
            .filter_map(|package| Some(self.guest(package, self.mark(package)?)))
            .collect()
    }

    /// The package whose manifest lies in `folder`.
    fn guest_in(&self, folder: &Path) -> Result<Guest, GuestsError> {
        let wanted = folder.join("Cargo.toml").canonicalize().ok();
        let package = self
            .packages
            .iter()
            .find(|package| package.manifest_path.canonicalize().ok() == wanted)
            .ok_or_else(|| GuestsError::NoPackage { folder: folder.to_owned() })?;
        let mark = self
            .mark(package)
            .ok_or_else(|| GuestsError::NoGuest { package: package.name.clone() })?;
        self.guest(package, mark)
    }

    fn mark(&self, package: &Package) -> Option<Mark> {
        let marked = package.metadata.as_ref()?.get("longshore")?;
        serde_json::from_value(marked.clone()).ok()
    }

    fn guest(&self, package: &Package, mark: Mark) -> Result<Guest, GuestsError> {
        let mut plugins: Vec<String> = package
            .targets
            .iter()
            .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
            .map(|target| target.name.clone())
            .collect();
        plugins.sort();
        if plugins.is_empty() {
            return Err(GuestsError::NoPlugin { package: package.name.clone() });
        }
        Ok(Guest {
            name: package.name.clone(),
            manifest_path: package.manifest_path.clone(),
            target_directory: self.target_directory.clone(),
            subfolder: mark.plugins,
            plugins,
        })
    }
}

/// The guests in these folders, which may lie in several workspaces.
pub(crate) fn in_folders(folders: &[PathBuf]) -> Result<Vec<Guest>, GuestsError> {
    folders.iter().map(|folder| Workspace::of(folder)?.guest_in(folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(metadata: &str, kind: &str) -> Workspace {
        let json = format!(
            r#"{{"target_directory": "/t", "packages": [{{"name": "p", "manifest_path": "/p/Cargo.toml",
            "metadata": {metadata}, "targets": [{{"name": "b", "kind": ["{kind}"]}}, {{"name": "a", "kind": ["{kind}"]}},
            {{"name": "p", "kind": ["lib"]}}]}}]}}"#
        );
        Workspace::parse(json.as_bytes(), Path::new("/p")).unwrap()
    }

    #[test]
    fn each_binary_target_of_a_marked_crate_is_a_plugin() {
        let guests =
            workspace(r#"{"longshore": {"plugins": "evil"}}"#, "bin").all_guests().unwrap();
        assert_eq!(guests[0].plugins, ["a", "b"]);
        assert_eq!(guests[0].subfolder, Path::new("evil"));
        assert_eq!(
            guests[0].module_path("a", false),
            Path::new("/t/guests/wasm32-unknown-unknown/release/a.wasm")
        );
    }

    #[test]
    fn a_crate_without_the_mark_is_left_alone() {
        assert_eq!(workspace("null", "bin").all_guests().unwrap(), []);
    }

    #[test]
    fn a_guest_without_a_plugin_is_told_so() {
        let error = workspace(r#"{"longshore": {"plugins": ""}}"#, "test").all_guests();
        assert!(matches!(error, Err(GuestsError::NoPlugin { package }) if package == "p"));
    }

    #[test]
    fn cargos_refusal_is_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let error = Workspace::of(folder.path()).unwrap_err();
        assert!(error.to_string().contains("Cargo.toml"), "{error}");
    }
}
