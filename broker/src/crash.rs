//! Named crash points: places where a test may have the process killed.
//!
//! `LONGSHORE_CRASH_AT=name[:nth]` arms one point. When the process comes to it
//! for the nth time (the first, if no number is given) it kills itself with
//! SIGKILL: no destructor runs, no buffer is written, exactly as when an
//! operator or the kernel kills it. Unarmed, a point costs one relaxed load.
//!
//! ```
//! longshore_broker::crash::point("log-append-before-index");
//! ```

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The environment variable that arms a point.
pub const CRASH_AT: &str = "LONGSHORE_CRASH_AT";

const UNREAD: u8 = 0;
const UNARMED: u8 = 1;
const ARMED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNREAD);
static PLAN: OnceLock<Plan> = OnceLock::new();
static HITS: AtomicU64 = AtomicU64::new(0);

/// What the environment asks for.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    name: String,
    nth: u64,
}

impl Plan {
    fn parse(text: &str) -> Option<Self> {
        let (name, nth) = match text.rsplit_once(':') {
            Some((name, nth)) => (name, nth.parse().ok().filter(|nth| *nth > 0)?),
            None => (text, 1),
        };
        (!name.is_empty()).then(|| Self { name: name.to_owned(), nth })
    }
}

/// Dies here if the environment armed `name` and this is the nth time.
#[inline]
pub fn point(name: &'static str) {
    if STATE.load(Ordering::Relaxed) != UNARMED {
        consider(name);
    }
}

#[cold]
fn consider(name: &str) {
    if STATE.load(Ordering::Acquire) == UNREAD {
        let plan = std::env::var(CRASH_AT).ok().filter(|text| !text.is_empty()).and_then(|text| {
            let plan = Plan::parse(&text);
            if plan.is_none() {
                tracing::warn!("{CRASH_AT}={text} is not of the form name[:nth], ignored");
            }
            plan
        });
        let state = match plan {
            Some(plan) => {
                // Another thread may have read the same environment first.
                let _ = PLAN.set(plan);
                ARMED
            }
            None => UNARMED,
        };
        STATE.store(state, Ordering::Release);
    }
    let Some(plan) = PLAN.get() else { return };
    if plan.name == name && HITS.fetch_add(1, Ordering::AcqRel) + 1 == plan.nth {
        die(name);
    }
}

fn die(name: &str) -> ! {
    // Not through a logger: it may buffer, and the buffer dies with us.
    eprintln!("{CRASH_AT}: killed at {name}");
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // Only reached if the kernel refuses to deliver SIGKILL to ourselves.
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_name_and_perhaps_a_count() {
        assert_eq!(Plan::parse("a-b"), Some(Plan { name: "a-b".into(), nth: 1 }));
        assert_eq!(Plan::parse("a-b:7"), Some(Plan { name: "a-b".into(), nth: 7 }));
        for nonsense in ["", ":3", "a:0", "a:x", "a:-1"] {
            assert_eq!(Plan::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_unarmed_point_lets_the_process_live() {
        point("no-such-point");
        point("no-such-point");
    }
}
