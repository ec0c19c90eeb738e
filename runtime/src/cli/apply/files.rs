//! The files read, each checked alone, then together, then beside the fleet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::super::{CliError, current_folder};
use crate::pipeline::compare::{Fleet, Wanted};
use crate::pipeline::{self, NoPlugins, Pipeline, Rendered, Setting};
use crate::worker::resources::PipelineParts;
use crate::yaml::{Document, Problem, Report, join};

/// One file.
pub(super) struct PipelineFile {
    document: Document,
    pipeline: Pipeline,
    pub(super) rendered: Rendered,
}

/// All files, and what they say together.
pub(super) struct Files {
    pub(super) all: Vec<PipelineFile>,
    pub(super) wanted: Wanted,
}

impl Files {
    /// Reads files and folders; everything that is wrong is told.
    pub(super) fn read(paths: &[PathBuf], settings: &[Setting]) -> Result<Self, CliError> {
        let paths = listed(paths)?;
        if !settings.is_empty() && paths.len() != 1 {
            return Err(CliError::usage("--set changes one pipeline: name one file with -f"));
        }
        let folder = current_folder()?;
        let (mut all, mut failed) = (Vec::new(), false);
        for path in &paths {
            match pipeline::open(path, settings, &NoPlugins) {
                Ok((document, pipeline)) => {
                    let rendered = pipeline::render(&pipeline, &folder);
                    all.push(PipelineFile { document, pipeline, rendered });
                }
                Err(error) => {
                    CliError::from(error).report();
                    failed = true;
                }
            }
        }
        if failed {
            return Err(CliError::Told);
        }
        let problems = together(&all);
        let files = Self { wanted: wanted(&all), all };
        files.tell(problems)?;
        Ok(files)
    }

    /// Draws problems, by the index of their file.
    pub(super) fn tell(&self, problems: Vec<(usize, Problem)>) -> Result<(), CliError> {
        let mut by_file: BTreeMap<usize, Vec<Problem>> = BTreeMap::new();
        for (file, problem) in problems {
            by_file.entry(file).or_default().push(problem);
        }
        let mut clean = true;
        for (file, problems) in by_file {
            if let Some(report) = Report::of(&self.all[file].document, problems) {
                CliError::File(Box::new(report)).report();
                clean = false;
            }
        }
        if clean { Ok(()) } else { Err(CliError::Told) }
    }

    /// What the fleet has that the files cannot have their way with.
    pub(super) fn check_fleet(&self, fleet: &Fleet) -> Result<(), CliError> {
        let mut problems = Vec::new();
        for (at, file) in self.all.iter().enumerate() {
            problems.extend(file.owned_by_others(fleet).into_iter().map(|it| (at, it)));
            problems.extend(file.owned_by_workers(fleet).into_iter().map(|it| (at, it)));
            problems.extend(file.wrong_topics(fleet).into_iter().map(|it| (at, it)));
        }
        self.tell(problems)
    }
}

impl PipelineFile {
    /// A problem with a key, or with the nearest thing above that the file has.
    pub(super) fn problem(
        &self,
        path: &[&str],
        message: impl Into<String>,
        label: &str,
    ) -> Problem {
        let mut node = &self.document.root;
        let (mut origin, mut dotted) = (node.origin.start(), String::new());
        for key in path {
            let Some(entry) = node.entry(key) else { break };
            (node, origin) = (&entry.node, entry.key.origin.clone());
            dotted = join(&dotted, key);
        }
        if !matches!(node.value, crate::yaml::Value::Mapping(_)) && !dotted.is_empty() {
            origin = node.origin.clone();
        }
        Problem::new(dotted, &origin, message, label)
    }

