//! The binary `longshore`: see [`longshore::cli`].

fn main() -> std::process::ExitCode {
    longshore::cli::main()
}
