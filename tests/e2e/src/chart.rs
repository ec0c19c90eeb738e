//! The Helm chart `deploy/helm/longshore`, rendered by Helm.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, Stream};
use crate::{limits, paths};

/// The release that all renderings are of.
const RELEASE: &str = "test";
const NAMESPACE: &str = "connectors";
/// The versions of Kubernetes whose schemas must take the manifests: the oldest
/// that the chart is for, and the newest that is known.
pub const KUBERNETES_OLDEST: &str = "1.27";
/// The newest.
pub const KUBERNETES_NEWEST: &str = "1.37";

/// Helm and the chart.
pub struct Chart {
    tools: PathBuf,
    folder: TempDir,
}

impl Chart {
    /// Installs Helm if it is not there yet.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        Self { tools: paths::install("helm"), folder }
    }

    /// The chart's folder.
    pub fn path() -> PathBuf {
        paths::repository().join("deploy/helm/longshore")
    }

    /// The value files that come with the chart, one for each way of use.
    pub fn value_files() -> Vec<PathBuf> {
        let folder = std::fs::read_dir(Self::path().join("ci")).expect("the chart has value files");
        let mut files: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files
    }

    /// Writes values into a file.
    pub fn values(&self, values: &Value) -> PathBuf {
        let file = self.folder.path().join("values.json");
        std::fs::write(&file, values.to_string()).expect("values can be written");
        file
    }

    /// Runs `helm lint` on the chart with these values.
    ///
    /// # Panics
    /// When it finds anything wrong.
    pub fn lint(&self, values: &Path) {
        let mut command = self.helm("lint");
        command
            .args(["--strict", "--quiet", "--kube-version", KUBERNETES_OLDEST])
            .arg(Self::path())
            .arg("--values")
            .arg(values);
        Process::run("helm lint", &mut command);
    }

    /// The manifests of these values, once all of `versions` of Kubernetes take them.
    ///
    /// # Panics
    /// When Helm or Kubernetes' schemas refuse something.
    pub fn render(&self, values: &Path, versions: &[&str]) -> Manifests {
        self.manifests(&mut self.template(RELEASE, NAMESPACE, values), values, versions)
    }

    /// The same of a release of this name in this namespace.
    ///
    /// # Panics
    /// When Helm or the newest Kubernetes' schemas refuse something.
    pub fn release(&self, name: &str, namespace: &str, values: &Path) -> Manifests {
        let mut template = self.template(name, namespace, values);
        self.manifests(&mut template, values, &[KUBERNETES_NEWEST])
    }

    fn manifests(&self, template: &mut Command, values: &Path, versions: &[&str]) -> Manifests {
        let text = Process::run("helm template", template).join("\n");
        let file = self.folder.path().join("manifests.yaml");
        let mut written = File::create(&file).expect("manifests can be written");
        written.write_all(text.as_bytes()).expect("manifests can be written");
        let mut check = self.python();
        check
            .arg(paths::repository().join("tests/deploy/manifests.py"))
            .arg(self.tools.join("custom"))
            .args(versions)
            .stdin(Stdio::from(File::open(&file).expect("they were written")));
        let mut check = Process::spawn("manifests.py", &mut check);
        let status = check.ended(limits::CLIENT);
        let values = values.display();
        assert!(status.success(), "Kubernetes does not take the manifests of {values}");
        let documents = check.lines(Stream::Out);
        let parse = |line: &String| serde_json::from_str(line).expect("it prints JSON");
        Manifests(documents.iter().map(parse).collect())
    }

    /// What is made of these values, unchecked.
    ///
    /// # Panics
    /// When Helm refuses something.
    pub fn text(&self, values: &Value) -> String {
        let mut template = self.template(RELEASE, NAMESPACE, &self.values(values));
        Process::run("helm template", &mut template).join("\n")
    }

    /// The chart's own values.
    ///
    /// # Panics
    /// When they are no YAML.
    pub fn defaults(&self) -> Value {
        let mut read = self.python();
        read.arg("-c")
            .arg("import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))");
        let text = Process::run("values.yaml", read.arg(Self::path().join("values.yaml")));
        serde_json::from_str(&text.join("\n")).expect("it prints JSON")
    }

    /// What Helm says of values that it must refuse.
    ///
    /// # Panics
    /// When it takes them.
    pub fn refused(&self, values: &Value) -> String {
        let mut template = Process::spawn(
            "helm template",
            &mut self.template(RELEASE, NAMESPACE, &self.values(values)),
        );
        let status = template.ended(limits::CLIENT);
        assert!(!status.success(), "Helm takes {values}");
        template.lines(Stream::Err).join("\n")
    }

    fn template(&self, release: &str, namespace: &str, values: &Path) -> Command {
        let mut command = self.helm("template");
        command.arg(release).arg(Self::path()).args(["--namespace", namespace]);
        command.args(["--kube-version", KUBERNETES_OLDEST]);
        command.arg("--values").arg(values);
        command
    }

    fn python(&self) -> Command {
        Command::new(self.tools.join("environment/bin/python"))
    }

    /// Helm with folders of its own.
    fn helm(&self, action: &str) -> Command {
        let mut command = Command::new(self.tools.join("bin/helm"));
        command.arg(action).stdin(Stdio::null());
        for folder in ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"] {
            command.env(folder, self.folder.path().join("helm"));
        }
        command
    }
}

impl Default for Chart {
    fn default() -> Self {
        Self::new()
    }
}

/// What a chart stands for.
pub struct Manifests(Vec<Value>);

impl Manifests {
    /// The object of this kind whose name ends so, if there is one.
    pub fn find(&self, kind: &str, name_end: &str) -> Option<&Value> {
        let is_it = |object: &&Value| {
            object["kind"] == kind
                && object["metadata"]["name"].as_str().is_some_and(|name| name.ends_with(name_end))
        };
        self.0.iter().find(is_it)
    }

    /// The same, which must be there.
    ///
    /// # Panics
    /// When it is not.
    pub fn get(&self, kind: &str, name_end: &str) -> &Value {
        self.find(kind, name_end).unwrap_or_else(|| panic!("no {kind} *{name_end}"))
    }

    /// The files of a ConfigMap.
    pub fn files(&self, name_end: &str) -> impl Iterator<Item = (&str, &str)> {
        let data = self.get("ConfigMap", name_end)["data"].as_object().expect("it has files");
        data.iter().map(|(name, text)| (name.as_str(), text.as_str().expect("files are text")))
    }

    /// The kinds of all objects.
    pub fn kinds(&self) -> Vec<&str> {
        self.0.iter().filter_map(|object| object["kind"].as_str()).collect()
    }
}