    /// Where a rendered connector stands: its section and its key.
    pub(super) fn stage<'a>(&self, full: &'a str) -> (&'static str, &'a str) {
        let name = full.strip_prefix(&format!("{}-", self.pipeline.name)).unwrap_or(full);
        match self.pipeline.streams.contains_key(name) {
            true => ("streams", name),
            false => ("connectors", name),
        }
    }

    /// A fleet's workers have current folders of their own.
    fn relative_roots(&self) -> Vec<Problem> {
        let relative = self.pipeline.connections.iter().filter(|(_, connection)| {
            let root = connection.root.as_deref();
            root.is_some_and(|root| !root.starts_with('/') && !root.starts_with("${"))
        });
        relative
            .map(|(name, _)| {
                let message = "a fleet's connection begins at an absolute path";
                self.problem(&["connections", name, "root"], message, "relative").help(
                    "the workers have current folders of their own: write where it is on their \
                     machines, or a reference such as ${env:NAME}"
                        .to_owned(),
                )
            })
            .collect()
    }

    fn owned_by_others(&self, fleet: &Fleet) -> Vec<Problem> {
        let own = &self.pipeline.name;
        let mut problems = Vec::new();
        for (other, parts) in fleet.pipelines.iter().filter(|(other, _)| *other != own) {
            let message =
                |name: &str| format!("`{name}` belongs to the pipeline `{other}` of the fleet");
            for name in self.pipeline.connections.keys() {
                if parts.connections.contains(name) {
                    let path = ["connections", name.as_str()];
                    problems.push(
                        self.problem(&path, message(name), "taken")
                            .help("choose another name".to_owned()),
                    );
                }
            }
            for connector in &self.rendered.connectors {
                if parts.connectors.contains(&connector.name) {
                    let (section, key) = self.stage(&connector.name);
                    problems.push(
                        self.problem(&[section, key], message(&connector.name), "taken")
                            .help("choose another name".to_owned()),
                    );
                }
            }
        }
        problems
    }

    /// Connections that the workers have in their own files.
    fn owned_by_workers(&self, fleet: &Fleet) -> Vec<Problem> {
        let names = self.pipeline.connections.keys();
        let taken = names.filter(|name| fleet.own_connections.contains(*name)).map(|name| {
            let message = format!("the connection `{name}` is defined in the workers' own files");
            self.problem(&["connections", name], message, "taken").help(
                "leave it out here and have the connectors use theirs, or choose another name"
                    .to_owned(),
            )
        });
        taken.collect()
    }

    /// What cannot be done to a topic that is there.
    fn wrong_topics(&self, fleet: &Fleet) -> Vec<Problem> {
        let mut problems = Vec::new();
        for topic in &self.rendered.topics {
            let Some(there) = fleet.topics.get(&topic.name) else { continue };
            if there.partitions > topic.partitions {
                let message = format!(
                    "the topic `{}` has {} partitions, and partitions are never taken away",
                    topic.name, there.partitions
                );
                let path = ["topics", &topic.name, "partitions"];
                problems.push(self.problem(&path, message, "fewer").help(format!(
                    "write `partitions: {}`, or choose another topic",
                    there.partitions
                )));
            }
            if let Some(wanted) = topic.replication_factor
                && wanted != there.replication_factor
            {
                let message = format!(
                    "the topic `{}` has {} replicas of each partition, and they are not moved by \
                     this command",
                    topic.name, there.replication_factor
                );
                let path = ["topics", &topic.name, "replication.factor"];
                problems.push(self.problem(&path, message, "another number").help(format!(
                    "write `replication.factor: {}`, or reassign the topic's partitions first",
                    there.replication_factor
                )));
            }
        }
        problems
    }
}

/// The files of files and folders, in the order of their names.
fn listed(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        let failed = |error: std::io::Error| {
            CliError::failed(format!("cannot read the folder {}: {error}", path.display()))
        };
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_file() && is_pipeline(&path) {
                files.push(path);
            }
        }
        if files.len() == before {
            return Err(CliError::failed(format!(
                "there is no .yaml or .yml file in {}",
                path.display()
            )));
        }
        files[before..].sort();
    }
    Ok(files)
}

