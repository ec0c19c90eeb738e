//! The worker's part of a node's file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::super::plugins::cache_folder;
use super::keys::{CLIENT_PREFIX, CONNECTIONS};
use super::reader::{Reader, split};
use crate::host::{Allowed, AllowedPaths, ReferencePattern};
use crate::kafka::{ClientError, Security};
use crate::pipeline::model::Connection;
use crate::rest::settings::RestSettings;
use crate::worker::config::{FleetResources, SourceSupport, TopicTracking, WorkerConfig};
use crate::yaml::did_you_mean;

/// What the worker of a node is told.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Its settings; `bootstrap_servers` is empty when they are those of the
    /// broker in the same process, `worker_id` until REST listens.
    pub config: WorkerConfig,
    /// Where REST listens, and for whom.
    pub rest: RestSettings,
    /// What goes before `:` in the worker's id, if not the listener's host.
    pub advertised_host: Option<String>,
    /// What goes after it, if not the listener's port.
    pub advertised_port: Option<u16>,
    /// `metrics.listener` of a worker alone; a broker in its process serves the metrics
    /// of both.
    pub metrics_listener: Option<String>,
    /// Folders of plugins that the file names; empty for the default ones.
    pub plugin_path: Vec<PathBuf>,
    /// Where compiled plugins are kept.
    pub cache_dir: PathBuf,
    /// Connections by name; their references to secrets are still references.
    pub connections: BTreeMap<String, Connection>,
    /// `plugin.upload.replace.enable`: plugins from requests may take the place of the
    /// worker's own.
    pub replaces_plugins: bool,
    /// What those from requests may reach of the machine.
    pub allowed: Allowed,
    /// Where else the process keeps what is its own: the broker's log.
    pub state_dirs: Vec<PathBuf>,
}

