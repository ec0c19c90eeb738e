//! Kills of a pipeline's worker and of the server that it writes to, at moments drawn from a
//! seed.

use std::time::{Duration, Instant};

use crate::random::Random;
use crate::{Process, limits};

/// So often the worker is killed.
const WORKERS: usize = 10;
/// So often the server.
const SERVERS: usize = 3;
/// Runs at the most: one that is too quick is not killed.
const RUNS_MAX: usize = 65;

/// A pipeline that can be run again and again.
pub trait Killed {
    /// Gives it more to do, under a name that comes after those before, and starts it.
    fn begin(&mut self, name: &str, random: &mut Random) -> Process;

    /// Kills the server and starts it again.
    fn kill_server(&mut self);
}

/// Kills the worker ten times and the server three times, in runs that take as long as
/// `whole`, about.
///
/// # Panics
/// When a run fails, or most are too quick.
pub fn at_ten_moments_and_three(pipeline: &mut impl Killed, random: &mut Random, whole: Duration) {
    let longest = whole.as_micros() as u64;
    let (mut workers, mut servers) = (0, 0);
    for run in 0..RUNS_MAX {
        if (workers, servers) == (WORKERS, SERVERS) {
            break;
        }
        let mut process = pipeline.begin(&format!("more{run:02}.jsonl"), random);
        let moment = Duration::from_micros(random.between(longest / 4, longest));
        let began = Instant::now();
        while began.elapsed() < moment && process.status().is_none() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        match process.status() {
            Some(status) => assert!(status.success(), "longshore run ended with {status}"),
            None if servers < SERVERS => {
                pipeline.kill_server();
                servers += 1;
                let status = process.ended(limits::RUN);
                assert!(status.success(), "longshore run ended with {status}");
            }
            None => {
                process.kill();
                workers += 1;
                println!("kill of the worker {workers}: {moment:?}");
            }
        }
    }
    assert_eq!((workers, servers), (WORKERS, SERVERS), "most runs were too quick");
}
