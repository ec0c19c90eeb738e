//! Measures Longshore on this machine and prints ratios of one run.
//!
//! Figures of different machines, or of different runs on a shared one, do not
//! compare; a ratio whose two sides were measured in turn does. Nothing here
//! asserts a speed.

mod guest;
mod log;
mod pipeline;
mod report;
mod start;

const HELP: &str = "\
Usage: longshore-bench [PART...]

Parts (all of them unless named):
  log       produce and fetch against raw append and read of the same bytes
  guest     a record through a WASM plugin against the same code native
  start     cold start to first acknowledgement, memory of an idle node
  pipeline  rows per second through the word count, memory while it runs

Example: make bench
";

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).collect();
    let known = ["log", "guest", "start", "pipeline"];
    if let Some(unknown) = parts.iter().find(|part| !known.contains(&part.as_str())) {
        eprint!("{unknown}: no such part\n\n{HELP}");
        std::process::exit(2);
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|name| name == part);
    if wanted("log") {
        log::measure();
    }
    if wanted("guest") {
        guest::measure();
    }
    if wanted("start") {
        start::measure();
    }
    if wanted("pipeline") {
        pipeline::measure();
    }
}
