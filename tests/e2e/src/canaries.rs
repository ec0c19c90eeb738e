//! Secrets that are planted to be looked for: each begins with the same letters.

use std::path::{Path, PathBuf};

/// What every secret of the tests' servers begins with.
pub const CANARY: &str = "canary-";

/// What `longshore:canary-` becomes in Base64, as the header `Authorization` has it: the part
/// of it that is of the canary's bytes alone.
pub const CANARY_IN_BASE64: &str = "bmFyeS";

/// The first canary with what is around it, if there is any.
pub fn shown(bytes: &[u8]) -> Option<String> {
    let of =
        |canary: &str| bytes.windows(canary.len()).position(|window| window == canary.as_bytes());
    let at = of(CANARY).or_else(|| of(CANARY_IN_BASE64))?;
    let around = at.saturating_sub(300)..(at + 100).min(bytes.len());
    Some(String::from_utf8_lossy(&bytes[around]).into_owned())
}

/// Every file below the folder that holds one, with what is around it.
///
/// # Panics
/// When a folder or a file cannot be read.
pub fn in_files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).expect("a folder can be listed");
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    let found = |path: PathBuf| {
        if path.is_dir() {
            return in_files(&path);
        }
        let shown = match std::fs::read(&path) {
            Ok(bytes) => shown(&bytes),
            // A process that runs replaces and deletes its files.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        shown.map(|shown| (path, shown)).into_iter().collect()
    };
    paths.flat_map(found).collect()
}
