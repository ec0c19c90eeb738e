//! A fleet: worker processes with one `group.id` on a broker of its own process,
//! killed, frozen, started again and joined by others.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`worker`] | one worker's process |
//! | [`tasks`] | who runs what, and what the status topic has heard of it since |
//! | [`ticks`] | rows written in a steady rhythm, and the gaps in what came of them |
//! | [`kills`] | seeded schedules of kills, ending in a verdict |
//! | [`commits`] | whether a commit covers what is not durable |
//! | [`copies`] | what file sinks made of them |

pub mod commits;
pub mod copies;
pub mod kills;
pub mod tasks;
pub mod ticks;
pub mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use crate::{Node, paths, rest};
use worker::{Recipe, Worker};

/// Workers that share connectors, and the folders that those read and write.
#[derive(Debug)]
pub struct Fleet {
    recipe: Recipe,
    folder: TempDir,
    workers: Vec<Worker>,
}

impl Fleet {
    /// A fleet on this broker's cluster, without workers yet.
    pub fn on(broker: &Node) -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        let mut fleet = Self { recipe: Recipe::default(), folder, workers: Vec::new() };
        for folder in [fleet.input(), fleet.output()] {
            std::fs::create_dir(folder).expect("a folder can be made");
        }
        let connection = |root: PathBuf, verb: &str| {
            let allow = json!({ "connectors": ["*"], "verbs": [verb] });
            json!({ "driver": "objects", "kind": "local", "root": root, "allow": allow })
        };
        let connections = json!({
            "input": connection(fleet.input(), "read"),
            "output": connection(fleet.output(), "write"),
        });
        fleet.set("process.roles", "worker");
        fleet.set("bootstrap.servers", broker.bootstrap());
        fleet.set("plugin.path", json!([paths::plugins()]));
        fleet.set("connections", connections);
        fleet
    }

    /// Sets a property of workers that are started from now on; `${folder}` in
    /// its value is the folder of each.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.recipe.properties.insert(name.to_owned(), value.to_string());
    }

    /// Sets an environment variable of workers that are started from now on.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.recipe.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Another program in the place of the binary, for workers from now on.
    pub fn program(&mut self, program: PathBuf) {
        self.recipe.program = Some(program);
    }

    /// The folder that sources read.
    pub fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    /// The folder that sinks write to.
    pub fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Starts so many more workers, all at once, and waits until they serve.
    pub fn add(&mut self, count: usize) {
        let first = self.workers.len();
        for _ in 0..count {
            self.workers.push(Worker::launch(self.recipe.clone()));
        }
        for worker in &mut self.workers[first..] {
            worker.wait_ready();
        }
    }

    /// One more worker, not waited for: it may be refused.
    pub fn launch(&mut self) -> &mut Worker {
        self.workers.push(Worker::launch(self.recipe.clone()));
        self.workers.last_mut().expect("one was just added")
    }

    /// A worker, in the order in which they were added.
    pub fn worker(&mut self, at: usize) -> &mut Worker {
        &mut self.workers[at]
    }

    /// How many workers were added.
    pub fn size(&self) -> usize {
        self.workers.len()
    }

    /// The ids of the workers that run and are not frozen.
    pub fn ids(&self) -> Vec<String> {
        self.workers.iter().filter(|worker| worker.answers()).map(Worker::id).collect()
    }

    /// The REST listener of one of those.
    ///
    /// # Panics
    /// When there is none.
    pub fn rest(&self) -> SocketAddr {
        let worker = self.workers.iter().rev().find(|worker| worker.answers());
        worker.expect("a worker runs").rest()
    }

    /// Creates a connector of these options.
    pub fn create(&self, name: &str, config: &[(&str, &str)]) {
        rest::create(self.rest(), name, config);
    }
}
