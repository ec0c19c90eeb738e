//! A node's file read into types.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use longshore_broker::BrokerConfig;
use longshore_broker::config::{BROKER_KEYS, ConfigError};

use super::keys::{LISTENER_PREFIX, schema};
use super::reader::{Reader, split};
use super::worker::WorkerSettings;
use crate::yaml::{Document, LoadError, Problem, Report, check_schema, did_you_mean, read};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Partitions and the Kafka listener.
    Broker,
    /// The cluster's metadata.
    Controller,
    /// Connectors and the REST listener.
    Worker,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Broker => "broker",
            Self::Controller => "controller",
            Self::Worker => "worker",
        })
    }
}

/// A node's settings.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The broker with its controller, if this node is one.
    pub broker: Option<BrokerConfig>,
    /// The worker, if this node is one.
    pub worker: Option<WorkerSettings>,
}

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum NodeConfigError {
    /// The file could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// All that is wrong with it.
    #[error(transparent)]
    Wrong(Box<Report>),
}

impl NodeConfig {
    /// Reads a node's file and tells all that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, NodeConfigError> {
        let (document, problems) = read(path)?;
        Self::from_document(&document, problems)
    }

    /// The same from a parsed document and what its parser said.
    pub fn from_document(
        document: &Document,
        mut problems: Vec<Problem>,
    ) -> Result<Self, NodeConfigError> {
        problems.extend(check_schema("", &document.root, &schema()));
        let mut reader = Reader::new(&document.root);
        let node = reader.node();
        problems.extend(reader.into_problems());
        match Report::of(document, problems) {
            Some(report) => Err(NodeConfigError::Wrong(Box::new(report))),
            None => Ok(node.expect("without problems there is a node")),
        }
    }
}

