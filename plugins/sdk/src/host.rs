//! Log, metrics, clock and random numbers: all the ambient authority there is.

#[cfg(target_arch = "wasm32")]
use crate::bindings::describe::longshore::base::host as import;
#[cfg(not(target_arch = "wasm32"))]
use crate::native::host as import;

pub use crate::bindings::describe::longshore::base::host::Level;

/// Writes a line to the worker's log under the task's name.
pub fn log(level: Level, message: &str, fields: &[(String, String)]) {
    import::log(level, message, fields);
}

/// Writes a line that an operator may want to know.
pub fn info(message: &str) {
    log(Level::Info, message, &[]);
}

/// Writes a line that an operator should look at.
pub fn warn(message: &str) {
    log(Level::Warn, message, &[]);
}

/// Adds to a counter.
pub fn count(metric: &str, add: u64) {
    import::count(metric, add);
}

/// Sets a gauge.
pub fn gauge(metric: &str, value: f64) {
    import::gauge(metric, value);
}

/// Adds an observation to a histogram.
pub fn observe(metric: &str, value: f64) {
    import::observe(metric, value);
}

/// True when the host wants this task to finish. Check in long loops.
pub fn stopping() -> bool {
    import::stopping()
}

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    import::now_ms()
}

/// Sixty-four random bits.
pub fn random() -> u64 {
    import::random()
}

/// Why the guest is about to trap.
#[cfg(target_arch = "wasm32")]
pub(crate) fn last_words(message: &str) {
    import::last_words(message);
}