impl Reader<'_> {
    pub(super) fn worker(&mut self, has_cluster: bool) -> WorkerSettings {
        let bootstrap = self.text("bootstrap.servers", "");
        if bootstrap.is_empty() && !has_cluster {
            let help = "write `bootstrap.servers: host:port`";
            let message = "a worker without a broker in its process lacks `bootstrap.servers`";
            self.wrong("bootstrap.servers", message, Some(help.to_owned()));
        }
        let mut config = WorkerConfig::new(&bootstrap, &self.text("group.id", "longshore"), "");
        for (storage, prefix, has_partitions) in [
            (&mut config.config_storage, "config.storage", false),
            (&mut config.offset_storage, "offset.storage", true),
            (&mut config.status_storage, "status.storage", true),
            (&mut config.plugin_storage, "plugin.storage", false),
        ] {
            storage.name = self.text(&format!("{prefix}.topic"), &storage.name);
            storage.replication_factor =
                self.number(&format!("{prefix}.replication.factor"), storage.replication_factor);
            if has_partitions {
                storage.partitions =
                    self.number(&format!("{prefix}.partitions"), storage.partitions);
            }
        }
        config.offset_flush_interval =
            self.millis("offset.flush.interval.ms", config.offset_flush_interval);
        config.session_timeout = self.millis("session.timeout.ms", config.session_timeout);
        config.rebalance_timeout = self.millis("rebalance.timeout.ms", config.rebalance_timeout);
        let delay = config.scheduled_rebalance_max_delay.as_millis() as u64;
        config.scheduled_rebalance_max_delay =
            Duration::from_millis(self.number_from(0, "scheduled.rebalance.max.delay.ms", delay));
        config.topic_refresh_interval =
            self.millis("metadata.max.age.ms", config.topic_refresh_interval);
        config.exactly_once_sources = self.source_support();
        let TopicTracking { enable, allow_reset } = config.topic_tracking;
        config.topic_tracking = TopicTracking {
            enable: self.flag("topic.tracking.enable", enable),
            allow_reset: self.flag("topic.tracking.allow.reset", allow_reset),
        };
        config.fleet_resources = FleetResources {
            connections: self.flag("connection.resources.enable", false),
            plugins: self.flag("plugin.upload.enable", false),
        };
        config.security = self.client_security();
        config.inter_worker = self.inter_worker();
        let rest = self.rest();
        self.check_uploads(config.fleet_resources, &rest);
        WorkerSettings {
            config,
            rest,
            advertised_host: self.flat.get("rest.advertised.host.name").cloned(),
            advertised_port: self
                .flat
                .contains_key("rest.advertised.port")
                .then(|| self.number("rest.advertised.port", 8083_u16)),
            metrics_listener: self.metrics_listener(has_cluster),
            plugin_path: split(&self.text("plugin.path", "")).iter().map(PathBuf::from).collect(),
            cache_dir: self.flat.get("plugin.cache.dir").map_or_else(cache_folder, PathBuf::from),
            connections: self.connections(),
            replaces_plugins: self.flag("plugin.upload.replace.enable", false),
            allowed: self.allowed(),
            state_dirs: Vec::new(),
        }
    }

    /// Not everybody who may send requests may say what code the fleet runs.
    fn check_uploads(&mut self, taken: FleetResources, rest: &RestSettings) {
        const UPLOADS: &str = "plugin.upload.enable";
        const REPLACE: &str = "plugin.upload.replace.enable";
        if taken.plugins && rest.is_open_to_all() {
            let help = "write `rest.auth.admins: [USER]` with a file of users or tokens, or \
                        `admin.listeners: http://host:port`";
            let message = "whoever may send requests would decide what code connectors run";
            self.wrong(UPLOADS, message, Some(help.to_owned()));
        }
        if !taken.plugins && self.flag(REPLACE, false) {
            let message = format!("it has no effect without `{UPLOADS}: true`");
            self.wrong(REPLACE, message, None);
        }
    }

    /// What connections from requests may reach.
    fn allowed(&mut self) -> Allowed {
        const ROOTS: &str = "connection.resources.root.allowed.paths";
        const FILES: &str = "connection.resources.file.allowed.paths";
        const ENV: &str = "connection.resources.env.allowlist.pattern";
        let is_taken = self.flag("connection.resources.enable", false);
        for name in [ROOTS, FILES, ENV] {
            if !is_taken && self.flat.contains_key(name) {
                let help = "write `connection.resources.enable: true`";
                let message = "it has no effect: requests may not define connections";
                self.wrong(name, message, Some(help.to_owned()));
            }
        }
        let env = self.flat.get(ENV).map(|pattern| ReferencePattern::new(pattern)).transpose();
        let env = env.unwrap_or_else(|why| {
            self.wrong(ENV, format!("`{ENV}` is no regular expression: {why}"), None);
            None
        });
        Allowed { roots: self.allowed_paths(ROOTS), files: self.allowed_paths(FILES), env }
    }

    fn allowed_paths(&mut self, name: &str) -> AllowedPaths {
        let paths = split(&self.text(name, "")).iter().map(PathBuf::from).collect();
        AllowedPaths::new(paths).unwrap_or_else(|wrong| {
            let message = format!("`{}` is no absolute path, or has `..` in it", wrong.display());
            self.wrong(name, message, None);
            AllowedPaths::default()
        })
    }

    fn source_support(&mut self) -> SourceSupport {
        const NAME: &str = "exactly.once.source.support";
        let Some(given) = self.flat.get(NAME).map(|given| given.trim().to_owned()) else {
            return SourceSupport::default();
        };
        let mut known = SourceSupport::ALL.into_iter();
        if let Some((_, support)) = known.find(|(name, _)| name.eq_ignore_ascii_case(&given)) {
            return support;
        }
        let help = did_you_mean(&given, SourceSupport::ALL.map(|(name, _)| name));
        let message = format!("`{NAME}` is disabled, preparing or enabled, not `{given}`");
        self.wrong(NAME, message, help);
        SourceSupport::default()
    }

    /// How the worker's Kafka clients are protected.
    fn client_security(&mut self) -> Security {
        let of_clients = |(key, value): (&String, &String)| {
            Some((key.strip_prefix(CLIENT_PREFIX)?.to_owned(), value.clone()))
        };
        let mut properties: BTreeMap<_, _> = self.flat.iter().filter_map(of_clients).collect();
        let taken = Security::take(&mut properties);
        for name in properties.keys() {
            let key = format!("{CLIENT_PREFIX}{name}");
            let help = "a connector's own are producer.override.* and consumer.override.*";
            let message = "here stand security.*, sasl.* and ssl.* alone";
            self.wrong(&key, message, Some(help.to_owned()));
        }
        taken.unwrap_or_else(|error| {
            match error {
                ClientError::Config { name, reason } => {
                    self.wrong(&format!("{CLIENT_PREFIX}{name}"), reason, None);
                }
                other => self.wrong(CLIENT_PREFIX, other.to_string(), None),
            }
            Security::default()
        })
    }

    fn metrics_listener(&mut self, has_broker: bool) -> Option<String> {
        const NAME: &str = "metrics.listener";
        let address = self.flat.get(NAME).filter(|_| !has_broker)?.clone();
        let is_address =
            |(host, port): (&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok();
        if !address.rsplit_once(':').is_some_and(is_address) {
            self.wrong(NAME, format!("`{NAME}` is host:port, not `{address}`"), None);
        }
        Some(address)
    }

    /// What does not fit was told by the schema.
    fn connections(&self) -> BTreeMap<String, Connection> {
        self.given(CONNECTIONS)
            .and_then(|node| serde_json::from_value(node.to_json()).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::{load, told};
    use super::*;

    #[test]
    fn a_worker_that_leaves_may_be_waited_for_or_not() {
        let delay = |text: &str| {
            let worker = load(text).unwrap().worker.unwrap();
            worker.config.scheduled_rebalance_max_delay.as_millis()
        };
        assert_eq!(delay(""), 3_000);
        assert_eq!(delay("scheduled.rebalance.max.delay.ms: 0"), 0);
        assert!(told("scheduled.rebalance.max.delay.ms: -1")[0].contains("from 0"));
    }

    #[test]
    fn sources_are_exactly_once_unless_the_file_says_otherwise() {
        let support = |text: &str| load(text).unwrap().worker.unwrap().config.exactly_once_sources;
        assert_eq!(support(""), SourceSupport::Enabled);
        assert_eq!(support("exactly.once.source.support: disabled"), SourceSupport::Disabled);
        assert_eq!(support("exactly.once.source.support: PREPARING"), SourceSupport::Preparing);
        let told = told("exactly.once.source.support: enabld\n");
        assert!(told[0].contains("not `enabld`") && told[0].contains("`enabled`"), "{told:?}");
    }

    #[test]
    fn topics_are_tracked_unless_the_file_says_otherwise() {
        let tracking = |text: &str| load(text).unwrap().worker.unwrap().config.topic_tracking;
        assert_eq!(tracking(""), TopicTracking { enable: true, allow_reset: true });
        let off = "topic.tracking.enable: false\ntopic.tracking.allow.reset: FALSE\n";
        assert_eq!(tracking(off), TopicTracking { enable: false, allow_reset: false });
        assert!(told("topic.tracking.enable: \"no\"")[0].contains("true or false"));
    }

    #[test]
    fn requests_bring_connectors_alone_unless_the_file_says_otherwise() {
        let taken = |text: &str| load(text).unwrap().worker.unwrap().config.fleet_resources;
        assert_eq!(taken(""), FleetResources { connections: false, plugins: false });
        let on = "connection.resources.enable: true\nplugin.upload.enable: TRUE\n\
                  admin.listeners: http://127.0.0.1:0\n";
        assert_eq!(taken(on), FleetResources { connections: true, plugins: true });
        let named = "plugin.upload.enable: true\nrest.auth.basic.file: users\n\
                     rest.auth.admins: ana\n";
        assert!(taken(named).plugins);
        for text in [
            "plugin.upload.enable: true\n",
            "plugin.upload.enable: true\nadmin.listeners: []\n",
            "plugin.upload.enable: true\nrest.auth.basic.file: users\n",
        ] {
            let told = told(text);
            assert!(told[0].contains("what code connectors run"), "{told:?}");
        }
        assert!(told("plugin.upload.replace.enable: true")[0].contains("no effect"));
    }

    #[test]
    fn what_connections_from_requests_may_reach_is_nothing_unless_it_is_said() {
        let allowed = |text: &str| load(text).unwrap().worker.unwrap().allowed;
        assert_eq!(allowed("connection.resources.enable: true").roots, AllowedPaths::default());
        let text = "connection.resources.enable: true\n\
                    connection.resources.root.allowed.paths: [/data, /mnt/in]\n\
                    connection.resources.file.allowed.paths: /run/secrets\n\
                    connection.resources.env.allowlist.pattern: CONNECTION_.*\n";
        let said = allowed(text);
        let paths = |paths: &[&str]| AllowedPaths::new(paths.iter().map(PathBuf::from).collect());
        assert_eq!(Ok(said.roots), paths(&["/data", "/mnt/in"]));
        assert_eq!(Ok(said.files), paths(&["/run/secrets"]));
        assert!(said.env.is_some());
        for (text, part) in [
            ("connection.resources.root.allowed.paths: /data", "no effect"),
            (
                "connection.resources.enable: true\n\
                 connection.resources.root.allowed.paths: data",
                "no absolute path",
            ),
            (
                "connection.resources.enable: true\n\
                 connection.resources.env.allowlist.pattern: \"(\"",
                "no regular expression",
            ),
        ] {
            let told = told(text);
            assert!(told[0].contains(part), "{told:?}");
        }
    }

    #[test]
    fn the_workers_own_security_stands_apart_from_the_brokers_and_its_mistakes_are_told() {
        let text = "worker.client.security.protocol: SASL_SSL\nworker.client.sasl.mechanism: PLAIN\n\
                    worker.client.sasl.username: w\nworker.client.sasl.password: ${env:PATH}\n";
        let sasl = load(text).unwrap().worker.unwrap().config.security.sasl.unwrap();
        assert_eq!(sasl.password.expose(), std::env::var("PATH").unwrap());
        let mistakes = told(
            "worker.client.security.protocol: SSLL\nworker.client.sasl.password: ${env:NO_SUCH}\n",
        );
        let tells = |start: &str| mistakes.iter().any(|mistake| mistake.starts_with(start));
        assert!(tells("1:34 `SSLL` is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"));
        assert!(tells("2:30 the variable `NO_SUCH` is not set"));
        let mistakes = told("worker.client.linger.ms: \"5\"\n");
        assert!(mistakes[0].starts_with("1:26 here stand security.*"), "{mistakes:?}");
    }

    #[test]
    fn a_workers_metrics_are_served_by_the_broker_of_its_process_if_there_is_one() {
        let listener = |text: &str| load(text).unwrap().worker.unwrap().metrics_listener;
        let alone = "process.roles: worker\nbootstrap.servers: a:1\nmetrics.listener: ";
        assert_eq!(listener(&format!("{alone}0.0.0.0:9404")), Some("0.0.0.0:9404".to_owned()));
        assert_eq!(listener("metrics.listener: 0.0.0.0:9404"), None);
        assert_eq!(
            told(&format!("{alone}\":9404\""))[0],
            "3:19 `metrics.listener` is host:port, not `:9404` (-)"
        );
    }
}
