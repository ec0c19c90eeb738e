//! What a client that behaves notices of those that do not.
//!
//! ```text
//! cargo build --release -p longshore-broker --examples
//! cargo run --release -p longshore-broker --example flood [--apart] [ATTACK...]
//! ```
//!
//! A node runs in a process of its own. Beside it one client produces a record
//! and fetches it, at a fixed rate, first alone and then during each attack.
//! Latencies are taken from the time at which a round was due, so that a node
//! that stands still is charged for every round that it delays.
//!
//! With `--apart` the node and the good client have the first core for themselves and the
//! attackers have the others, as if they came from another machine: what is seen then is
//! the node's doing, and not that they share its cores.

#![allow(clippy::unwrap_used, reason = "a measurement that fails ends with its reason")]

mod attacks;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../tests/server/certificates.rs"]
mod certificates;
mod cores;
mod good;
mod node;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../tests/server/sasl.rs"]
mod sasl;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../tests/server/support.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use attacks::{ATTACKS, Attack};
use cores::Apart;
use good::{Good, Latencies};
use node::{Node, Sample};

/// How long the good client is watched alone, and during an attack.
const ALONE: Duration = Duration::from_secs(5);
const ATTACKED: Duration = Duration::from_secs(12);

/// How long the node is given to forget an attack.
const AFTER: Duration = Duration::from_secs(3);

fn main() {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let apart = wanted.iter().any(|word| word == "--apart").then(|| {
        Apart::of_this_machine().unwrap_or_else(|| {
            eprintln!("--apart: this machine has one core, and the attackers want another");
            std::process::exit(2);
        })
    });
    wanted.retain(|word| word != "--apart");
    if let Some(unknown) = wanted.iter().find(|name| ATTACKS.iter().all(|a| a.name != **name)) {
        eprintln!("{unknown}: no such attack; there are:");
        ATTACKS.iter().for_each(|attack| eprintln!("  {:<18} {}", attack.name, attack.what));
        std::process::exit(2);
    }
    if let Some(apart) = &apart {
        cores::keep_to(&apart.node);
    }
    println!(
        "{:<18} {:>17} {:>17} {:>17} {:>17} {:>15} {:>8}",
        "attack", "p50 ms", "p99 ms", "RSS MiB", "descriptors", "CPU %", "threads"
    );
    println!(
        "{:<18} {:>17} {:>17} {:>17} {:>17} {:>15} {:>8}",
        "",
        "alone/during",
        "alone/during",
        "before/peak/after",
        "before/peak/after",
        "alone/during",
        ""
    );
    for attack in ATTACKS {
        if wanted.is_empty() || wanted.iter().any(|name| attack.name == name) {
            measure(attack, apart.as_ref());
        }
    }
}

fn measure(attack: &Attack, apart: Option<&Apart>) {
    let node = Node::start();
    let good = Good::start(node.plain);
    // What is made once, such as the first segment, belongs to no measurement.
    std::thread::sleep(Duration::from_secs(1));
    good.take();
    let (_, cpu_alone) = node.watch(ALONE);
    let (before, alone) = (node.sample(), good.take());

    let stop = Arc::new(AtomicBool::new(false));
    let target = node.target();
    let attacking = std::thread::spawn({
        let (stop, run) = (Arc::clone(&stop), attack.run);
        let cores = apart.map(|apart| apart.attackers.clone());
        move || {
            if let Some(cores) = cores {
                cores::keep_to(&cores);
            }
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(run(target, stop))
        }
    });
    let (peak, cpu_during) = node.watch(ATTACKED);
    stop.store(true, Ordering::Relaxed);
    let during = good.take();
    let met = attacking.join().expect("the attack went as it should");
    std::thread::sleep(AFTER);
    let after = node.sample();
    good.finish();
    print(attack, [&alone, &during], [&before, &peak, &after], [cpu_alone, cpu_during], &met);
}

fn print(
    attack: &Attack,
    [alone, during]: [&Latencies; 2],
    [before, peak, after]: [&Sample; 3],
    [cpu_alone, cpu_during]: [f64; 2],
    met: &str,
) {
    let pair = |quantile| format!("{:.2}/{:.2}", alone.at(quantile), during.at(quantile));
    let mebibytes = |sample: &Sample| sample.resident_bytes >> 20;
    println!(
        "{:<18} {:>17} {:>17} {:>17} {:>17} {:>15} {:>8}",
        attack.name,
        pair(0.5),
        pair(0.99),
        format!("{}/{}/{}", mebibytes(before), mebibytes(peak), mebibytes(after)),
        format!("{}/{}/{}", before.descriptors, peak.descriptors, after.descriptors),
        format!("{:.0}/{:.0}", cpu_alone * 100.0, cpu_during * 100.0),
        peak.threads,
    );
    println!("    {}: {met}", attack.what);
}
