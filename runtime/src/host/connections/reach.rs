//! What connections may reach of the worker's machine.
//!
//! A connection in the worker's own file is its owner's, who has the machine anyway.
//! One that came by a request reaches what the file says that it may, and nothing
//! unless it says so: which folders a local one may begin in, which variables and
//! files its references may name. Neither begins where the worker keeps code and
//! state of its own. Each worker goes by its own file, whoever took the request.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

/// The remedy of whatever is refused.
const REMEDY: &str = "in the files of the workers, or define the connection there";

/// Folders and files in and below which something is allowed, as Kafka's
/// configuration providers have it (`allowed.paths`, KIP-993). None, unless given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedPaths(Vec<PathBuf>);

impl AllowedPaths {
    /// Takes absolute paths.
    ///
    /// # Errors
    /// The first that is not.
    pub fn new(paths: Vec<PathBuf>) -> Result<Self, PathBuf> {
        match paths.iter().find(|path| !is_plain(path)) {
            Some(wrong) => Err(wrong.clone()),
            None => Ok(Self(paths)),
        }
    }

    /// Whether a path as it is written leads there: links are not followed, and it
    /// goes nowhere up.
    fn name(&self, path: &Path) -> bool {
        is_plain(path) && self.0.iter().any(|allowed| path.starts_with(allowed))
    }

    /// Whether a path without links is there.
    pub(super) fn hold(&self, real_path: &Path) -> bool {
        let real_ones = self.0.iter().filter_map(|allowed| real(allowed).ok());
        real_ones.into_iter().any(|allowed| real_path.starts_with(allowed))
    }
}

/// What connections from requests may reach.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// `connection.resources.root.allowed.paths`: where local ones may begin.
    pub roots: AllowedPaths,
    /// `connection.resources.file.allowed.paths`: what `${file:}` and `${dir:}` may name.
    pub files: AllowedPaths,
    /// `connection.resources.env.allowlist.pattern`: what `${env:}` may name (KIP-887).
    pub env: Option<Pattern>,
}

/// A regular expression for a whole name.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let whole = Regex::new(&format!("^(?:{pattern})$"));
        whole.map(Self).map_err(|error| error.to_string())
    }
}

impl Allowed {
    /// Why a variable may not be named; `None` if it may.
    pub(super) fn refuses_env(&self, name: &str) -> Option<String> {
        let is_allowed = self.env.as_ref().is_some_and(|pattern| pattern.0.is_match(name));
        (!is_allowed).then(|| {
            format!(
                "a connection from a request may not refer to the variable `{name}`: have \
                 `connection.resources.env.allowlist.pattern` match it {REMEDY}"
            )
        })
    }

    /// Why a file may not be named as it is written; `None` if it may.
    pub(super) fn refuses_file(&self, path: &Path) -> Option<String> {
        (!self.files.name(path)).then(|| refused_file(path))
    }
}

pub(super) fn refused_file(path: &Path) -> String {
    format!(
        "a connection from a request may not refer to `{}`: add the file or its folder to \
         `connection.resources.file.allowed.paths` {REMEDY}",
        path.display()
    )
}

fn refused_root(root: &Path) -> String {
    format!(
        "a connection from a request may not have the `root` `{}`: add the folder to \
         `connection.resources.root.allowed.paths` {REMEDY}",
        root.display()
    )
}

/// What all connections may reach.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Folders of the worker's process: compiled code, plugins, a broker's log.
    pub internal: Vec<PathBuf>,
    /// Those from requests.
    pub allowed: Allowed,
}

impl Reach {
    /// Why a connection may not begin at `root`, as it is written; `None` if it may.
    pub(super) fn refuses_root(&self, root: &Path, is_own: bool) -> Option<String> {
        if !is_own && !self.allowed.roots.name(root) {
            return Some(refused_root(root));
        }
        // What cannot be looked at cannot be opened either, which says why.
        self.refuses_real_root(&real(root).ok()?, is_own)
    }

    /// Why a connection may not name a file by a setting; `None` if it may.
    pub(super) fn refuses_file(&self, path: &Path, is_own: bool) -> Option<String> {
        if is_own {
            return None;
        }
        // What is not there cannot be read either, which says why.
        let is_elsewhere = || real(path).is_ok_and(|real| !self.allowed.files.hold(&real));
        self.allowed.refuses_file(path).or_else(|| is_elsewhere().then(|| refused_file(path)))
    }

