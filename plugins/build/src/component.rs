//! From compiled module to component file.

use std::path::{Path, PathBuf};

use wit_component::ComponentEncoder;

/// Why a module did not become a component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComponentError {
    #[error("cannot {verb} {path}: {source}")]
    File {
        verb: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{path} is no plugin: {why}\n\
         A plugin's binary calls one of the SDK's export macros, and \
         uses no crate that wants an operating system"
    )]
    Encode { path: PathBuf, why: String },
}

/// Makes a component of the module at `from`; gives the size of `to` in bytes.
/// Whoever reads `to` sees the old file or the new one, never a part.
pub(crate) fn write(from: &Path, to: &Path) -> Result<usize, ComponentError> {
    let module = std::fs::read(from).map_err(failed("read", from))?;
    let component =
        encode(&module).map_err(|why| ComponentError::Encode { path: from.to_owned(), why })?;
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let partial = to.with_extension(format!("wasm.{}", std::process::id()));
    std::fs::write(&partial, &component).map_err(failed("write", &partial))?;
    std::fs::rename(&partial, to).map_err(failed("replace", to))?;
    Ok(component.len())
}

fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = ComponentEncoder::default();
    let component = encoder
        .validate(true)
        .module(module)
        .and_then(ComponentEncoder::encode)
        .map_err(|error| format!("{error:#}"))?;
    let decoded = wit_component::decode(&component).map_err(|error| format!("{error:#}"))?;
    let exports = decoded.resolve().worlds.iter().any(|(_, world)| !world.exports.is_empty());
    if exports { Ok(component) } else { Err("it exports nothing".to_owned()) }
}

fn failed<'a>(
    verb: &'static str,
    path: &'a Path,
) -> impl FnOnce(std::io::Error) -> ComponentError + 'a {
    move |source| ComponentError::File { verb, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_exports_nothing_is_no_plugin() {
        assert_eq!(encode(b"\0asm\x01\0\0\0"), Err("it exports nothing".to_owned()));
    }

    #[test]
    fn a_file_that_is_no_module_is_refused_and_leaves_the_old_component() {
        let folder = tempfile::tempdir().unwrap();
        let (module, target) = (folder.path().join("m.wasm"), folder.path().join("out/p.wasm"));
        std::fs::create_dir(folder.path().join("out")).unwrap();
        std::fs::write(&module, b"\0asm, but not really").unwrap();
        std::fs::write(&target, b"old").unwrap();
        let error = write(&module, &target).unwrap_err();
        assert!(error.to_string().contains("is no plugin"), "{error}");
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
    }
}
