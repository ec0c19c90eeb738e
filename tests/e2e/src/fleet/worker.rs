//! A `longshore server` process that is a worker alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Process, Stream, tied_command};
use crate::{limits, paths};

/// What a worker prints, once, when it serves.
const READY_PREFIX: &str = "longshore ready rest=";

/// What workers are started with.
#[derive(Debug, Clone, Default)]
pub(super) struct Recipe {
    /// Another program in the place of the binary under test.
    pub(super) program: Option<PathBuf>,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) environment: BTreeMap<String, String>,
}

/// A worker of a fleet. Its process may die and come back, at the same address
/// and in the same folder.
#[derive(Debug)]
pub struct Worker {
    recipe: Recipe,
    folder: TempDir,
    rest: SocketAddr,
    process: Option<Process>,
    frozen: bool,
}

impl Worker {
    /// Starts a worker's process; [`wait_ready`](Self::wait_ready) waits until it
    /// serves.
    pub(super) fn launch(recipe: Recipe) -> Self {
        let mut worker = Self {
            recipe,
            folder: TempDir::with_prefix("longshore-").expect("a temporary folder can be made"),
            rest: SocketAddr::from(([127, 0, 0, 1], 0)),
            process: None,
            frozen: false,
        };
        worker.spawn();
        worker
    }

    /// Where its REST listener is.
    pub fn rest(&self) -> SocketAddr {
        self.rest
    }

    /// The name that statuses have for it.
    pub fn id(&self) -> String {
        self.rest.to_string()
    }

    /// The folder with all of its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it runs, and is not frozen.
    pub fn answers(&self) -> bool {
        self.process.is_some() && !self.frozen
    }

    /// The running process.
    ///
    /// # Panics
    /// When there is none.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the worker runs")
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        self.process().kill();
        (self.process, self.frozen) = (None, false);
    }

    /// Stops the worker in order (SIGTERM).
    pub fn stop(&mut self) -> ExitStatus {
        let status = self.process().terminate();
        self.process = None;
        status
    }

    /// Waits until the process ended by itself, and gives what it said of the reason,
    /// its lines as one.
    ///
    /// # Panics
    /// When it serves, or ended well.
    pub fn refused(&mut self) -> String {
        let status = self.process().ended(limits::CLIENT);
        let process = self.process.take().expect("it was just waited for");
        assert!(!status.success(), "it ended with {status}");
        process.lines(Stream::Err).join(" ")
    }

    /// Whether the process has died by itself, as at a crash point.
    pub fn has_died(&mut self) -> bool {
        let died = self.process().status().is_some();
        if died {
            self.process = None;
        }
        died
    }

    /// Freezes the process (SIGSTOP).
    pub fn freeze(&mut self) {
        self.process().signal(Signal::STOP);
        self.frozen = true;
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&mut self) {
        self.process().signal(Signal::CONT);
        self.frozen = false;
    }

    /// Starts it again, at its address, and waits until it serves.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "stop or kill the worker before starting it again");
        self.spawn();
        self.wait_ready();
    }

    /// Takes everything from its disk that it may have left there.
    pub fn lose_disk(&mut self) {
        for entry in std::fs::read_dir(self.folder()).expect("a folder can be listed") {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                std::fs::remove_dir_all(&path).expect("a folder can be removed");
            } else {
                std::fs::remove_file(&path).expect("a file can be removed");
            }
        }
    }

    /// Sets an environment variable for its next start; `None` removes it.
    pub fn environment(&mut self, name: &str, value: Option<&str>) {
        self.recipe.environment.remove(name);
        let value = value.map(|value| (name.to_owned(), value.to_owned()));
        self.recipe.environment.extend(value);
    }

    /// Starts the process without waiting.
    pub fn spawn(&mut self) {
        let file = self.folder.path().join("worker.yaml");
        let mut text = format!("rest.listeners: http://{}\n", self.rest);
        for (name, value) in &self.recipe.properties {
            // A value of its own folder is below it.
            let value = value.replace("${folder}", &self.folder.path().display().to_string());
            text.push_str(&format!("{name}: {value}\n"));
        }
        std::fs::write(&file, text).expect("worker.yaml can be written");
        let program = self.recipe.program.clone().unwrap_or_else(paths::longshore);
        let mut command = tied_command(&program);
        command.arg("server").arg("-c").arg(&file).current_dir(self.folder.path());
        command.envs(&self.recipe.environment);
        self.process = Some(Process::spawn("longshore worker", &mut command));
    }

    /// Waits until it serves.
    pub fn wait_ready(&mut self) {
        let ready = self.process().wait_for("ready line", limits::READY, |line| {
            (line.stream == Stream::Out)
                .then(|| line.text.strip_prefix(READY_PREFIX))?
                .map(str::to_owned)
        });
        self.rest = ready.trim().parse().unwrap_or_else(|_| panic!("{ready} is no address"));
    }
}
