//! Who runs what, and what the status topic has heard of it since.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::Fleet;
use crate::wait::until;
use crate::{Node, limits, rest, wire};

/// Tasks by name (`connector-N`), each with the worker that runs it.
pub type Placement = BTreeMap<String, String>;

/// Partitions of the status topic, as workers create it.
const STATUS_PARTITIONS: i32 = 5;

/// The tasks that are RUNNING, as one worker tells it.
pub fn running(address: SocketAddr) -> Placement {
    let all = rest::get(address, "/connectors?expand=status").body;
    let mut placement = Placement::new();
    for (name, connector) in all.as_object().into_iter().flatten() {
        let tasks = connector["status"]["tasks"].as_array();
        for task in tasks.into_iter().flatten().filter(|task| task["state"] == "RUNNING") {
            let worker = task["worker_id"].as_str().unwrap_or_default();
            placement.insert(format!("{name}-{}", task["id"]), worker.to_owned());
        }
    }
    placement
}

/// How many tasks each worker runs.
pub fn loads(placement: &Placement) -> BTreeMap<&str, usize> {
    let mut loads = BTreeMap::new();
    for worker in placement.values() {
        *loads.entry(worker.as_str()).or_default() += 1;
    }
    loads
}

/// Waits until so many tasks run, all on workers that answer, spread evenly over
/// them, and gives who runs what.
///
/// # Panics
/// When that does not come about in time; the message says how it was.
pub fn wait_even(fleet: &Fleet, count: usize) -> Placement {
    let ids: BTreeSet<String> = fleet.ids().into_iter().collect();
    let mut last = Placement::new();
    let began = std::time::Instant::now();
    until("evenly spread tasks", limits::RUN, || {
        last = running(fleet.rest());
        let loads = loads(&last);
        let even = |(id, load): (&&str, &usize)| {
            ids.contains(*id) && (count / ids.len()..=count.div_ceil(ids.len())).contains(load)
        };
        let all = last.len() == count && loads.len() == ids.len() && loads.iter().all(even);
        if !all && began.elapsed() > limits::RUN * 9 / 10 {
            println!("{} of {count} tasks run: {loads:?}", last.len());
        }
        all.then_some(())
    });
    last
}

/// How far the status topic has come.
#[derive(Debug)]
pub struct Heard(Vec<usize>);

/// Notes how far the status topic is now.
pub fn heard(broker: &Node) -> Heard {
    Heard(partitions(broker).map(|partition| partition.len()).collect())
}

/// The tasks of which the status topic has heard anything since: a state is told
/// whenever one starts, fails, waits or ends.
pub fn told_since(broker: &Node, since: &Heard) -> BTreeSet<String> {
    let all = partitions(broker).zip(&since.0);
    let keys = all.flat_map(|(partition, heard)| partition.into_iter().skip(*heard));
    keys.filter_map(|key| Some(key.strip_prefix("status-task-")?.to_owned())).collect()
}

/// The keys of each partition's records.
fn partitions(broker: &Node) -> impl Iterator<Item = Vec<String>> {
    let address = broker.kafka();
    (0..STATUS_PARTITIONS).map(move |partition| {
        let records = wire::read_partition(address, "connect-status", partition).into_iter();
        let keys = records.map(|record| record.key.unwrap_or_default());
        keys.map(|key| String::from_utf8_lossy(&key).into_owned()).collect()
    })
}
