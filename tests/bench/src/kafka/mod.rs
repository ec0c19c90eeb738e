//! Longshore beside Apache Kafka: CPU, latency, memory and start, driven by
//! Kafka's own performance tools.
//!
//! Each run is three lives, Longshore's, Kafka's and Longshore's again, one broker
//! alive at a time, each on fresh folders of one disk. The order turns with each
//! run, so that a machine whose speed drifts slows all. What the second Longshore
//! differs from the first is noise: a ratio to Kafka means nothing within it.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `life` | the loads of one life, and the aims |
//! | `server` | a broker of either kind; its CPU time |
//! | `apache` | Kafka's broker: its settings, formatting, start |
//! | `driver` | ProducerPerformance and ConsumerPerformance |
//! | `wire_load` | requests at a fixed rate, timed in microseconds |
//! | `lines` | medians, spreads, ratios; the table and the JSON |

mod apache;
mod driver;
mod life;
mod lines;
mod server;
mod wire_load;

use std::path::Path;

use serde_json::json;

use self::lines::Lines;
use self::server::Side;
use crate::report::{RUNS, heading, seconds};

/// Measures `runs` times, prints the table, and writes it to `json` if asked.
pub(crate) fn measure(runs: Option<usize>, json: Option<&Path>) {
    driver::check_installed();
    let runs = runs.unwrap_or(RUNS);
    heading(&format!(
        "Beside Apache Kafka 4.1.1 (KRaft, combined; heap of 1 GiB, G1): {runs} runs, medians\n\
         [least..most]. CPU is the broker's, user and system, s/M seconds per million records.\n\
         Data on {}. {}\n",
        std::env::temp_dir().display(),
        life::describe()
    ));
    let mut lines = Lines::default();
    let elapsed = seconds(|| {
        for run in 0..runs {
            let sides = [Side::Longshore, Side::Kafka, Side::Control];
            for side in sides.iter().copied().cycle().skip(run % sides.len()).take(sides.len()) {
                let elapsed = seconds(|| {
                    life::live(side, &mut |name, unit, aim, value| {
                        lines.take(side, name, unit, aim, value);
                    });
                });
                eprintln!("run {} of {runs}: {side:?}, {elapsed:.0} s", run + 1);
            }
        }
    });
    lines.print();
    println!("  {:.0} minutes", elapsed / 60.0);
    if let Some(path) = json {
        let all = json!({ "runs": runs, "setup": life::describe(), "figures": lines.json() });
        let text = serde_json::to_string_pretty(&all).expect("figures are JSON");
        std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("  {}", path.display());
    }
}
