//! What can go wrong with an object store, and what to do about it.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

mod s3;

pub use s3::Refusal;

/// What a task does about an error: the faults of the plugin contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing was applied; the same again after a pause may succeed.
    Retry,
    /// Wait for the user to change configuration, grants or files.
    Config,
    /// Stop the task; an operator must look.
    Fatal,
}

/// An operation on an object store that failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The connection's folder cannot be opened or made.
    #[error("the connection's root `{}` cannot be opened: {}", root.display(), words(*errno))]
    Root {
        /// The folder.
        root: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// A path that no object can have.
    #[error("`{path}` is no path of an object: {reason}")]
    Path {
        /// The path, cut when it is long.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A glob that cannot be read.
    #[error("`{glob}` is no glob: {reason}")]
    Glob {
        /// The glob, cut when it is long.
        glob: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// A symbolic link that leads out of the root.
    #[error(
        "`{path}` leads out of the connection's root through a symbolic link; \
         put the file itself inside, or root a connection where it is"
    )]
    Escapes {
        /// The object's path.
        path: String,
    },
    /// A setting of the connection that cannot be used.
    #[error("the connection's `{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, after its name.
        reason: String,
    },
    /// This binary was built without the driver.
    #[error(
        "this `longshore` was built without the feature `{feature}`, which the kind `{feature}` needs"
    )]
    NotBuilt {
        /// The Cargo feature.
        feature: &'static str,
    },
    /// Another version was put in the place of the one that is being read.
    #[error("`{path}` was replaced while it was read")]
    Replaced {
        /// The object's path.
        path: String,
    },
    /// The server overwrites what is there although it was asked not to.
    #[error(
        "the server does not heed `If-None-Match` and overwrote `{path}` with the same: what is \
         finished cannot be kept from being written twice; use a server that does, as S3 and MinIO do"
    )]
    Overwrites {
        /// The object's path.
        path: String,
    },
    /// An object that would have more parts than one may have.
    #[error("`{path}` is too large for one object; have files end earlier")]
    TooLarge {
        /// The object's path.
        path: String,
    },
    /// A server of S3 refused, or did not answer.
    #[error("{verb} `{path}` failed: {refusal}")]
    S3 {
        /// What was tried, as `reading`.
        verb: &'static str,
        /// The object's or folder's path.
        path: String,
        /// What came back.
        refusal: Refusal,
    },
    /// There is no such object.
    #[error("there is no `{path}` in the connection's root")]
    NotFound {
        /// The object's path.
        path: String,
    },
    /// A folder, socket, pipe or device.
    #[error("`{path}` is {what} and no regular file")]
    NotAFile {
        /// The object's path.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A name that cannot be told to a plugin.
    #[error(
        "the name `{name}` in the folder `{folder}` is not UTF-8; rename it, or name others by the glob"
    )]
    NameNotUtf8 {
        /// The folder that holds it, empty for the root.
        folder: String,
        /// The name with replacement characters.
        name: String,
    },
    /// A write through a connection that was granted for reading.
    #[error(
        "`{path}` is not written: the connection was granted for reading only (`verbs: [read, write]` allows both)"
    )]
    ReadOnly {
        /// The object's path.
        path: String,
    },
    /// The worker may no longer write for this task.
    #[error(
        "`{path}` is not written: this worker's lease on the task has ended, another worker may own it"
    )]
    Fenced {
        /// The object's path.
        path: String,
    },
    /// The operating system refused.
    #[error("{verb} `{path}` failed: {}", words(*errno))]
    Io {
        /// What was tried, as `reading`.
        verb: &'static str,
        /// The object's or folder's path.
        path: String,
        /// Why.
        errno: Errno,
    },
    /// The blocking operation died; a bug.
    #[error("an operation on the object store did not come back: {reason}")]
    Lost {
        /// What the runtime says.
        reason: String,
    },
}

impl ObjectsError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Root { errno, .. } => match class_of(*errno) {
                // A root that is not there yet, or not mounted: the user's.
                Class::Fatal => Class::Config,
                other => other,
            },
            Self::Path { .. }
            | Self::Glob { .. }
            | Self::Escapes { .. }
            | Self::NotFound { .. }
            | Self::NotAFile { .. }
            | Self::NameNotUtf8 { .. }
            | Self::Setting { .. }
            | Self::NotBuilt { .. }
            | Self::Overwrites { .. }
            | Self::TooLarge { .. }
            | Self::ReadOnly { .. } => Class::Config,
            Self::Fenced { .. } | Self::Replaced { .. } => Class::Retry,
            Self::S3 { refusal, .. } => refusal.class(),
            Self::Io { errno, .. } => class_of(*errno),
            Self::Lost { .. } => Class::Fatal,
        }
    }

    /// A stable name in kebab-case, for metrics and alerts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Root { .. } => "root-unusable",
            Self::Path { .. } => "bad-path",
            Self::Glob { .. } => "bad-glob",
            Self::Escapes { .. } => "path-escapes",
            Self::NotFound { .. } => "not-found",
            Self::NotAFile { .. } => "not-a-file",
            Self::NameNotUtf8 { .. } => "name-not-utf8",
            Self::Setting { .. } => "bad-setting",
            Self::NotBuilt { .. } => "not-built",
            Self::Replaced { .. } => "object-replaced",
            Self::Overwrites { .. } => "unsupported",
            Self::TooLarge { .. } => "too-large",
            Self::S3 { refusal, .. } => refusal.code(),
            Self::ReadOnly { .. } => "read-only",
            Self::Fenced { .. } => "fenced",
            Self::Io { errno, .. } => code_of(*errno),
            Self::Lost { .. } => "lost",
        }
    }

    pub(crate) fn io(verb: &'static str, path: &str, errno: Errno) -> Self {
        let path = path.to_owned();
        match errno {
            Errno::NOENT => Self::NotFound { path },
            // The answer of `openat2` when a link leads out of the root.
            Errno::XDEV => Self::Escapes { path },
            errno => Self::Io { verb, path, errno },
        }
    }

    pub(crate) fn std(verb: &'static str, path: &str, error: &io::Error) -> Self {
        Self::io(verb, path, Errno::from_io_error(error).unwrap_or(Errno::IO))
    }
}

