//! `configs/pipelines/s3.yaml` on servers of S3 that others wrote, killed at any moment:
//! every row is in one object, once, and no object is torn or changes.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use longshore_e2e::random::Random;
use longshore_e2e::s3::{ACCESS_KEY_ID, Comparison, Kind, S3Server, SECRET_ACCESS_KEY};
use longshore_e2e::{Process, cli, limits, paths};
use tempfile::TempDir;

const SIGKILL: i32 = 9;
const BUCKET: &str = "lake";

/// A run of the example, and where it ends up.
struct Archive {
    server: S3Server,
    folder: TempDir,
    rows: u64,
}

impl Archive {
    fn new(kind: Kind) -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder");
        std::fs::create_dir(folder.path().join("in")).expect("a folder can be made");
        Self { server: S3Server::start(kind, &[BUCKET]), folder, rows: 0 }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of rows of which no two are alike.
    fn write(&mut self, name: &str, rows: u64) {
        self.write_of(name, rows, row);
    }

    fn write_of(&mut self, name: &str, rows: u64, row: impl Fn(u64) -> String) {
        let text: String = (self.rows..self.rows + rows).map(row).collect();
        self.rows += rows;
        std::fs::write(self.place("in").join(name), text).expect("the disk has room");
    }

    fn start(&self, settings: &[&str], crash: Option<&str>) -> Process {
        let pipeline = paths::repository().join("configs/pipelines/s3.yaml");
        let mut command = cli::command(&["run", &pipeline.display().to_string()]);
        for setting in [
            format!("connections.input.root={}", self.place("in").display()),
            format!("connections.lake.endpoint={}", self.server.endpoint()),
        ] {
            command.args(["--set", &setting]);
        }
        for setting in settings {
            command.args(["--set", setting]);
        }
        command.arg("--data-dir").arg(self.place("data"));
        command.arg("--plugin-path").arg(paths::plugins());
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
        command.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        if let Some(point) = crash {
            command.env("LONGSHORE_CRASH_AT", point);
        }
        Process::spawn("longshore run", &mut command)
    }

    fn run(&self, settings: &[&str]) -> Process {
        let mut process = self.start(settings, None);
        let status = process.ended(limits::RUN);
        assert!(status.success(), "longshore run ended with {status}");
        process
    }

    /// What is archived, by name.
    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder");
        self.server.download(BUCKET, "topics/visits/", folder.path());
        let mut objects = BTreeMap::new();
        collect(folder.path(), folder.path(), &mut objects);
        objects
    }

    /// Every row is in one object, once.
    fn check(&self) {
        let compared = self.server.compare(BUCKET, "topics/visits/", &self.place("in"));
        let all = self.rows;
        let expected =
            Comparison { expected: all, found: all, missing: 0, too_many: 0, torn: vec![] };
        assert_eq!(compared, expected);
    }
}

fn row(number: u64) -> String {
    format!("row {number:08} of what was visited, and by whom, at some length\n")
}

fn collect(root: &Path, folder: &Path, objects: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            collect(root, &path, objects);
        } else {
            let name = path.strip_prefix(root).expect("it is below").display().to_string();
            objects.insert(name, std::fs::read(&path).expect("a file can be read"));
        }
    }
}

#[test]
fn the_example_archives_every_row_once_in_a_folder_a_day_over_a_kill_and_shows_no_secret() {
    archives(Kind::Moto, "sink-after-finish-before-commit");
}

#[test]
#[ignore = "second tier: MinIO is built first, for many minutes"]
fn on_minio_the_example_archives_every_row_once_over_a_kill_at_either_end_of_a_finish() {
    archives(Kind::Minio, "sink-before-finish");
    archives(Kind::Minio, "sink-after-finish-before-commit");
}

