//! Kafka Connect's own worker, distributed, on a cluster that is there already.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use crate::client::java;
use crate::ports::free_address;
use crate::wait::until;
use crate::{Process, limits, rest};

/// The heap of `connect-distributed.sh`.
const HEAP: [&str; 2] = ["-Xms256M", "-Xmx2G"];
/// What it says once its REST API answers for the whole worker.
const HEALTHY: &str = "healthy";

/// Starts a worker of the fleet `group`, whose file, with `more` lines, is in `folder`, and
/// waits until it answers requests; where it does.
pub fn start(bootstrap: &str, group: &str, folder: &Path, more: &str) -> (Process, SocketAddr) {
    let address = free_address();
    let mut properties = format!(
        "bootstrap.servers={bootstrap}\ngroup.id={group}\nlisteners=HTTP://{address}\n\
         plugin.discovery=service_load\n{more}"
    );
    for storage in ["config", "offset", "status"] {
        properties.push_str(&format!("{storage}.storage.topic={group}-{storage}\n"));
        properties.push_str(&format!("{storage}.storage.replication.factor=1\n"));
    }
    for side in ["key", "value"] {
        let class = "org.apache.kafka.connect.storage.StringConverter";
        properties.push_str(&format!("{side}.converter={class}\n"));
    }
    let file = folder.join("connect.properties");
    std::fs::write(&file, properties).expect("the worker's file can be written");
    let mut command = java::server("org.apache.kafka.connect.cli.ConnectDistributed", HEAP);
    let mut process = Process::spawn("Kafka Connect", command.arg(file));
    until("Kafka Connect answers", limits::READY, || {
        assert_eq!(process.status(), None, "Kafka Connect ended");
        TcpStream::connect(address).ok()?;
        (rest::get(address, "/health").body["status"] == HEALTHY).then_some(())
    });
    (process, address)
}
