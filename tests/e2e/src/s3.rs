//! Servers of S3 that others wrote, and boto3, which looks into them.

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::ports::free_address;
use crate::process::{Stream, tied_command};
use crate::wait::until;
use crate::{Process, limits, paths};

/// Whose requests the server takes.
pub const ACCESS_KEY_ID: &str = "longshore-test";
/// What signs them.
pub const SECRET_ACCESS_KEY: &str = "canary-secret-of-s3";

/// A program that speaks S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// moto's server: starts in a second, keeps all in memory, believes any signature.
    Moto,
    /// MinIO: checks signatures, keeps all on disk.
    Minio,
}

/// A running server of S3. It is killed when dropped.
pub struct S3Server {
    kind: Kind,
    process: Process,
    port: u16,
    /// MinIO's disk.
    folder: TempDir,
}

/// An object as boto3 sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Seen {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Rows of files beside rows of objects, as boto3 reads them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comparison {
    /// Rows of the files.
    pub expected: u64,
    /// Rows of the objects.
    pub found: u64,
    /// Rows that are in a file more often than in the objects.
    pub missing: u64,
    /// Rows that are in the objects more often than in the files.
    pub too_many: u64,
    /// Objects that do not end with a row's end.
    pub torn: Vec<String>,
}

impl S3Server {
    /// Starts one, with an empty bucket for each name.
    pub fn start(kind: Kind, buckets: &[&str]) -> Self {
        let port = free_address().port();
        let folder = TempDir::with_prefix("longshore-s3-").expect("a temporary folder");
        let process = spawn(kind, port, &folder);
        let server = Self { kind, process, port, folder };
        for bucket in buckets {
            server.boto3(&["make-bucket", bucket]);
        }
        server
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it; it can be started again where it was.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`kill`](Self::kill); moto has forgotten all.
    pub fn start_again(&mut self) {
        self.process = spawn(self.kind, self.port, &self.folder);
    }

    /// The settings of a connection to `bucket`, without `driver` and `allow`.
    pub fn connection(&self, bucket: &str) -> serde_json::Value {
        serde_json::json!({
            "kind": "s3",
            "bucket": bucket,
            "endpoint": self.endpoint(),
            "access.key.id": ACCESS_KEY_ID,
            "secret.access.key": SECRET_ACCESS_KEY,
        })
    }

    /// All objects of a bucket.
    pub fn objects(&self, bucket: &str) -> Vec<Seen> {
        self.told(&["objects", bucket])
    }

    /// How many uploads in parts to the object are not finished.
    pub fn unfinished(&self, bucket: &str, key: &str) -> usize {
        self.told::<String>(&["unfinished", bucket, key]).len()
    }

    /// Begins an upload in parts and leaves it, as a worker that is killed does.
    pub fn leave_unfinished(&self, bucket: &str, key: &str) {
        self.boto3(&["leave-unfinished", bucket, key]);
    }

    /// Puts an object, whatever is there.
    pub fn put(&self, bucket: &str, key: &str, text: &str) {
        self.boto3(&["put", bucket, key, text]);
    }

    /// Puts `count` small objects `prefix00000`, `prefix00001`, ...
    pub fn put_many(&self, bucket: &str, prefix: &str, count: u32) {
        self.boto3(&["put-many", bucket, prefix, &count.to_string()]);
    }

    /// The bytes of an object.
    pub fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        let file = self.folder.path().join("got");
        self.boto3(&["get", bucket, key, &file.display().to_string()]);
        std::fs::read(file).expect("boto3 wrote the file")
    }

    /// Downloads all objects whose keys begin with `prefix` into `folder`.
    pub fn download(&self, bucket: &str, prefix: &str, folder: &std::path::Path) {
        self.boto3(&["download", bucket, prefix, &folder.display().to_string()]);
    }

    /// Compares the rows of the files in `folder` with those of all objects whose keys
    /// begin with `prefix`.
    pub fn compare(&self, bucket: &str, prefix: &str, folder: &std::path::Path) -> Comparison {
        let told = self.told(&["compare", bucket, prefix, &folder.display().to_string()]);
        told.into_iter().next().expect("boto3 tells what it found")
    }

    fn told<T: for<'a> Deserialize<'a>>(&self, arguments: &[&str]) -> Vec<T> {
        let lines = self.boto3(arguments);
        lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    fn boto3(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new(paths::installed("moto").join("bin/python"));
        command.arg(paths::repository().join("tests/e2e/s3.py")).arg(self.endpoint());
        command.args(arguments);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
        command.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        command.env("AWS_DEFAULT_REGION", "us-east-1");
        Process::run("boto3", &mut command)
    }
}

fn spawn(kind: Kind, port: u16, folder: &TempDir) -> Process {
    let (name, mut command, ready): (_, _, &[&str]) = match kind {
        Kind::Moto => {
            let program: PathBuf = paths::installed("moto").join("bin/moto_server");
            let mut command = tied_command(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            ("moto", command, &["Running on"])
        }
        Kind::Minio => {
            let mut command = tied_command(&paths::install("minio").join("minio"));
            command.args(["server", "--address", &format!("127.0.0.1:{port}")]);
            command.arg(folder.path().join("disk"));
            command.env("MINIO_ROOT_USER", ACCESS_KEY_ID);
            command.env("MINIO_ROOT_PASSWORD", SECRET_ACCESS_KEY);
            ("MinIO", command, &["API:", "S3-API:"])
        }
    };
    let mut process = Process::spawn(name, &mut command);
    until("the server of S3 listens", limits::READY, || {
        assert_eq!(process.status(), None, "the server of S3 ended");
        let mut lines = process.lines(Stream::Out);
        lines.extend(process.lines(Stream::Err));
        lines.iter().any(|line| ready.iter().any(|word| line.contains(word))).then_some(())
    });
    process
}