impl Reader<'_> {
    fn node(&mut self) -> Option<NodeConfig> {
        let roles = self.roles();
        let broker = roles.contains(&Role::Broker).then(|| self.broker()).flatten();
        // A controller that lacks its broker was told; its worker then lacks nothing more.
        let has_cluster = roles.contains(&Role::Broker) || roles.contains(&Role::Controller);
        let mut worker = roles.contains(&Role::Worker).then(|| self.worker(has_cluster));
        if let (Some(worker), Some(broker)) = (&mut worker, &broker) {
            worker.state_dirs.push(broker.log_dir.clone());
        }
        Some(NodeConfig { broker, worker })
    }

    fn roles(&mut self) -> BTreeSet<Role> {
        const NAME: &str = "process.roles";
        let mut roles = BTreeSet::new();
        for name in split(&self.text(NAME, "broker,controller,worker")) {
            match name.as_str() {
                "broker" => roles.insert(Role::Broker),
                "controller" => roles.insert(Role::Controller),
                "worker" => roles.insert(Role::Worker),
                other => {
                    let help = did_you_mean(other, ["broker", "controller", "worker"]);
                    self.wrong(NAME, format!("`{other}` is no role"), help);
                    true
                }
            };
        }
        if roles.contains(&Role::Broker) != roles.contains(&Role::Controller) {
            let help =
                "a cluster has one node for now: write `broker,controller`, or `worker` alone";
            let message = "the roles broker and controller run in one process";
            self.wrong(NAME, message, Some(help.to_owned()));
        }
        if roles.is_empty() && self.is_all_right() {
            self.wrong(NAME, "`process.roles` is empty", None);
        }
        roles
    }

    fn broker(&mut self) -> Option<BrokerConfig> {
        self.check_voters();
        // What stands behind a listener's prefix is judged by the broker.
        let known = |name: &String| {
            name.starts_with(LISTENER_PREFIX) || BROKER_KEYS.iter().any(|key| key.name == name)
        };
        let properties = self.flat.clone().into_iter().filter(|(name, _)| known(name));
        match BrokerConfig::from_properties(properties) {
            Ok(config) => Some(config),
            Err(error) => {
                let name = match &error {
                    ConfigError::UnknownProperty { name }
                    | ConfigError::InvalidValue { name, .. } => name.clone(),
                    #[allow(unreachable_patterns, reason = "the broker may learn to say more")]
                    _ => String::new(),
                };
                self.wrong(&name, error.to_string(), None);
                None
            }
        }
    }

    /// A quorum of more than this node would be promised and not there.
    fn check_voters(&mut self) {
        const NAME: &str = "controller.quorum.voters";
        let id = self.text("node.id", "1");
        let voters = split(&self.text(NAME, ""));
        let alone = match voters.as_slice() {
            [] => true,
            [voter] => voter.split_once('@').is_some_and(|(voter, _)| voter == id),
            _ => false,
        };
        if !alone {
            let help = format!("write `{id}@host:port`, or leave it out");
            let message = "for now a cluster has one controller, this node";
            self.wrong(NAME, message, Some(help));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use super::*;

    pub(in crate::cli::node) fn load(text: &str) -> Result<NodeConfig, Report> {
        let (document, problems) = Document::parse("node.yaml", text);
        NodeConfig::from_document(&document, problems).map_err(|error| match error {
            NodeConfigError::Wrong(report) => *report,
            NodeConfigError::Load(_) => unreachable!("parsed from text"),
        })
    }

    pub(in crate::cli::node) fn told(text: &str) -> Vec<String> {
        let report = load(text).expect_err("it has problems");
        let line = |spot: &crate::yaml::Spot| {
            let help = spot.help.as_deref().unwrap_or("-");
            format!("{}:{} {} ({help})", spot.line.unwrap(), spot.column.unwrap(), spot.message)
        };
        report.spots.iter().map(line).collect()
    }

    #[test]
    fn an_empty_file_is_a_node_of_all_roles_with_the_documented_defaults() {
        let node = load("").unwrap();
        assert_eq!(node.broker.unwrap().node_id, 1);
        let worker = node.worker.unwrap();
        assert_eq!(worker.rest.listeners[0].address, "127.0.0.1:8083");
        assert_eq!(worker.config.group_id, "longshore");
        assert_eq!(worker.config.bootstrap_servers, "");
    }

    #[test]
    fn the_repositorys_own_node_files_are_right() {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        let node = NodeConfig::load(&configs.join("node.yaml")).unwrap();
        assert!(node.broker.is_some() && node.worker.is_some());
        let image = NodeConfig::load(&configs.join("../deploy/node.yaml")).unwrap();
        assert!(image.broker.is_some() && image.worker.is_some());
        for file in ["worker.yaml", "../deploy/hosts/worker.yaml"] {
            let worker = NodeConfig::load(&configs.join(file)).unwrap();
            assert!(worker.broker.is_none() && worker.worker.is_some(), "{file}");
        }
        let broker = NodeConfig::load(&configs.join("../deploy/hosts/broker.yaml")).unwrap();
        assert!(broker.broker.is_some() && broker.worker.is_none());
    }

    #[test]
    fn lists_may_be_lists_or_have_commas_and_numbers_may_be_strings() {
        let node = load("process.roles: [broker, controller]\nnode.id: \"4\"\n").unwrap();
        assert!(node.worker.is_none());
        assert_eq!(node.broker.unwrap().node_id, 4);
        let node = load("process.roles: worker\nbootstrap.servers: [a:1, b:2]\n").unwrap();
        assert!(node.broker.is_none());
        assert_eq!(node.worker.unwrap().config.bootstrap_servers, "a:1,b:2");
    }

    #[test]
    fn the_brokers_log_is_no_place_for_connections() {
        let worker = load("log.dirs: /data/log").unwrap().worker.unwrap();
        assert_eq!(worker.state_dirs, [PathBuf::from("/data/log")]);
    }

    #[test]
    fn every_mistake_is_told_at_its_line_with_a_suggestion() {
        let told = told(
            "proces.roles: broker\nnode.id: one\nrest.listeners: https://a\n\
             offset.flush.interval.ms: 0\nconnections: {a: {driver: objects, kind: local, rot: b}}\n\
             controller.quorum.voters: 1@a:1,2@b:1\n",
        );
        insta::assert_snapshot!("node_mistakes", told.join("\n"));
    }

    #[test]
    fn any_property_may_refer_to_the_environment_and_to_files() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"orders\n").unwrap();
        let text = format!(
            "process.roles: worker\nbootstrap.servers: [a:1]\ngroup.id: ${{file:{}}}\n\
             rest.advertised.host.name: x.${{env:PATH}}\n",
            file.path().display()
        );
        let worker = load(&text).unwrap().worker.unwrap();
        assert_eq!(worker.config.group_id, "orders");
        let host = format!("x.{}", std::env::var("PATH").unwrap());
        assert_eq!(worker.advertised_host, Some(host));
        let told = told("group.id: ${env:NO_SUCH_VARIABLE}\n");
        assert_eq!(told, ["1:11 the variable `NO_SUCH_VARIABLE` is not set (-)"]);
    }

    #[test]
    fn a_role_that_cannot_run_alone_is_told() {
        for roles in ["broker", "controller", "controller,worker", "brokr", "\"\""] {
            assert_eq!(told(&format!("process.roles: {roles}")).len(), 1, "{roles}");
        }
        assert!(told("process.roles: worker")[0].contains("bootstrap.servers"));
    }

    #[test]
    fn every_property_that_is_documented_is_accepted_with_its_default() {
        let schema = schema();
        let names = schema["properties"].as_object().unwrap();
        for key in BROKER_KEYS {
            assert!(names.contains_key(key.name), "{}", key.name);
            if let Some(default) = key.default {
                load(&format!("{}: \"{default}\"", key.name)).unwrap();
            }
        }
        assert!(super::super::table().contains("offset.flush.interval.ms [5000]"));
    }
}
