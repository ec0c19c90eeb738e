//! Compiled code on disk.
//!
//! A file is named by the component's digest and the engine's compatibility
//! hash, and begins with the digest of what follows. It is written beside its
//! place and renamed, so readers see whole files; one that is torn or tampered
//! with fails its digest and is compiled anew.
//!
//! Machine code is as trusted as the worker itself: the folder is the worker's
//! own, with no right for others to write, and is refused otherwise; nothing else
//! is ever put or loaded there.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::HostError;

/// Bytes of the digest at a file's head.
const HEAD_BYTES: usize = 32;
/// All files together, in bytes. What is deleted is compiled anew when it is loaded.
const CACHE_BYTES_MAX: u64 = 2 << 30;
/// What their names end with.
const EXTENSION: &str = "compiled";

/// The folder of compiled code.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    compatibility: u64,
}

impl Cache {
    /// Opens the folder, making it if there is none.
    pub fn open(folder: &Path, engine: &Engine) -> Result<Self, HostError> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(
            |source| HostError::File { verb: "create", path: folder.to_owned(), source },
        )?;
        own(folder)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { folder: folder.to_owned(), compatibility: hasher.finish() })
    }

    /// The compiled component of `wasm`, whose SHA-256 is `digest` in hex.
    pub fn component(
        &self,
        engine: &Engine,
        wasm: &[u8],
        digest: &str,
    ) -> wasmtime::Result<Component> {
        let path = self.path(digest);
        if let Some(component) = load(engine, &path) {
            return Ok(component);
        }
        let component = Component::from_binary(engine, wasm)?;
        // Without the cache the next start is slower, and nothing else.
        if let Err(error) = self.store(&path, &component.serialize()?) {
            tracing::warn!(path = %path.display(), %error, "compiled code is not cached");
        }
        Ok(component)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}-{:016x}.{EXTENSION}", self.compatibility))
    }

    fn store(&self, path: &Path, code: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)?;
        file.persist(path)?;
        self.prune(CACHE_BYTES_MAX)
    }

    /// Deletes the files that were not loaded for the longest time, until the others
    /// have so many bytes at the most: those of engines and plugins of the past.
    fn prune(&self, bytes_max: u64) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may have deleted it.
            let Ok(metadata) = entry.metadata() else { continue };
            if entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in files {
            if bytes <= bytes_max {
                break;
            }
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => bytes -= size,
            }
        }
        Ok(())
    }
}

/// Refuses a folder that another user could put code into.
fn own(folder: &Path) -> Result<(), HostError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(folder).map_err(|source| HostError::File {
        verb: "look at",
        path: folder.to_owned(),
        source,
    })?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    let user = rustix::process::geteuid().as_raw();
    if owner != user || mode & 0o022 != 0 {
        return Err(HostError::Shared { path: folder.to_owned(), owner, mode, user });
    }
    Ok(())
}

/// The component of a cache file; `None` when there is none, or a bad one.
fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let mut file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    // It is in use; without the right to say so it is only deleted sooner.
    let _ = file.set_modified(std::time::SystemTime::now());
    let (head, code) = bytes.split_at_checked(HEAD_BYTES)?;
    if head != &Sha256::digest(code)[..] {
        tracing::warn!(path = %path.display(), "compiled code is damaged and made anew");
        return None;
    }
    deserialize(engine, code)
}

#[expect(
    unsafe_code,
    reason = "machine code from the worker's own folder, its digest checked, of this very engine \
              version: wasmtime compares its own header too. It is as trusted as this binary"
)]
fn deserialize(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: `code` is what `Component::serialize` gave `Cache::store`.
    unsafe { Component::deserialize(engine, code) }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &[u8] = b"\0asm\x0d\0\x01\0";

    fn files(folder: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn a_damaged_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(folder.path(), &engine).unwrap();
        cache.component(&engine, WASM, "d").unwrap();
        let [file] = &files(folder.path())[..] else { panic!() };
        let whole = std::fs::read(file).unwrap();
        for damage in [
            Vec::new(),
            whole[..whole.len() / 2].to_vec(),
            whole.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 100)).collect(),
        ] {
            std::fs::write(file, &damage).unwrap();
            assert!(load(&engine, file).is_none());
            cache.component(&engine, WASM, "d").unwrap();
            assert_eq!(std::fs::read(file).unwrap().len(), whole.len());
            assert!(load(&engine, file).is_some());
        }
        assert_eq!(files(folder.path()).len(), 1);
    }

    #[test]
    fn the_files_that_were_not_loaded_for_the_longest_time_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(folder.path(), &engine).unwrap();
        for digest in ["a", "b", "c"] {
            cache.component(&engine, WASM, digest).unwrap();
            let old = std::fs::File::open(cache.path(digest)).unwrap();
            old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        }
        cache.component(&engine, WASM, "b").unwrap();
        let size = std::fs::metadata(cache.path("b")).unwrap().len();
        cache.prune(size).unwrap();
        assert_eq!(files(folder.path()), [cache.path("b")]);
    }

    #[test]
    fn another_engine_has_files_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let other = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        Cache::open(folder.path(), &engine).unwrap().component(&engine, WASM, "d").unwrap();
        Cache::open(folder.path(), &other).unwrap().component(&other, WASM, "d").unwrap();
        assert_eq!(files(folder.path()).len(), 2);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for (mode, is_own) in [(0o700, true), (0o755, true), (0o770, false), (0o707, false)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(folder.path(), permissions).unwrap();
            let opened = Cache::open(folder.path(), &Engine::default());
            assert_eq!(opened.is_ok(), is_own, "{mode:o}");
            if let Err(error) = opened {
                assert!(error.to_string().contains("chmod go-w"), "{error}");
            }
        }
    }

    #[test]
    fn the_folder_is_the_workers_own() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        Cache::open(&path, &Engine::default()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