fn class_of(errno: Errno) -> Class {
    match errno {
        // What passes by itself, or when somebody makes room.
        Errno::INTR
        | Errno::AGAIN
        | Errno::BUSY
        | Errno::MFILE
        | Errno::NFILE
        | Errno::NOMEM
        | Errno::NOBUFS
        | Errno::NOSPC
        | Errno::DQUOT
        | Errno::STALE
        | Errno::TIMEDOUT
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NOTCONN => Class::Retry,
        // What the user set up: rights, mounts, and what is where.
        Errno::ACCESS
        | Errno::PERM
        | Errno::ROFS
        | Errno::NOENT
        | Errno::NOTDIR
        | Errno::ISDIR
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::FBIG => Class::Config,
        _ => Class::Fatal,
    }
}

fn code_of(errno: Errno) -> &'static str {
    match errno {
        Errno::NOSPC | Errno::DQUOT => "no-space",
        Errno::ACCESS | Errno::PERM => "access-denied",
        Errno::ROFS => "read-only-file-system",
        Errno::MFILE | Errno::NFILE => "too-many-open-files",
        Errno::NOTDIR | Errno::ISDIR => "not-a-file",
        Errno::LOOP => "link-loop",
        Errno::NOSYS => "unsupported-kernel",
        _ => "io",
    }
}

/// The system's words, and what to do where they alone do not tell.
fn words(errno: Errno) -> String {
    let hint = match errno {
        Errno::NOSPC | Errno::DQUOT => "; make room, the task goes on by itself",
        Errno::ACCESS | Errno::PERM => "; give the worker's user the right to it",
        Errno::MFILE | Errno::NFILE => "; raise the limit of open files (`ulimit -n`)",
        Errno::NOSYS => "; Linux 5.6 or newer is needed, with `openat2` allowed",
        Errno::NOTDIR => "; a part of the path is a file and no folder",
        _ => "",
    };
    format!("{errno}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(errno: Errno) -> ObjectsError {
        ObjectsError::io("writing", "a/b", errno)
    }

    #[test]
    fn what_passes_by_itself_is_retried() {
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::MFILE, Errno::STALE, Errno::AGAIN] {
            assert_eq!(io(errno).class(), Class::Retry, "{errno}");
        }
        assert_eq!(ObjectsError::Fenced { path: "a".into() }.class(), Class::Retry);
    }

    #[test]
    fn what_the_user_set_up_waits_for_the_user() {
        for errno in [Errno::ACCESS, Errno::ROFS, Errno::NOTDIR, Errno::LOOP, Errno::NAMETOOLONG] {
            assert_eq!(io(errno).class(), Class::Config, "{errno}");
        }
        assert!(matches!(io(Errno::XDEV), ObjectsError::Escapes { .. }));
        assert!(matches!(io(Errno::NOENT), ObjectsError::NotFound { .. }));
        assert_eq!(io(Errno::XDEV).class(), Class::Config);
        assert_eq!(io(Errno::NOENT).class(), Class::Config);
        let root = ObjectsError::Root { root: "/x".into(), errno: Errno::IO };
        assert_eq!(root.class(), Class::Config);
    }

    #[test]
    fn what_nobody_foresaw_stops_the_task() {
        for errno in [Errno::IO, Errno::NOSYS, Errno::INVAL, Errno::BADF] {
            assert_eq!(io(errno).class(), Class::Fatal, "{errno}");
        }
        assert_eq!(ObjectsError::Lost { reason: "panic".into() }.class(), Class::Fatal);
    }

    #[test]
    fn messages_name_the_path_the_reason_and_the_remedy() {
        let text = io(Errno::NOSPC).to_string();
        assert!(text.starts_with("writing `a/b` failed: No space left"), "{text}");
        assert!(text.ends_with("make room, the task goes on by itself"), "{text}");
        assert_eq!(io(Errno::NOSPC).code(), "no-space");
    }
}
