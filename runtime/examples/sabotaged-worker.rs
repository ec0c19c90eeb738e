//! The binary with a fault built in, which takes a worker's place in a test that must
//! fail: `LONGSHORE_SABOTAGE=commit-before-marks sabotaged-worker server -c node.yaml`.

fn main() -> std::process::ExitCode {
    longshore::cli::main()
}
