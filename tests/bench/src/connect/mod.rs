//! Longshore's worker beside Kafka Connect's, on one and the same broker.
//!
//! Each life is a fresh broker, Longshore's, and one worker: Longshore's with its file
//! connectors, or Kafka Connect's with FileStream's. A file goes into a topic, then
//! the topic into files; what is counted is what has arrived there.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `life` | the loads of one life, and the aims |
//! | `worker` | a worker of either kind, and what its connectors are called |

mod life;
mod worker;

use std::path::Path;

use longshore_e2e::paths;

pub(crate) use self::life::bytes_in;
pub(crate) use self::worker::Worker;
use crate::beside;

/// Measures `runs` times, prints the table, and writes it to `json` if asked.
pub(crate) fn measure(runs: Option<usize>, json: Option<&Path>) {
    paths::installed("java");
    let what =
        "Beside Kafka Connect 4.1.1 (FileStream; heap of 256 MiB to 2 GiB, G1; the worker's CPU)";
    beside::measure(what, &life::describe(), runs, json, life::live);
}
