//! `deploy/hosts/roll.sh` over three workers with the node file of `deploy/hosts`. The
//! test is their systemd: it restarts what the script asks it to, or does not.
#![allow(missing_docs, reason = "tests")]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use longshore_e2e::process::Stream;
use longshore_e2e::workers::{Worker, free_ports};
use longshore_e2e::{Node, Process, limits, paths};
use tempfile::TempDir;

const WORKERS: u8 = 3;
/// How long the script waits for a worker that never comes back.
const WAIT_SECONDS: u64 = 3;

/// What the script runs to restart a worker: it asks the test, and waits for its word.
const RESTART: &str = "#!/bin/sh\n\
    echo \"$1\" >\"$0.asked\"\n\
    read -r word <\"$0.told\"\n\
    [ \"$word\" = done ]\n";

/// The test's part of a restart.
struct Systemd {
    program: PathBuf,
    asked: Receiver<String>,
    told: File,
}

impl Systemd {
    fn new(folder: &Path) -> Self {
        let program = folder.join("restart");
        std::fs::write(&program, RESTART).expect("a program can be written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("it can be made a program");
        // Open at both ends, so that nobody who comes or goes ends it.
        let pipe = |end: &str| {
            let path = folder.join(format!("restart.{end}"));
            Process::run("mkfifo", Command::new("mkfifo").arg(&path));
            OpenOptions::new().read(true).write(true).open(path).expect("it can be opened")
        };
        let (told, lines) = (pipe("told"), BufReader::new(pipe("asked")).lines());
        let (sender, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines {
                let _ = sender.send(line.expect("the script writes text"));
            }
        });
        Self { program, asked, told }
    }

    /// The host that the script restarts next.
    fn asked(&self) -> String {
        self.asked.recv_timeout(limits::CLIENT).expect("the script asks for a restart")
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.told, "{word}").expect("the script listens");
    }
}

/// The node file of `deploy/hosts` with this machine's addresses and folders.
fn node_file(folder: &Path, bootstrap: &str, port: u16) -> PathBuf {
    let shipped = paths::repository().join("deploy/hosts/worker.yaml");
    let mut text = std::fs::read_to_string(shipped).expect("there is a node file");
    for (name, value) in [
        ("bootstrap.servers", bootstrap.to_owned()),
        ("rest.listeners", format!("http://${{env:POD_IP}}:{port}")),
        ("plugin.path", format!("[{}]", paths::plugins().display())),
        ("plugin.cache.dir", folder.join("cache").display().to_string()),
    ] {
        let given = text.lines().find(|line| line.starts_with(&format!("{name}: ")));
        let given = given.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned();
        text = text.replace(&given, &format!("{name}: {value}"));
    }
    let path = folder.join("worker.yaml");
    std::fs::write(&path, text).expect("a node file can be written");
    path
}

fn roll(systemd: &Systemd, workers: &[Worker]) -> Process {
    let mut roll = Command::new(paths::repository().join("deploy/hosts/roll.sh"));
    roll.args(workers.iter().map(|worker| worker.address.ip().to_string()));
    roll.env("RESTART", &systemd.program).env("WAIT_SECONDS", WAIT_SECONDS.to_string());
    roll.env("REST_PORT", workers[0].address.port().to_string()).stdin(Stdio::null());
    Process::spawn("roll.sh", &mut roll)
}

/// What the script said as it gave up.
fn refused(mut roll: Process) -> String {
    assert!(!roll.ended(limits::CLIENT).success(), "it was to stop");
    roll.lines(Stream::Err).join("\n")
}

#[test]
#[ignore = "second tier"]
fn a_roll_goes_on_once_a_worker_is_back_and_stops_at_the_first_that_is_not() {
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let broker = Node::start();
    let (port, _) = free_ports(WORKERS);
    let node = node_file(folder.path(), &broker.bootstrap(), port);
    let mut workers: Vec<Worker> =
        (0..WORKERS).map(|number| Worker::start(number, port, &node)).collect();
    workers.iter().for_each(Worker::wait_ready);
    let mut systemd = Systemd::new(folder.path());

    let mut whole = roll(&systemd, &workers);
    for next in 0..workers.len() {
        assert_eq!(systemd.asked(), workers[next].address.ip().to_string());
        let others = workers.iter().filter(|worker| worker.address != workers[next].address);
        for other in others {
            assert!(other.is_ready(), "{} is away, and the next one's turn came", other.name);
        }
        // As a restart that returns before the worker has joined.
        workers[next].stop();
        workers[next].start_again();
        systemd.tell("done");
    }
    let status = whole.ended(limits::CLIENT);
    assert!(status.success(), "{status}: {whole}");
    assert!(workers.iter().all(Worker::is_ready), "the last one was waited for, too");

    let broken = roll(&systemd, &workers);
    assert_eq!(systemd.asked(), workers[0].address.ip().to_string());
    workers[0].stop();
    systemd.tell("done");
    let told = refused(broken);
    let host = workers[0].address.ip();
    let why = format!("{host} is not ready after {WAIT_SECONDS} s: nothing more is restarted");
    assert!(told.contains(&why), "{told}");

    // It is the last of these, and nobody is restarted for nothing.
    workers.rotate_left(1);
    let told = refused(roll(&systemd, &workers));
    assert!(told.contains(&format!("{host} is not ready: nothing more is restarted")), "{told}");

    workers[2].start_again();
    workers[2].wait_ready();
    let failed = roll(&systemd, &workers);
    assert_eq!(systemd.asked(), workers[0].address.ip().to_string());
    systemd.tell("it failed");
    assert!(refused(failed).contains("was not restarted: nothing more is restarted"));
    workers.iter_mut().for_each(Worker::stop);
}
