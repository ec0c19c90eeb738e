//! Which task reads which file.
//!
//! A file belongs to the task that the hash of its path falls to. So the plan
//! is a pair of numbers, whatever the number of files; it stays as it is when
//! files appear, and changes only with `tasks.max`. Checkpoints are per file, so
//! a file that changes its task is read on from where it was.

use longshore_sdk::{Fault, Task};
use serde::{Deserialize, Serialize};

use crate::options::{SourceOptions, literal};

/// One task's share of the files: those whose hash leaves `task` when divided
/// by `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The task's number, from 0.
    pub task: u32,
    /// How many tasks there are.
    pub of: u32,
}

impl Share {
    /// Reads a task's assignment.
    pub fn read(task: &Task) -> Result<Self, Fault> {
        let share: Self = serde_json::from_str(&task.assignment)
            .map_err(|error| Fault::fatal("assignment-unreadable", error))?;
        if share.task >= share.of {
            let message = format!("task {} of {} tasks", share.task, share.of);
            return Err(Fault::fatal("assignment-unreadable", message));
        }
        Ok(share)
    }

    /// Whether the file is of this share.
    pub fn has(self, path: &str) -> bool {
        hash(path) % u64::from(self.of) == u64::from(self.task)
    }
}

/// Deals the files over at most `max_tasks` tasks; over no more than there are
/// files where all are named without wildcards.
pub fn plan(options: &SourceOptions, max_tasks: u32) -> Vec<Task> {
    let named = options.globs.iter().all(|glob| literal(glob).is_some());
    let most = if named { options.globs.len().try_into().unwrap_or(u32::MAX) } else { u32::MAX };
    let of = max_tasks.min(most).max(1);
    (0..of)
        .map(|task| Task {
            name: format!("files-{task}"),
            assignment: format!("{{\"task\":{task},\"of\":{of}}}"),
        })
        .collect()
}

/// FNV-1a with its bits spread: the same in every version, since checkpoints
/// and running tasks count on it.
fn hash(path: &str) -> u64 {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(globs: &[&str]) -> SourceOptions {
        SourceOptions {
            topic: "t".into(),
            globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
            connection: "files".into(),
            tail: false,
            max_row_bytes: 1,
            batch_max_bytes: 1,
        }
    }

    #[test]
    fn every_file_is_of_one_task_and_the_shares_are_even() {
        let tasks = plan(&options(&["**/*.txt"]), 4);
        let shares: Vec<_> = tasks.iter().map(|task| Share::read(task).unwrap()).collect();
        let mut counts = [0; 4];
        for at in 0..10_000 {
            let path = format!("in/file-{at}.txt");
            let owners: Vec<_> = (0..4).filter(|task| shares[*task].has(&path)).collect();
            assert_eq!(owners.len(), 1);
            counts[owners[0]] += 1;
        }
        assert!(counts.iter().all(|count| (2_200..2_800).contains(count)), "{counts:?}");
    }

    #[test]
    fn assignments_stay_small_and_there_are_no_more_tasks_than_named_files() {
        assert_eq!(plan(&options(&["a", "b"]), 8).len(), 2);
        assert_eq!(plan(&options(&["a", "b*"]), 8).len(), 8);
        assert_eq!(plan(&options(&["a"]), 0).len(), 1);
        assert_eq!(plan(&options(&["*"]), 3)[2].assignment, r#"{"task":2,"of":3}"#);
    }

    #[test]
    fn where_a_file_falls_never_changes() {
        let shares: Vec<_> = (0..7).map(|task| Share { task, of: 7 }).collect();
        let owner = |path| shares.iter().position(|share| share.has(path)).unwrap();
        assert_eq!(["", "a", "in/b.txt", "ü"].map(owner), OWNERS);
    }

    const OWNERS: [usize; 4] = [0, 5, 6, 3];

    #[test]
    fn a_foreign_assignment_is_refused() {
        for assignment in ["", "{}", r#"{"task":1,"of":1}"#, r#"{"task":0,"of":0}"#] {
            let task = Task { name: "x".into(), assignment: assignment.into() };
            assert!(Share::read(&task).is_err(), "{assignment}");
        }
    }
}
