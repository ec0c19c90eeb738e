//! Which cores a thread keeps to, by `taskset` of util-linux.

use std::process::Command;

/// The node's core, and those of its attackers.
pub(crate) struct Apart {
    pub(crate) node: String,
    pub(crate) attackers: String,
}

impl Apart {
    /// The first core for the node, all others for the attackers.
    pub(crate) fn of_this_machine() -> Option<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (cores > 1).then(|| Self { node: "0".into(), attackers: format!("1-{}", cores - 1) })
    }
}

/// Keeps this thread, and all that it starts from now on, to these cores.
pub(crate) fn keep_to(cores: &str) {
    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let status = Command::new("taskset")
        .args(["--cpu-list", "--pid", cores])
        .arg(thread.file_name().unwrap())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("taskset: {error}: install util-linux"));
    assert!(status.success(), "taskset --cpu-list --pid {cores}: {status}");
}
