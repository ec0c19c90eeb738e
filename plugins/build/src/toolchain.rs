//! Which compiler can build for bare WASM on this machine.
//!
//! The first that works is taken: the active toolchain when it has the target,
//! else rustup's addition of it, else Debian's compiler, which builds the
//! standard library from its source package.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Bare WASM: nothing but the imports of the plugin contract.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The instructions beyond the base set that guests may use.
const RUSTFLAGS: &str = "-Ctarget-feature=+simd128";

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// No compiler for the target.
#[derive(Debug, thiserror::Error)]
#[error(
    "no Rust toolchain here builds for {TARGET}:\n{}\nDo one of:\n  \
     rustup target add {TARGET}\n  \
     apt-get install rustc-web rust-web-src lld-22   (Debian)",
    .tried.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
)]
pub(crate) struct ToolchainError {
    tried: Vec<String>,
}

/// A compiler that builds for [`TARGET`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The active toolchain has the target's standard library.
    Active {
        /// Its version line.
        version: String,
        /// Rustup has just added the target.
        added: bool,
    },
    /// A compiler with the sources of its standard library and a linker.
    FromSource {
        /// The compiler.
        rustc: PathBuf,
        /// Its version line.
        version: String,
        /// The linker's name.
        linker: String,
    },
}

impl Toolchain {
    /// The first that works.
    pub(crate) fn find() -> Result<Self, ToolchainError> {
        let mut tried = Vec::new();
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        if let Some(version) = active(&rustc) {
            return Ok(Self::Active { version, added: false });
        }
        tried.push(format!("the active toolchain ({rustc}) lacks the target"));
        match add_by_rustup() {
            Ok(()) => match active(&rustc) {
                Some(version) => return Ok(Self::Active { version, added: true }),
                None => tried.push("rustup added the target to another toolchain".to_owned()),
            },
            Err(why) => tried.push(why),
        }
        match from_source(Path::new(DEBIAN_RUSTC)) {
            Ok(found) => Ok(found),
            Err(why) => {
                tried.push(why);
                Err(ToolchainError { tried })
            }
        }
    }

    /// For the first line that a build prints.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Active { version, added: false } => format!("the active toolchain, {version}"),
            Self::Active { version, added: true } => {
                format!("the active toolchain, {version}, to which rustup added {TARGET}")
            }
            Self::FromSource { rustc, version, linker } => format!(
                "{} ({version}) and {linker}; its standard library is built from source",
                rustc.display()
            ),
        }
    }

    /// Makes `cargo` compile with it. Flags meant for the host's code are not
    /// for guests.
    pub(crate) fn prepare(&self, cargo: &mut Command) {
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS);
        if let Self::FromSource { rustc, linker, .. } = self {
            cargo
                .env("RUSTC", rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .arg("-Zbuild-std=std,panic_abort");
        }
    }
}

/// The version of `rustc` if it has the target's standard library.
fn active(rustc: &str) -> Option<String> {
    let libraries = output(rustc, &["--print", "target-libdir", "--target", TARGET])?;
    let has_std = std::fs::read_dir(libraries.trim()).ok()?.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    });
    if has_std { output(rustc, &["--version"]).map(|line| line.trim().to_owned()) } else { None }
}

fn add_by_rustup() -> Result<(), String> {
    if std::env::var("RUSTUP_AUTO_INSTALL").is_ok_and(|value| value == "0") {
        return Err("rustup was not asked, since RUSTUP_AUTO_INSTALL=0".to_owned());
    }
    let result = Command::new("rustup").args(["target", "add", TARGET]).output();
    match result {
        Ok(run) if run.status.success() => Ok(()),
        Ok(run) => {
            let words = String::from_utf8_lossy(&run.stderr);
            let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason");
            Err(format!("rustup could not add the target: {last}"))
        }
        Err(_) => Err("there is no rustup".to_owned()),
    }
}

/// A distribution's compiler: the sources must be its own, and the linker of
/// the LLVM that it was built with.
fn from_source(rustc: &Path) -> Result<Toolchain, String> {
    let name = rustc.display();
    let program = rustc.to_str().ok_or_else(|| format!("{name} is no UTF-8 path"))?;
    let verbose = output(program, &["-vV"]).ok_or_else(|| format!("there is no {name}"))?;
    let sysroot = output(program, &["--print", "sysroot"])
        .ok_or_else(|| format!("{name} does not tell its sysroot"))?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std/Cargo.toml");
    if !sources.exists() {
        return Err(format!("{name} lacks its sources ({})", sources.display()));
    }
    let linkers: Vec<String> = llvm_major(&verbose)
        .map(|major| format!("wasm-ld-{major}"))
        .into_iter()
        .chain(["wasm-ld".to_owned()])
        .collect();
    let linker = linkers
        .iter()
        .find(|linker| output(linker, &["--version"]).is_some())
        .ok_or_else(|| format!("{name} lacks a linker ({})", linkers.join(" or ")))?;
    let version = verbose.lines().next().unwrap_or_default().to_owned();
    Ok(Toolchain::FromSource { rustc: rustc.to_owned(), version, linker: linker.clone() })
}

fn llvm_major(verbose: &str) -> Option<u32> {
    let version = verbose.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

/// What a command prints, `None` when it fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let run = Command::new(program).args(arguments).output().ok()?;
    run.status.success().then(|| String::from_utf8_lossy(&run.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_follows_the_compilers_llvm() {
        assert_eq!(llvm_major("rustc 1.96.0\nhost: x\nLLVM version: 22.1.8\n"), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
    }

    #[test]
    fn without_any_toolchain_the_message_says_what_was_tried_and_what_to_do() {
        let error = ToolchainError { tried: vec!["there is no rustup".to_owned()] };
        let message = error.to_string();
        assert!(message.contains("there is no rustup"), "{message}");
        assert!(message.contains("rustup target add wasm32-unknown-unknown"), "{message}");
        assert!(message.contains("apt-get install rustc-web rust-web-src lld-22"), "{message}");
    }

    #[test]
    fn a_compiler_that_is_not_there_is_said_to_be_missing() {
        let why = from_source(Path::new("/nonexistent/rustc")).unwrap_err();
        assert_eq!(why, "there is no /nonexistent/rustc");
    }

    #[test]
    fn building_from_source_names_compiler_linker_and_standard_library() {
        let toolchain = Toolchain::FromSource {
            rustc: "/usr/bin/rustc".into(),
            version: "rustc 1.96.0".to_owned(),
            linker: "wasm-ld-22".to_owned(),
        };
        let mut cargo = Command::new("cargo");
        toolchain.prepare(&mut cargo);
        let set = |name: &str| {
            cargo
                .get_envs()
                .find(|(key, _)| *key == name)
                .and_then(|(_, value)| value.map(|value| value.to_string_lossy().into_owned()))
        };
        assert_eq!(set("RUSTC").as_deref(), Some("/usr/bin/rustc"));
        assert_eq!(
            set("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER").as_deref(),
            Some("wasm-ld-22")
        );
        assert!(cargo.get_args().any(|argument| argument == "-Zbuild-std=std,panic_abort"));
    }
}
