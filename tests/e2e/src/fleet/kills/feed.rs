//! Rows that never stop coming: whatever is killed, it is at work.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::background::Background;
use crate::random::Random;
use crate::text;

/// Files that grow at the same time, shared out among the source's tasks.
const FILES: usize = 4;
/// Between two times that they grow.
const RHYTHM: Duration = Duration::from_millis(25);
/// The most rows that a file grows by at a time.
const ROWS_MAX: u64 = 3;

/// A thread that appends rows to some files again and again. No two rows are equal.
#[derive(Debug)]
pub struct Feed {
    set: Arc<AtomicUsize>,
    writing: Background<u64>,
}

impl Feed {
    /// Begins to write into `folder`.
    pub fn start(folder: PathBuf, seed: u64) -> Self {
        let set = Arc::new(AtomicUsize::new(0));
        let current = set.clone();
        let writing = Background::start(move |told| {
            let mut random = Random::seeded(seed);
            let mut next = 0;
            while !told.to_end() {
                let set = current.load(Ordering::Relaxed);
                for file in 0..FILES {
                    let name = format!("text{}", set * FILES + file);
                    next = grow(&folder, &name, next, &mut random);
                }
                told.rest(RHYTHM);
            }
            next
        });
        Self { set, writing }
    }

    /// Goes on in other files, which the source has to find.
    pub fn change_files(&self) {
        self.set.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes no more, and gives how many rows were written.
    pub fn stop(self) -> u64 {
        self.writing.finish()
    }
}

/// Appends some rows from number `next` on, and gives the number after them.
fn grow(folder: &Path, name: &str, next: u64, random: &mut Random) -> u64 {
    let end = next + random.between(1, ROWS_MAX + 1);
    let rows: String = (next..end).map(|number| text::row(name, number, random)).collect();
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(name))
        .expect("a file can be made");
    file.write_all(rows.as_bytes()).expect("the disk has room");
    end
}
