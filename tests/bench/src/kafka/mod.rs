//! Longshore beside Apache Kafka: CPU, latency, memory and start, driven by
//! Kafka's own performance tools.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `life` | the loads of one life, and the aims |
//! | `server` | a broker of either kind; its CPU time |
//! | `apache` | Kafka's broker: its settings, formatting, start |
//! | `driver` | ProducerPerformance and ConsumerPerformance |
//! | `wire_load` | requests at a fixed rate, timed in microseconds |

mod apache;
mod driver;
mod life;
mod server;
mod wire_load;

use std::path::Path;

use crate::beside;

/// Measures `runs` times, prints the table, and writes it to `json` if asked.
pub(crate) fn measure(runs: Option<usize>, json: Option<&Path>) {
    driver::check_installed();
    let what = "Beside Apache Kafka 4.1.1 (KRaft, combined; heap of 1 GiB, G1; the broker's CPU)";
    beside::measure(what, &life::describe(), runs, json, life::live);
}