fn is_pipeline(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

/// What is wrong with files beside each other, and with each for a fleet.
fn together(all: &[PipelineFile]) -> Vec<(usize, Problem)> {
    let mut problems = Vec::new();
    for (at, file) in all.iter().enumerate() {
        problems.extend(file.relative_roots().into_iter().map(|problem| (at, problem)));
        for other in &all[..at] {
            let there = &other.document.name;
            let twice = |what: &str| format!("{what} is defined in {there} too");
            let mut push = |path: &[&str], what: String| {
                problems.push((at, file.problem(path, twice(&what), "the second time")));
            };
            if other.pipeline.name == file.pipeline.name {
                push(&["name"], format!("the pipeline `{}`", file.pipeline.name));
                continue;
            }
            for name in file.pipeline.connections.keys() {
                if other.pipeline.connections.contains_key(name) {
                    push(&["connections", name], format!("the connection `{name}`"));
                }
            }
            for connector in &file.rendered.connectors {
                if other.rendered.connectors.iter().any(|it| it.name == connector.name) {
                    let (section, key) = file.stage(&connector.name);
                    push(&[section, key], format!("the connector `{}`", connector.name));
                }
            }
            // One pipeline may read what another writes: then both say the same.
            for topic in &file.rendered.topics {
                let theirs = other.rendered.topics.iter().find(|it| it.name == topic.name);
                if theirs.is_some_and(|theirs| theirs != topic) {
                    let what = format!("the topic `{}`, in another way,", topic.name);
                    push(&["topics", &topic.name], what);
                }
            }
        }
    }
    problems
}

fn wanted(all: &[PipelineFile]) -> Wanted {
    let mut wanted = Wanted::default();
    for file in all {
        let Rendered { name, topics, connections, connectors, .. } = &file.rendered;
        // `files`, which `run` adds, is the workers' own here.
        let defined = |name: &&String| file.pipeline.connections.contains_key(*name);
        let parts = PipelineParts {
            topics: topics.iter().map(|topic| topic.name.clone()).collect(),
            connections: connections.keys().filter(defined).cloned().collect(),
            connectors: connectors.iter().map(|connector| connector.name.clone()).collect(),
        };
        for (name, connection) in connections.iter().filter(|(name, _)| defined(name)) {
            let definition: Json = serde_json::to_value(connection).unwrap_or_default();
            wanted.connections.insert(name.clone(), definition);
        }
        wanted.topics.extend(topics.iter().map(|topic| (topic.name.clone(), topic.clone())));
        wanted.connectors.extend(connectors.iter().cloned());
        wanted.pipelines.insert(name.clone(), parts);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Origin;

    fn read(files: &[(&str, &str)]) -> Result<Files, CliError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Files::read(&[folder.path().to_owned()], &[])
    }

    fn origin_line(file: &PipelineFile, problem: &Problem) -> usize {
        match &problem.origin {
            Origin::Text(range) => file.document.line_and_column(range.start).0,
            Origin::Argument(_) => 0,
        }
    }

    const ONE: &str = "name: one\ntopics: { t: { partitions: 2 } }\nconnections:\n  c:\n    \
        driver: objects\n    kind: local\n    root: /a\n    allow: { connectors: [read], verbs: [read] }\n\
        connectors:\n  read: { connector.class: file-source, topic: t, path: x, connection: c }\n";

    #[test]
    fn a_folders_files_are_read_in_order_and_others_are_passed_over() {
        let files = read(&[
            ("b.yml", "name: two\ntopics: { u: {} }\n"),
            ("a.yaml", ONE),
            (".hidden.yaml", "{"),
            ("notes.txt", "{"),
        ])
        .unwrap();
        assert_eq!(files.wanted.pipelines.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(files.wanted.connectors[0].name, "one-read");
        assert_eq!(files.wanted.connections["c"]["allow"]["connectors"][0], "one-read");
        assert!(!files.wanted.connections.contains_key("files"), "that is the workers' own");
    }

    #[test]
    fn what_two_files_define_is_refused_unless_it_is_one_topic() {
        let other = ONE.replace("name: one", "name: two");
        assert!(matches!(read(&[("a.yaml", ONE), ("b.yaml", &other)]), Err(CliError::Told)));
        let other = other.replace("  c:", "  d:").replace("connection: c", "connection: d");
        assert!(read(&[("a.yaml", ONE), ("b.yaml", &other)]).is_ok());
        let other = other.replace("partitions: 2", "partitions: 3");
        assert!(matches!(read(&[("a.yaml", ONE), ("b.yaml", &other)]), Err(CliError::Told)));
        assert!(matches!(read(&[("a.yaml", ONE), ("b.yaml", ONE)]), Err(CliError::Told)));
        assert!(matches!(read(&[]), Err(CliError::Failed(_))));
    }

    #[test]
    fn a_relative_root_is_told_at_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, ONE.replace("root: /a", "root: a")).unwrap();
        let (document, pipeline) = pipeline::open(&path, &[], &NoPlugins).unwrap();
        let rendered = pipeline::render(&pipeline, folder.path());
        let file = PipelineFile { document, pipeline, rendered };
        let problems = file.relative_roots();
        assert_eq!(problems.iter().map(|it| origin_line(&file, it)).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn what_the_fleet_has_otherwise_is_told_at_its_line() {
        let files = read(&[("a.yaml", ONE)]).unwrap();
        let file = &files.all[0];
        let mut fleet = Fleet::default();
        let topic = crate::pipeline::compare::FleetTopic { partitions: 3, ..Default::default() };
        fleet.topics.insert("t".to_owned(), topic);
        let parts = PipelineParts {
            connectors: ["one-read".to_owned()].into(),
            connections: ["c".to_owned()].into(),
            ..PipelineParts::default()
        };
        fleet.pipelines.insert("other".to_owned(), parts);
        let lines = |problems: Vec<Problem>| -> Vec<usize> {
            problems.iter().map(|problem| origin_line(file, problem)).collect()
        };
        assert_eq!(lines(file.wrong_topics(&fleet)), [2]);
        assert_eq!(lines(file.owned_by_others(&fleet)), [4, 10]);
        assert!(file.owned_by_workers(&fleet).is_empty());
        assert!(files.check_fleet(&fleet).is_err());
        assert!(files.check_fleet(&Fleet::default()).is_ok());
        let own_connections = ["c".to_owned()].into();
        let fleet = Fleet { own_connections, ..Fleet::default() };
        assert_eq!(lines(file.owned_by_workers(&fleet)), [4]);
        assert!(files.check_fleet(&fleet).is_err());
    }
}