/// Runs the example on rows of two files, with a kill at the point.
fn archives(kind: Kind, point: &str) {
    let mut archive = Archive::new(kind);
    archive.write("a.log", 2_000);
    archive.write("b.log", 3_000);
    let mut process = archive.start(&["connectors.archive.flush.size=700"], Some(point));
    let status = process.ended(limits::RUN);
    assert_eq!(status.signal(), Some(SIGKILL), "it died at {point}: {status}");
    let finished = archive.objects();
    assert!(!finished.is_empty(), "nothing was finished before the kill");
    // Whatever its own size says, it ends objects where that was decided.
    let process = archive.run(&["connectors.archive.flush.size=300"]);
    let objects = archive.objects();
    kept(&finished, &objects);
    archive.check();
    for name in objects.keys() {
        let parts: Vec<_> = name.split(['/', '=']).collect();
        assert!(matches!(parts[..], ["year", _, "month", _, "day", _, _]), "{name}");
    }
    let shown = process.all_lines().join("\n");
    assert!(!shown.contains(SECRET_ACCESS_KEY), "a secret is shown");
    // A third run finds nothing new to do.
    archive.run(&[]);
    assert_eq!(archive.objects(), objects);
}

#[test]
#[ignore = "second tier: tens of megabytes"]
fn parts_that_a_kill_left_are_cleaned_up_by_the_next_run() {
    let mut archive = Archive::new(Kind::Moto);
    archive.write_of("a.log", 20_000, |number| "-".repeat(930) + &row(number));
    let one = "topics.visits.partitions=1";
    let mut process = archive.start(&[one], Some("sink-before-finish"));
    assert_eq!(process.ended(limits::RUN).signal(), Some(SIGKILL));
    let left = archive.server.unfinished(BUCKET, "topics/visits/");
    assert_eq!((left, archive.objects().len()), (1, 0), "an upload, and no object");
    archive.run(&[one]);
    assert_eq!(archive.server.unfinished(BUCKET, "topics/visits/"), 0);
    archive.check();
}

#[test]
#[ignore = "second tier: MinIO is built first, for many minutes"]
fn at_ten_kills_of_the_worker_and_three_of_the_server_every_row_is_in_one_object() {
    let test = "at_ten_kills_of_the_worker_and_three_of_the_server_every_row_is_in_one_object";
    seeded_kills(test, Kind::Minio, 10, 3);
}

/// Kills the worker, and the server, while rows go by; each run has rows of its own
/// besides what the one before it left.
fn seeded_kills(test: &str, kind: Kind, workers: u32, servers: u32) {
    let mut random = Random::announced(test);
    let mut archive = Archive::new(kind);
    archive.write("first.log", 4_000);
    let began = Instant::now();
    archive.run(&["connectors.archive.flush.size=500"]);
    let longest = began.elapsed().as_micros() as u64;
    let mut finished = archive.objects();
    let (mut workers_killed, mut servers_killed) = (0, 0);
    for run in 0..(workers + servers) * 5 {
        if workers_killed == workers && servers_killed == servers {
            break;
        }
        archive.write(&format!("more{run}.log"), random.between(2_000, 8_000));
        let flush = format!("connectors.archive.flush.size={}", random.between(200, 900));
        let mut process = archive.start(&[&flush], None);
        let moment = Duration::from_micros(random.between(longest / 4, longest));
        let began = Instant::now();
        while began.elapsed() < moment && process.status().is_none() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        match process.status() {
            // A run that was quicker than its kill must have come to a good end.
            Some(status) => assert!(status.success(), "longshore run ended with {status}"),
            None if servers_killed < servers => {
                archive.server.kill();
                archive.server.start_again();
                servers_killed += 1;
                println!("kill of the server {servers_killed}: {moment:?}");
                let status = process.ended(limits::RUN);
                assert!(status.success(), "longshore run ended with {status}");
            }
            None => {
                process.kill();
                workers_killed += 1;
                println!("kill of the worker {workers_killed}: {moment:?}");
            }
        }
        let now = archive.objects();
        kept(&finished, &now);
        finished = now;
    }
    assert_eq!((workers_killed, servers_killed), (workers, servers), "most runs were too quick");
    archive.run(&[]);
    kept(&finished, &archive.objects());
    archive.check();
}

/// A finished object stays, and never changes.
fn kept(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in before {
        assert!(after.get(name) == Some(bytes), "{name} was lost or changed");
    }
}
