//! Where things are: the repository, the binary, the installed clients.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Process, limits};

/// The repository's root folder.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate is at tests/e2e")
        .to_path_buf()
}

/// The binary under test: `LONGSHORE_BIN`, or `longshore` beside the test
/// executable's folder (`target/<profile>/longshore`).
///
/// # Panics
/// When there is none.
pub fn longshore() -> PathBuf {
    let binary = match std::env::var_os("LONGSHORE_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let executable = std::env::current_exe().expect("the running executable has a path");
            let folder = executable.parent().expect("an executable is in a folder");
            // Tests are in target/<profile>/deps, programs in target/<profile>.
            let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
            profile.expect("a target folder holds the profile's").join("longshore")
        }
    };
    assert!(
        binary.is_file(),
        "{} is missing: build it in the tests' profile (`make build` for --release), or name another with LONGSHORE_BIN",
        binary.display()
    );
    binary
}

/// The broker with faults built in on purpose, beside the binary under test
/// (`target/<profile>/examples/sabotaged`).
///
/// # Panics
/// When there is none.
pub fn sabotaged() -> PathBuf {
    let program = longshore().with_file_name("examples").join("sabotaged");
    assert!(program.is_file(), "{} is missing: build it with `make sabotaged`", program.display());
    program
}

/// A worker with faults built in on purpose, beside the binary under test
/// (`target/<profile>/examples/sabotaged-worker`).
///
/// # Panics
/// When there is none.
pub fn sabotaged_worker() -> PathBuf {
    let program = longshore().with_file_name("examples").join("sabotaged-worker");
    assert!(program.is_file(), "{} is missing: build it with `make sabotaged`", program.display());
    program
}

/// The folder of plugins: `LONGSHORE_PLUGIN_PATH`, or `plugins` beside the
/// folder of the binary (`target/plugins`).
///
/// # Panics
/// When it is not there.
pub fn plugins() -> PathBuf {
    let folder = match std::env::var_os("LONGSHORE_PLUGIN_PATH") {
        Some(path) => PathBuf::from(path),
        None => longshore().ancestors().nth(2).expect("target/<profile>/longshore").join("plugins"),
    };
    assert!(folder.is_dir(), "{} is missing: build it with `make plugins`", folder.display());
    folder
}

/// The folder `name` that `tests/systems/install.sh` filled.
///
/// # Panics
/// When it was not installed: a missing client fails its test.
pub fn installed(name: &str) -> PathBuf {
    let cache = match std::env::var_os("LONGSHORE_CACHE") {
        Some(path) => PathBuf::from(path),
        None => {
            PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/longshore")
        }
    };
    let folder = cache.join(name);
    assert!(
        folder.join(".stamp").is_file(),
        "{} is missing: run tests/systems/install.sh {name}",
        folder.display()
    );
    folder
}

/// Installs what only some tests of the second tier need, and gives its folder;
/// what is there already is left alone.
///
/// # Panics
/// When it cannot be installed.
pub fn install(name: &str) -> PathBuf {
    set_up(name);
    installed(name)
}

/// The same for what becomes a part of the system and has no folder of its own.
///
/// # Panics
/// When it cannot be installed.
pub fn set_up(name: &str) {
    let mut command = Command::new(repository().join("tests/systems/install.sh"));
    let mut installer = Process::spawn("install.sh", command.arg(name).stdin(Stdio::null()));
    let status = installer.ended(limits::LONG_RUN);
    assert!(status.success(), "tests/systems/install.sh {name} ended with {status}");
}
