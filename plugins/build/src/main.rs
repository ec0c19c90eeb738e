//! Builds guest crates into WASM components.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`toolchain`] | which compiler can build for bare WASM on this machine |
//! | [`guests`] | which packages are guests, and which plugins each makes |
//! | [`component`] | from compiled module to component file |
//!
//! One plugin is one binary target of a guest crate. A guest crate says so in
//! its manifest, with an optional subfolder for plugins that no one should
//! find by default:
//!
//! ```toml
//! [package.metadata.longshore]
//! plugins = ""
//! ```

mod component;
mod guests;
mod toolchain;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

use guests::{Guest, Workspace};
use toolchain::Toolchain;

/// Builds guest crates into WASM components, one `<plugin>.wasm` a binary target.
#[derive(Parser)]
#[command(
    name = "longshore-plugin-build",
    after_help = "Example:\n  longshore-plugin-build --out plugins connectors/file"
)]
struct Arguments {
    /// Folder for the components [default: `plugins` in cargo's target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Build quickly and keep names and line numbers
    #[arg(long)]
    debug: bool,
    /// Folders of guest crates [default: every guest of the workspace here]
    #[arg(value_name = "PACKAGE_DIR")]
    packages: Vec<PathBuf>,
}

/// What keeps a plugin from being built.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error(transparent)]
    Toolchain(#[from] toolchain::ToolchainError),
    #[error(transparent)]
    Guests(#[from] guests::GuestsError),
    #[error(transparent)]
    Component(#[from] component::ComponentError),
    #[error("cannot run {program}: {source}")]
    Spawn {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{package} does not compile for {}; cargo's messages above say why", toolchain::TARGET)]
    Compile { package: String },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("longshore-plugin-build: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), BuildError> {
    let here = [PathBuf::from(".")];
    let found = if arguments.packages.is_empty() {
        Workspace::of(&here[0])?.all_guests()?
    } else {
        guests::in_folders(&arguments.packages)?
    };
    let toolchain = Toolchain::find()?;
    eprintln!("longshore-plugin-build: compiling with {}", toolchain.describe());
    for guest in &found {
        compile(&toolchain, guest, arguments.debug)?;
        for plugin in &guest.plugins {
            let module = guest.module_path(plugin, arguments.debug);
            let folder =
                arguments.out.clone().unwrap_or_else(|| guest.target_directory.join("plugins"));
            let target = folder.join(&guest.subfolder).join(format!("{plugin}.wasm"));
            let size = component::write(&module, &target)?;
            eprintln!("longshore-plugin-build: {} ({} KiB)", target.display(), size.div_ceil(1024));
        }
    }
    Ok(())
}

/// Host builds are not disturbed: guests have a target folder of their own.
fn compile(toolchain: &Toolchain, guest: &Guest, debug: bool) -> Result<(), BuildError> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut cargo = Command::new(&program);
    cargo
        .args(["build", "--bins", "--quiet", "--target", toolchain::TARGET, "--manifest-path"])
        .arg(&guest.manifest_path)
        .arg("--target-dir")
        .arg(guest.build_directory());
    for setting in profile(debug) {
        cargo.args(["--config", setting]);
    }
    if !debug {
        cargo.arg("--release");
    }
    toolchain.prepare(&mut cargo);
    let status = cargo.status().map_err(|source| BuildError::Spawn { program, source })?;
    if status.success() { Ok(()) } else { Err(BuildError::Compile { package: guest.name.clone() }) }
}

/// Guests run hot loops over columns, so they are built for speed; whole-program
/// optimization then drops what they do not use. A panic cannot unwind there.
fn profile(debug: bool) -> &'static [&'static str] {
    if debug {
        &[r#"profile.dev.panic="abort""#, "profile.dev.opt-level=1"]
    } else {
        &[
            r#"profile.release.panic="abort""#,
            "profile.release.opt-level=3",
            r#"profile.release.lto="fat""#,
            "profile.release.codegen-units=1",
            "profile.release.debug=false",
            r#"profile.release.strip="symbols""#,
        ]
    }
}
