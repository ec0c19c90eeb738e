//! Workers with one node file, as processes of this machine: each has a loopback
//! address of its own, as a pod or a machine has.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::process::{Process, Stream, tied_command};
use crate::wait::until;
use crate::{limits, paths, rest};

/// A worker, whose process may end and be started again.
pub struct Worker {
    /// What it is called, and `${env:POD_NAME}` of the node file.
    pub name: String,
    /// Where its REST is; the node file has the address as `${env:POD_IP}`.
    pub address: SocketAddr,
    /// What runs, or ran.
    pub process: Process,
    node: PathBuf,
}

impl Worker {
    /// Starts the worker of this number, whose node file says this port.
    pub fn start(number: u8, port: u16, node: &Path) -> Self {
        let name = format!("worker-{number}");
        let address = SocketAddr::from((host_of(number), port));
        let process = launch(&name, address, node);
        Self { name, address, process, node: node.to_owned() }
    }

    /// Waits until it is a member of its fleet.
    ///
    /// # Panics
    /// When it does not become one.
    pub fn wait_ready(&self) {
        self.process.wait_for("ready line", limits::READY, |line| {
            (line.stream == Stream::Out && line.text.starts_with("longshore ready ")).then_some(())
        });
        assert!(self.is_ready(), "{} printed that it is", self.name);
    }

    /// Whether it says that it is a member of its fleet.
    pub fn is_ready(&self) -> bool {
        TcpStream::connect(self.address).is_ok()
            && rest::get(self.address, "/health/ready").status == 200
    }

    /// SIGTERM, as systemd and Kubernetes stop it.
    ///
    /// # Panics
    /// When it does not drain.
    pub fn stop(&mut self) {
        let status = self.process.terminate();
        assert!(status.success(), "{} drains: {status}", self.name);
    }

    /// Another process with its name, once it has ended.
    pub fn start_again(&mut self) {
        self.process = launch(&self.name, self.address, &self.node);
    }
}

fn launch(name: &str, address: SocketAddr, node: &Path) -> Process {
    let mut command = tied_command(&paths::longshore());
    command.arg("server").arg("-c").arg(node);
    command.env("POD_NAME", name).env("POD_IP", address.ip().to_string());
    Process::spawn(name, &mut command)
}

fn host_of(number: u8) -> [u8; 4] {
    [127, 0, 0, 11 + number]
}

/// Two ports that are free at the address of each of so many workers.
///
/// # Panics
/// When there are none.
pub fn free_ports(workers: u8) -> (u16, u16) {
    let listen = |number, port| TcpListener::bind(SocketAddr::from((host_of(number), port)));
    until("free ports", limits::READY, || {
        let ports: Vec<TcpListener> =
            (0..2).map(|_| listen(0, 0)).collect::<Result<_, _>>().ok()?;
        let port = |at: usize| ports[at].local_addr().map(|address| address.port()).ok();
        let (rest, metrics) = (port(0)?, port(1)?);
        let free = |number| listen(number, rest).is_ok() && listen(number, metrics).is_ok();
        (1..workers).all(free).then_some((rest, metrics))
    })
}
