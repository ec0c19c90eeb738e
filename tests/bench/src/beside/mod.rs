//! Longshore beside what it replaces: lives in turn, figures by side.
//!
//! Each run is three lives, Longshore's, Kafka's and Longshore's again, one alive at
//! a time, each on fresh folders of one disk. The order turns with each run, so that
//! a machine whose speed drifts slows all. What the second Longshore differs from the
//! first is noise: a ratio to Kafka means nothing within it.

mod lines;

use std::path::Path;

use longshore_e2e::Process;
use serde_json::json;

use self::lines::Lines;
use crate::report::{RUNS, heading, seconds};

/// `/proc` counts CPU time in hundredths of a second, whatever the kernel's clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Longshore,
    Kafka,
    /// Longshore once more: what differs from the first is the machine's noise.
    Control,
}

/// Takes a figure: its line's name, unit and aim (a ratio to Kafka's figure), and the value.
pub(crate) type Take<'a> = dyn FnMut(&str, &'static str, Option<f64>, f64) + 'a;

/// Lives `runs` times as each side, prints the table, and writes it to `json` if asked.
pub(crate) fn measure(
    what: &str,
    setup: &str,
    runs: Option<usize>,
    json: Option<&Path>,
    live: impl Fn(Side, &mut Take<'_>),
) {
    let runs = runs.unwrap_or(RUNS);
    heading(&format!(
        "{what}: {runs} runs, medians [least..most]. CPU is user and system, s/M seconds per\n\
         million records. Data on {}. {setup}\n",
        std::env::temp_dir().display(),
    ));
    let mut lines = Lines::default();
    let elapsed = seconds(|| {
        for run in 0..runs {
            let sides = [Side::Longshore, Side::Kafka, Side::Control];
            for side in sides.iter().copied().cycle().skip(run % sides.len()).take(sides.len()) {
                let elapsed = seconds(|| {
                    live(side, &mut |name, unit, aim, value| {
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
        let all = json!({ "runs": runs, "setup": setup, "figures": lines.json() });
        let text = serde_json::to_string_pretty(&all).expect("figures are JSON");
        std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("  {}", path.display());
    }
}

/// CPU seconds of a process so far, user and system, threads that ended included.
pub(crate) fn cpu_seconds(process: &Process) -> f64 {
    let path = format!("/proc/{}/stat", process.id());
    let stat = std::fs::read_to_string(path).expect("the process runs");
    // The name, in parentheses, may hold anything; then come fields 3 and on.
    let fields = stat.rsplit(')').next().expect("a last piece");
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().expect("utime and stime are numbers"));
    ticks.sum::<f64>() / TICKS_PER_SECOND
}
