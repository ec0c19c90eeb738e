//! Apache Kafka's own broker, from its Maven Central jars: one node, KRaft's
//! combined mode, the JVM settings of its start script, the defaults otherwise.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use longshore_e2e::Process;
use longshore_e2e::client::java;
use tempfile::TempDir;

/// The heap of `kafka-server-start.sh`.
const HEAP: [&str; 2] = ["-Xmx1G", "-Xms1G"];

/// A directory that is formatted and not yet served.
pub(super) struct Formatted {
    folder: TempDir,
    kafka: SocketAddr,
}

/// A running broker with folders of its own.
pub(super) struct Apache {
    pub(super) process: Process,
    pub(super) kafka: SocketAddr,
    _folder: TempDir,
}

impl Formatted {
    pub(super) fn new() -> Self {
        let folder = TempDir::with_prefix("kafka-").expect("a temporary folder can be made");
        let (kafka, controller) = free_addresses();
        let file = folder.path().join("server.properties");
        std::fs::write(&file, properties(kafka, controller, &folder.path().join("data")))
            .expect("server.properties can be written");
        let mut format = java::tool("kafka.tools.StorageTool");
        // Any id will do: the cluster lives for a minute.
        format.args(["format", "--standalone", "--cluster-id", "bG9uZ3Nob3JlLWJlbmNoMQ"]);
        Process::run("StorageTool format", format.arg("--config").arg(file));
        Self { folder, kafka }
    }

    pub(super) fn start(self) -> Apache {
        let mut command = java::server("kafka.Kafka", HEAP);
        command.arg(self.folder.path().join("server.properties")).current_dir(self.folder.path());
        let process = Process::spawn("Apache Kafka", &mut command);
        Apache { process, kafka: self.kafka, _folder: self.folder }
    }
}

/// Kafka must know its ports before it binds them.
fn free_addresses() -> (SocketAddr, SocketAddr) {
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let (kafka, controller) = (bind(), bind());
    let address = |listener: TcpListener| listener.local_addr().expect("a bound listener");
    (address(kafka), address(controller))
}

fn properties(kafka: SocketAddr, controller: SocketAddr, data: &Path) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers={controller}\n\
         listeners=PLAINTEXT://{kafka},CONTROLLER://{controller}\n\
         advertised.listeners=PLAINTEXT://{kafka}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        data.display()
    )
}
