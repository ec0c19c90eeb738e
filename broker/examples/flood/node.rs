//! The node that is attacked, and what the system says about its process.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{attacks::Target, certificates::Authority};

/// Ticks of `/proc/PID/stat` in a second.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) struct Node {
    process: Child,
    authority: Arc<Authority>,
    pub(crate) plain: SocketAddr,
    sasl: SocketAddr,
    tls: SocketAddr,
    _directory: tempfile::TempDir,
}

/// The process at one moment, or its highest values over some time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    pub(crate) resident_bytes: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: u64,
}

impl Node {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("authority");
        let (keystore, truststore) =
            (directory.path().join("broker.pem"), directory.path().join("trusted.pem"));
        authority.server().write(&keystore);
        std::fs::write(&truststore, &authority.pem).unwrap();
        let executable = std::env::current_exe().unwrap().with_file_name("broker");
        let mut process = Command::new(&executable)
            .arg(format!("log.dirs={}", directory.path().join("data").display()))
            .arg("listeners=PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0")
            .arg("sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512")
            .arg("listener.name.sasl_plaintext.plain.sasl.jaas.config=PlainLoginModule required user_alice=\"a\";")
            .arg("listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=ScramLoginModule required user_carol=\"c\";")
            .arg("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer")
            .arg("super.users=User:ANONYMOUS")
            .arg("ssl.client.auth=required")
            .arg(format!("ssl.keystore.location={}", keystore.display()))
            .arg(format!("ssl.truststore.location={}", truststore.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: build it first", executable.display()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut address = || lines.next().expect("the node starts").unwrap().parse().unwrap();
        let (plain, sasl, tls) = (address(), address(), address());
        Self { process, authority: Arc::new(authority), plain, sasl, tls, _directory: directory }
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            plain: self.plain,
            sasl: self.sasl,
            tls: self.tls,
            authority: Arc::clone(&self.authority),
        }
    }

    pub(crate) fn sample(&self) -> Sample {
        let folder = format!("/proc/{}", self.process.id());
        let status = std::fs::read_to_string(format!("{folder}/status")).expect("the node runs");
        let number = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Sample {
            resident_bytes: number("VmRSS:") << 10,
            descriptors: std::fs::read_dir(format!("{folder}/fd")).unwrap().count(),
            threads: number("Threads:"),
        }
    }

    /// Processor seconds used since the start.
    fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // After the name in brackets: the 12th and 13th field are user and system time.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }

    /// The highest values over this time, and the processors used.
    pub(crate) fn watch(&self, time: Duration) -> (Sample, f64) {
        let (began, used) = (Instant::now(), self.processor_seconds());
        let mut peak = Sample::default();
        while began.elapsed() < time {
            let now = self.sample();
            peak.resident_bytes = peak.resident_bytes.max(now.resident_bytes);
            peak.descriptors = peak.descriptors.max(now.descriptors);
            peak.threads = peak.threads.max(now.threads);
            std::thread::sleep(Duration::from_millis(200));
        }
        (peak, (self.processor_seconds() - used) / began.elapsed().as_secs_f64())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
