//! The data directory and the node's settings of a run.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use longshore_broker::BrokerConfig;

use super::super::CliError;
use super::super::node::{NodeConfig, WorkerSettings};
use super::super::plugins::cache_folder;
use crate::host::Allowed;
use crate::pipeline::Rendered;
use crate::rest::settings::RestSettings;
use crate::worker::config::WorkerConfig;
use crate::worker::herder::ConnectorConfig;

/// Where runs are kept that nobody gave a place: in the current folder, where
/// their user finds them.
const RUNS: &str = ".data";
/// Runs of one pipeline before someone must clean up.
const RUNS_MAX: u32 = 100_000;

/// The ports to listen on; 0 takes a free one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) kafka: u16,
    pub(super) rest: u16,
}

/// The folder given, or a new one: `.data/wordcount-1`, `.data/wordcount-2`.
pub(super) fn data_dir(given: Option<&Path>, pipeline: &str) -> Result<PathBuf, CliError> {
    let failed = |folder: &Path, error: std::io::Error| {
        CliError::failed(format!(
            "cannot make the data directory {}: {error}; name another with --data-dir",
            folder.display()
        ))
    };
    if let Some(folder) = given {
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        return Ok(folder.to_owned());
    }
    let runs = Path::new(RUNS);
    std::fs::create_dir_all(runs).map_err(|error| failed(runs, error))?;
    for number in 1..=RUNS_MAX {
        let folder = runs.join(format!("{pipeline}-{number}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            // Another run has it, perhaps one that started this moment.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&folder, error)),
        }
    }
    Err(CliError::failed(format!("{RUNS} is full of runs: delete some")))
}

/// The three roles over one data directory, for this machine alone.
pub(super) fn node(
    data_dir: &Path,
    ports: Ports,
    rendered: &Rendered,
) -> Result<NodeConfig, CliError> {
    let log = data_dir.join("log");
    let broker = BrokerConfig::from_properties([
        ("listeners", format!("PLAINTEXT://127.0.0.1:{}", ports.kafka)),
        ("log.dirs", log.display().to_string()),
        // One worker's few groups: fifty partitions would only cost files.
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        // Nobody else is awaited.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
    ]);
    let broker = broker.map_err(|error| CliError::failed(error.to_string()))?;
    Ok(NodeConfig {
        broker: Some(broker),
        worker: Some(WorkerSettings {
            // An earlier run over this directory may have had another pipeline.
            config: WorkerConfig {
                only: Some(connectors(rendered)),
                ..WorkerConfig::new("", "longshore-run", "")
            },
            rest: RestSettings::plain(format!("127.0.0.1:{}", ports.rest)),
            advertised_host: None,
            advertised_port: None,
            metrics_listener: None,
            // They were found when the pipeline was checked.
            plugin_path: Vec::new(),
            cache_dir: cache_folder(),
            connections: rendered.connections.clone(),
            replaces_plugins: false,
            allowed: Allowed::default(),
            state_dirs: vec![log],
        }),
    })
}

fn connectors(rendered: &Rendered) -> BTreeMap<String, ConnectorConfig> {
    let all = rendered.connectors.iter();
    all.map(|connector| (connector.name.clone(), connector.config.clone())).collect()
}
