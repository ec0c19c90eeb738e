//! A producer of the exactly-once schedules, as a process that can be killed.

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    longshore_e2e::exactly_once::worker::main(&arguments);
}