    /// The same of the folder as it was found, without links. The owner may give out a
    /// folder that the worker's own lie in; a request not.
    pub(super) fn refuses_real_root(&self, real_root: &Path, is_own: bool) -> Option<String> {
        if !is_own && !self.allowed.roots.hold(real_root) {
            return Some(refused_root(real_root));
        }
        let folders = self.internal.iter().filter_map(|folder| real(folder).ok());
        let clashes = |folder: &PathBuf| {
            real_root.starts_with(folder) || (!is_own && folder.starts_with(real_root))
        };
        let folder = folders.into_iter().find(clashes)?;
        Some(format!(
            "the `root` `{}` holds, or is in, `{}`, where this worker keeps code or state of its \
             own: choose another folder",
            real_root.display(),
            folder.display()
        ))
    }
}

/// Whether a path is absolute and goes nowhere up.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

/// The path without links, as far as there is something.
pub(super) fn real(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(above), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(real(if above.as_os_str().is_empty() { Path::new(".") } else { above })?.join(name))
        }
        (found, ..) => found,
    }
}

/// Where an open file is, through whatever links it was opened.
pub(super) fn real_of(file: &File) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(paths: &[&Path]) -> AllowedPaths {
        AllowedPaths::new(paths.iter().map(|path| path.to_path_buf()).collect()).unwrap()
    }

    #[test]
    fn nothing_is_allowed_unless_it_is_said() {
        let none = Allowed::default();
        assert!(none.refuses_env("HOME").unwrap().contains("env.allowlist.pattern"));
        assert!(
            none.refuses_file(Path::new("/etc/passwd")).unwrap().contains("file.allowed.paths")
        );
        let refused = Reach::default().refuses_root(Path::new("/"), false).unwrap();
        assert!(refused.contains("root.allowed.paths"), "{refused}");
        assert_eq!(Reach::default().refuses_root(Path::new("/"), true), None);
        let env = Some(Pattern::new("A_.*|B").unwrap());
        let some = Allowed { env, ..Allowed::default() };
        assert!(some.refuses_env("A_1").is_none() && some.refuses_env("B").is_none());
        assert!(some.refuses_env("XA_1").is_some() && some.refuses_env("BB").is_some());
    }

    #[test]
    fn a_path_that_goes_up_or_is_beside_is_not_below() {
        let paths = allowed(&[Path::new("/data/in")]);
        for inside in ["/data/in", "/data/in/", "/data/in/a/b", "/data/./in/a"] {
            assert!(paths.name(Path::new(inside)), "{inside}");
        }
        for outside in ["/data", "/data/inside", "/data/in/../x", "data/in", "", "/data/in/a/../b"]
        {
            assert!(!paths.name(Path::new(outside)), "{outside}");
        }
        assert_eq!(AllowedPaths::new(vec!["data".into()]), Err("data".into()));
        assert_eq!(AllowedPaths::new(vec!["/a/../b".into()]), Err("/a/../b".into()));
    }

    #[test]
    fn a_link_leads_where_it_leads() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        let paths = allowed(&[&inside]);
        let written = inside.join("link/new/folder");
        assert!(paths.name(&written));
        assert!(!paths.hold(&real(&written).unwrap()));
        assert!(paths.hold(&real(&inside.join("new/folder")).unwrap()));
    }

    #[test]
    fn nobody_begins_in_the_workers_own_folders_and_requests_not_above_them() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("state/cache");
        let reach = Reach {
            internal: vec![cache.clone()],
            allowed: Allowed { roots: allowed(&[folder.path()]), ..Allowed::default() },
        };
        for is_own in [true, false] {
            for refused in [cache.clone(), cache.join("deeper")] {
                let why = reach.refuses_root(&refused, is_own).unwrap();
                assert!(why.contains("its own"), "{why}");
            }
            assert_eq!(reach.refuses_root(&folder.path().join("data"), is_own), None);
        }
        assert_eq!(reach.refuses_root(&folder.path().join("state"), true), None);
        assert!(reach.refuses_root(&folder.path().join("state"), false).is_some());
        assert!(reach.refuses_root(folder.path(), false).is_some());
    }
}
