//! moto's queues, and boto3, which looks into them.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ports::free_address;
use crate::process::tied_command;
use crate::s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use crate::wait::until;
use crate::{Process, limits, paths, rest};

/// A running server of SQS: moto, which keeps all in memory. It is killed when dropped.
pub struct SqsServer {
    process: Process,
    address: SocketAddr,
}

/// A message as boto3 sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Taken {
    /// Its text.
    pub body: String,
    /// `TYPE:VALUE` by name, bytes in hexadecimal.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// Of FIFO.
    pub group: Option<String>,
    /// How often it was received.
    pub received: u32,
}

impl SqsServer {
    /// Starts one without queues.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let address = free_address();
        Self { process: spawn(address, &[]), address }
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it; it can be started again where it was.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`kill`](Self::kill), with these queues, empty.
    pub fn start_again(&mut self, queues: &[&str]) {
        self.process = spawn(self.address, queues);
    }

    /// The settings of a connection, without `driver` and `allow`.
    pub fn connection(&self) -> Value {
        json!({
            "kind": "sqs",
            "endpoint": self.endpoint(),
            "access.key.id": ACCESS_KEY_ID,
            "secret.access.key": SECRET_ACCESS_KEY,
        })
    }

    /// From now on it asks who makes a request, and knows nobody.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask_who(&self) {
        let answer = rest::request(self.address, "POST", "/moto-api/reset-auth", Some(&json!(0)));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Makes a queue, FIFO if its name ends so; answers its URL.
    ///
    /// # Panics
    /// When boto3 does not tell it.
    pub fn make(&self, queue: &str) -> String {
        self.told(&["make", queue]).pop().expect("a URL")
    }

    /// Makes a topic of SNS, whose messages a queue gets; answers its ARN.
    ///
    /// # Panics
    /// When boto3 does not tell it.
    pub fn subscribe(&self, queue: &str, topic: &str) -> String {
        self.told(&["subscribe", queue, topic]).pop().expect("an ARN")
    }

    /// Sends orders `first`, `first + 1`, ... of so many customers, whose groups they are.
    pub fn send(&self, queue: &str, first: u64, count: u64, customers: u64) {
        let numbers = [first, count, customers].map(|number| number.to_string());
        self.boto3(&["send", queue, &numbers[0], &numbers[1], &numbers[2]]);
    }

    /// Messages that are there, and those that somebody received and did not delete.
    ///
    /// # Panics
    /// When boto3 does not tell it.
    pub fn count(&self, queue: &str) -> (u64, u64) {
        self.told(&["count", queue]).pop().expect("two numbers")
    }

    /// Receives and deletes all that is there.
    pub fn take(&self, queue: &str) -> Vec<Taken> {
        self.told(&["take", queue])
    }

    fn told<T: for<'a> Deserialize<'a>>(&self, arguments: &[&str]) -> Vec<T> {
        let lines = self.boto3(arguments);
        lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    fn boto3(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new(paths::installed("moto").join("bin/python"));
        command.arg(paths::repository().join("tests/e2e/sqs.py")).arg(self.endpoint());
        command.args(arguments);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
        command.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        command.env("AWS_DEFAULT_REGION", "us-east-1");
        Process::run("boto3", &mut command)
    }
}

fn spawn(address: SocketAddr, queues: &[&str]) -> Process {
    let mut command = tied_command(&paths::installed("moto").join("bin/python"));
    command.arg(paths::repository().join("tests/e2e/sqs_server.py"));
    command.arg(address.port().to_string()).args(queues);
    let mut process = Process::spawn("moto", &mut command);
    until("the server of SQS listens", limits::READY, || {
        assert_eq!(process.status(), None, "the server of SQS ended");
        TcpStream::connect(address).ok()
    });
    process
}
