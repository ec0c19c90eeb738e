//! Faults on purpose, to see that the tests catch them. Only in a worker that was
//! built with the feature `sabotage`, as the example `sabotaged-worker` is; the
//! binary never has it.
//!
//! `LONGSHORE_SABOTAGE` chooses the fault.

use std::sync::OnceLock;

/// The environment variable that chooses the fault.
pub const SABOTAGE: &str = "LONGSHORE_SABOTAGE";

/// `commit-before-marks`: a sink's offsets are committed once it was given the
/// records, whether it has made them durable or not.
pub(crate) fn commits_before_marks() -> bool {
    static CHOSEN: OnceLock<bool> = OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var(SABOTAGE).is_ok_and(|it| it == "commit-before-marks"))
}
