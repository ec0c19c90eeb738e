//! The binary `longshore`: see [`longshore::cli`].

// Faults on purpose are for the examples that take the binary's place in tests.
const _: () = assert!(
    !longshore::SABOTAGED && !longshore_broker::SABOTAGED,
    "the binary is built without the feature `sabotage`"
);

fn main() -> std::process::ExitCode {
    bound_arenas();
    longshore::cli::main()
}

/// Lets glibc's allocator keep two arenas instead of eight for each core. Threads
/// that allocate batches and others that free them leave every arena as large as
/// its worst moment: a word count of 100 MiB took 280 MB resident before, 180 after.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn bound_arenas() {
    const ARENAS_MAX: libc::c_int = 2;
    // SAFETY: mallopt only sets the allocator's own parameters, and no other
    // thread has been started yet.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn bound_arenas() {}
