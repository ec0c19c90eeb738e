//! Database servers of others, started by the tests on loopback with folders of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::free_address;
use crate::process::{Process, tied_command};
use crate::wait::until;
use crate::{limits, paths};

/// Debian's user without rights: PostgreSQL refuses root.
const NOBODY: u32 = 65534;

/// The user of the tests, and its database.
const USER: &str = "shop";

/// The user's password.
pub const PASSWORD: &str = "canary-password-of-sql";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgresql,
    /// MariaDB.
    Mariadb,
}

/// A server with its data; the process may die and come back on the same port.
#[derive(Debug)]
pub struct Database {
    kind: Kind,
    folder: TempDir,
    port: u16,
    process: Option<Process>,
}

impl Database {
    /// Makes a database and starts its server.
    pub fn start(kind: Kind) -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        let port = free_address().port();
        let mut database = Self { kind, folder, port, process: None };
        match kind {
            Kind::Postgresql => database.init_postgresql(),
            Kind::Mariadb => {
                paths::set_up("mariadb");
                database.init_mariadb();
            }
        }
        database.launch();
        database
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn init_postgresql(&self) {
        let password = self.folder.path().join("password");
        fs::write(&password, PASSWORD).expect("the disk has room");
        if is_root() {
            for path in [self.folder.path(), &password] {
                std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
            }
        }
        let mut command = postgresql("initdb");
        command.arg("--pwfile").arg(&password).arg("-D").arg(self.data());
        command.args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]);
        Process::run("initdb", &mut command);
    }

    fn init_mariadb(&self) {
        let mut command = Command::new("mariadb-install-db");
        command.arg("--no-defaults").arg(format!("--datadir={}", self.data().display()));
        command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        if is_root() {
            command.arg("--user=root");
        }
        Process::run("mariadb-install-db", &mut command);
    }

    /// Starts the server, and waits until it answers.
    pub fn launch(&mut self) {
        let mut command = match self.kind {
            Kind::Postgresql => {
                let mut command = postgresql("postgres");
                command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
                for setting in
                    ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
                {
                    command.args(["-c", setting]);
                }
                command
            }
            Kind::Mariadb => {
                let mut command = tied_command(Path::new("mariadbd"));
                command.arg("--no-defaults").arg(format!("--datadir={}", self.data().display()));
                command.arg(format!("--port={}", self.port));
                command.arg(format!("--socket={}", self.socket().display()));
                command.args(["--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=2"]);
                if is_root() {
                    command.arg("--user=root");
                }
                command
            }
        };
        self.process = Some(Process::spawn(self.name(), command.stdin(Stdio::null())));
        let (owner, set_up) = match self.kind {
            Kind::Postgresql => ("postgres", format!("CREATE DATABASE {USER}")),
            Kind::Mariadb => (
                "mysql",
                format!(
                    "CREATE DATABASE IF NOT EXISTS {USER} CHARACTER SET utf8mb4; \
                     CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{PASSWORD}'; \
                     GRANT ALL ON {USER}.* TO {USER}@'%'"
                ),
            ),
        };
        until("a database that answers", limits::READY, || {
            let answered = self.client(owner, true).args(self.flag()).arg("SELECT 1").output();
            answered.is_ok_and(|answer| answer.status.success()).then_some(())
        });
        let made = self.client(owner, true).args(self.flag()).arg(set_up).output();
        drop(made.expect("the client runs")); // It is there already after a restart.
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Postgresql => "postgres",
            Kind::Mariadb => "mariadbd",
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn flag(&self) -> [&'static str; 1] {
        match self.kind {
            Kind::Postgresql => ["-c"],
            Kind::Mariadb => ["-e"],
        }
    }

    /// The system's own client.
    fn client(&self, database: &str, owner: bool) -> Command {
        match self.kind {
            Kind::Postgresql => {
                let mut command = Command::new(program("psql"));
                command.env("PGPASSWORD", PASSWORD).args([
                    "-X",
                    "-q",
                    "-A",
                    "-t",
                    "-h",
                    "127.0.0.1",
                ]);
                command.args(["-p", &self.port.to_string(), "-U", USER, "-d", database]);
                command
            }
            Kind::Mariadb => {
                let mut command = Command::new("mariadb");
                command.arg("--no-defaults").args(["--batch", "--skip-column-names"]);
                if owner {
                    command.arg(format!("--socket={}", self.socket().display())).arg("--user=root");
                } else {
                    command.args(["--host=127.0.0.1", &format!("--port={}", self.port)]);
                    command.arg(format!("--user={USER}")).arg(format!("--password={PASSWORD}"));
                    command.arg("--default-character-set=utf8mb4");
                }
                command.arg(database);
                command
            }
        }
    }

    /// What a statement answers: a line for each row, its cells with `|` between.
    ///
    /// # Panics
    /// When it is refused.
    pub fn rows(&self, statement: &str) -> Vec<String> {
        let mut command = self.client(USER, false);
        let lines = Process::run("the database's client", command.args(self.flag()).arg(statement));
        lines.into_iter().map(|line| line.replace('\t', "|")).collect()
    }

    /// The same, or nothing while it is refused: the table may not be there yet.
    pub fn rows_if_any(&self, statement: &str) -> Option<Vec<String>> {
        let answer = self.client(USER, false).args(self.flag()).arg(statement).output().ok()?;
        let text = String::from_utf8(answer.stdout).ok().filter(|_| answer.status.success())?;
        Some(text.lines().map(|line| line.replace('\t', "|")).collect())
    }

    /// A connection to it, as a node's file defines one.
    pub fn connection(&self) -> Value {
        self.connection_with(PASSWORD)
    }

    /// The same with another password.
    pub fn connection_with(&self, password: &str) -> Value {
        let kind = match self.kind {
            Kind::Postgresql => "postgresql",
            Kind::Mariadb => "mariadb",
        };
        json!({
            "driver": "sql", "kind": kind, "host": "127.0.0.1", "port": self.port,
            "database": USER, "user": USER, "password": password,
            "allow": { "connectors": ["*"], "verbs": ["write"] },
        })
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Kills it without warning, and all of its children.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program of the newest PostgreSQL that Debian installed.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|it| it.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop().expect("PostgreSQL is there: tests/systems/install.sh postgresql")
}

/// The same as a user without rights, where root runs the tests.
fn postgresql(name: &str) -> Command {
    if !is_root() {
        return tied_command(&program(name));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string()]);
    command.args(["--clear-groups", "--", "setpriv", "--pdeathsig", "KILL", "--"]);
    command.arg(program(name)).current_dir("/");
    command
}
