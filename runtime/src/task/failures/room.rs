//! How much room there is for a dead letter. A topic takes records up to its
//! `max.message.bytes`, and a letter is longer than its record by its story: what does
//! not fit is cut, so that no record can stop a task by its size.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::letter::{self, PREFIX};
use crate::batch::Batch;

/// Says in a letter what was cut from it.
const CUT: &str = "__connect.errors.cut";
/// The message of a letter of which nothing but its story is left, in bytes.
const BARE_MESSAGE_BYTES_MAX: usize = 512;
/// A record batch (KIP-98) before its first record, in bytes.
const BATCH_BYTES: usize = 61;
/// What a record has beside its parts, in bytes: lengths and deltas, each at its longest.
const RECORD_BYTES: usize = 36;
/// What a header has beside its name and value.
const HEADER_BYTES: usize = 10;
/// What [`CUT`] needs at the most.
const CUT_BYTES_MAX: usize = CUT.len() + HEADER_BYTES + 64;

/// The room of one task's letters, session after session.
#[derive(Debug)]
pub struct Rooms {
    /// What one request may bring; `usize::MAX` while it is not known.
    bytes_max: Arc<AtomicUsize>,
    of_writers: Mutex<HashMap<i32, Arc<Room>>>,
}

impl Default for Rooms {
    fn default() -> Self {
        let bytes_max = Arc::new(AtomicUsize::new(usize::MAX));
        Self { bytes_max, of_writers: Mutex::default() }
    }
}

impl Rooms {
    /// The topic's limit, or the producer's.
    pub fn learn(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// The room of a writer of transactions: a partition number of a processor is one,
    /// and others may commit while its own are refused.
    pub fn of(&self, writer: i32) -> Arc<Room> {
        let mut rooms = self.of_writers.lock().expect("no holder panics");
        let new = || Room { bytes_max: self.bytes_max.clone(), refusals: AtomicU32::new(0) };
        rooms.entry(writer).or_insert_with(|| Arc::new(new())).clone()
    }
}

/// The room of letters whose transactions come one after the other.
#[derive(Debug)]
pub struct Room {
    bytes_max: Arc<AtomicUsize>,
    /// How often letters were refused for what they are since the last commit.
    refusals: AtomicU32,
}

/// Letters, cut to fit.
#[derive(Debug, Default)]
pub(super) struct Fitted {
    /// One request each.
    pub(super) batches: Vec<Batch>,
    /// The stories of those of which not even that fits.
    pub(super) unwritten: Vec<String>,
}

impl Room {
    /// Letters of a transaction were refused, and would be again as they are.
    pub(super) fn refused(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// The transaction is committed, with as much of its letters as was taken.
    pub(super) fn committed(&self) {
        self.refusals.store(0, Ordering::Relaxed);
    }

    /// Divides letters into batches that fit. After a refusal nothing but their stories
    /// is tried, and after one of these nothing at all, until there is a commit: a
    /// transaction may have letters of many lots, and is made again from its first.
    pub(super) fn fit(&self, letters: Batch) -> Fitted {
        let refusals = self.refusals.load(Ordering::Relaxed);
        if refusals > 1 {
            let all = sizes(&letters).map(|(_, headers, _)| letter::told(&letters, headers));
            return Fitted { batches: Vec::new(), unwritten: all.collect() };
        }
        let room = self.bytes_max.load(Ordering::Relaxed).saturating_sub(BATCH_BYTES);
        let mut fitted = Fitted::default();
        if refusals == 0 && bytes(&letters) <= room {
            fitted.batches.push(letters);
            return fitted;
        }
        let mut taken = 0;
        for (at, headers, size) in sizes(&letters) {
            let whole = refusals == 0 && size <= room;
            let cut = match whole {
                true => None,
                false if refusals > 0 => Some(bare(&letters, at, headers.clone())),
                false => Some(cut(&letters, at, headers.clone(), room)),
            };
            let (from, at, headers) = match &cut {
                None => (&letters, at, headers),
                Some(cut) => (cut, 0, 0..cut.headers.name_at.len()),
            };
            let size = size_of(from, at, headers.clone());
            if size > room {
                fitted.unwritten.push(letter::told(from, headers));
                continue;
            }
            if fitted.batches.is_empty() || taken + size > room {
                fitted.batches.push(Batch::default());
                taken = 0;
            }
            taken += size;
            if let Some(batch) = fitted.batches.last_mut() {
                batch.push_record(from, at, headers);
            }
        }
        fitted.batches.iter_mut().for_each(level);
        fitted
    }
}

/// Gives the last records, if they have no headers, their count of none.
pub(super) fn level(letters: &mut Batch) {
    let records = letters.len();
    let counts = &mut letters.columns.header_count;
    if !counts.is_empty() {
        counts.resize(records, 0);
    }
}

/// Each letter's index, headers, and size in a request at the most.
fn sizes(letters: &Batch) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
    let mut next = 0;
    (0..letters.len()).map(move |at| {
        let begin = next;
        next += letters.columns.header_count.get(at).copied().unwrap_or(0) as usize;
        (at, begin..next, size_of(letters, at, begin..next))
    })
}

/// Letters' size in requests at the most.
pub(super) fn bytes(letters: &Batch) -> usize {
    sizes(letters).map(|(_, _, size)| size).sum()
}

fn size_of(letters: &Batch, at: usize, headers: Range<usize>) -> usize {
    let of = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let headers = headers.map(|header| {
        HEADER_BYTES + letters.header_name(header).len() + of(letters.header_value(header))
    });
    RECORD_BYTES + of(letters.key(at)) + of(letters.value(at)) + headers.sum::<usize>()
}

/// A letter with the beginning of its value, as much as there is room for; or without
/// anything of its record.
fn cut(letters: &Batch, at: usize, headers: Range<usize>, room: usize) -> Batch {
    let value = letters.value(at).unwrap_or_default();
    let rest = size_of(letters, at, headers.clone()) - value.len() + CUT_BYTES_MAX;
    let Some(kept) = room.checked_sub(rest).filter(|kept| (1..value.len()).contains(kept)) else {
        return bare(letters, at, headers);
    };
    let mut cut = Batch::default();
    cut.push(letters.key(at), Some(&value[..kept]), letters.timestamp_ms(at));
    for header in headers {
        cut.push_header(letters.header_name(header), letters.header_value(header));
    }
    let told = format!("the value is the first {kept} of {} bytes", value.len());
    cut.push_header(CUT.as_bytes(), Some(told.as_bytes()));
    cut
}

/// A letter's story alone: what a topic refuses may be its size, its time, or that it
/// has no key.
pub(super) fn bare(letters: &Batch, at: usize, headers: Range<usize>) -> Batch {
    let bytes = size_of(letters, at, headers.clone());
    let mut bare = Batch::default();
    bare.push(None, None, -1);
    for header in headers {
        let (name, value) = (letters.header_name(header), letters.header_value(header));
        let Some(told) = name.strip_prefix(PREFIX.as_bytes()) else { continue };
        let value = match told {
            // The message again.
            b"exception.stacktrace" => continue,
            b"exception.message" => value.map(beginning),
            _ => value,
        };
        bare.push_header(name, value);
    }
    let told = format!("the record is left out: with it there were {bytes} bytes");
    bare.push_header(CUT.as_bytes(), Some(told.as_bytes()));
    bare
}

fn beginning(text: &[u8]) -> &[u8] {
    let mut end = text.len().min(BARE_MESSAGE_BYTES_MAX);
    // Not in the middle of a character.
    while end > 0 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters with values of these sizes, each with a header of its own and a story.
    fn letters(sizes: &[usize]) -> Batch {
        let mut letters = Batch::default();
        for size in sizes {
            letters.push(Some(b"k"), Some(&vec![b'v'; *size]), 7);
            letters.push_header(b"own", Some(b"h"));
            let mut story = |name: &str, text: &str| {
                let name = format!("{PREFIX}{name}");
                letters.push_header(name.as_bytes(), Some(text.as_bytes()));
            };
            story("topic", "t");
            story("exception.message", &"é".repeat(600));
            story("exception.stacktrace", &"é".repeat(600));
        }
        letters
    }

    fn room(bytes_max: usize) -> Arc<Room> {
        let rooms = Rooms::default();
        rooms.learn(bytes_max);
        rooms.of(0)
    }

    fn header(letters: &Batch, at: usize, wanted: &str) -> Option<String> {
        let mut all = letters.headers_of(at).map(|header| {
            let value = letters.header_value(header).unwrap_or_default();
            (letters.header_name(header), String::from_utf8(value.to_vec()).unwrap())
        });
        all.find(|(name, _)| *name == wanted.as_bytes()).map(|(_, value)| value)
    }

    #[test]
    fn letters_that_fit_are_written_as_they_are_in_requests_that_fit() {
        let fitted = Rooms::default().of(0).fit(letters(&[10, 10_000_000]));
        assert_eq!(fitted.batches, [letters(&[10, 10_000_000])]);
        let fitted = room(10_000).fit(letters(&[100, 100, 5_000, 100]));
        let lengths: Vec<_> = fitted.batches.iter().map(Batch::len).collect();
        assert_eq!((lengths, fitted.unwritten.len()), (vec![2, 1, 1], 0));
        for batch in &fitted.batches {
            assert_eq!(batch.validate(), Ok(()));
            assert!(bytes(batch) + BATCH_BYTES <= 10_000);
            assert!((0..batch.len()).all(|at| header(batch, at, CUT).is_none()));
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_cut_and_the_letter_says_so() {
        let fitted = room(10_000).fit(letters(&[100_000, 1]));
        let [cut, whole] = &fitted.batches[..] else { panic!("{fitted:?}") };
        assert_eq!(*whole, letters(&[1]));
        let kept = cut.value(0).unwrap().len();
        assert!((7_000..10_000).contains(&kept), "{kept}");
        assert!(size_of(cut, 0, cut.headers_of(0)) + BATCH_BYTES <= 10_000);
        let told = format!("the value is the first {kept} of 100000 bytes");
        assert_eq!(header(cut, 0, CUT), Some(told));
        assert_eq!((cut.key(0), cut.timestamp_ms(0)), (Some(&b"k"[..]), 7));
        assert_eq!(header(cut, 0, "own"), Some("h".into()));
        assert!(header(cut, 0, "__connect.errors.exception.stacktrace").is_some());
    }

    #[test]
    fn where_there_is_no_room_for_a_record_the_story_is_written_or_nothing() {
        let fitted = room(1_000).fit(letters(&[100, 100]));
        let [bare] = &fitted.batches[..1] else { panic!("{fitted:?}") };
        assert_eq!((bare.key(0), bare.value(0), bare.timestamp_ms(0)), (None, None, -1));
        assert_eq!(header(bare, 0, "own"), None);
        assert_eq!(header(bare, 0, "__connect.errors.topic"), Some("t".into()));
        let message = header(bare, 0, "__connect.errors.exception.message").unwrap();
        assert_eq!(message, "é".repeat(256), "it ends between characters");
        assert!(header(bare, 0, CUT).unwrap().contains("left out"));
        let fitted = room(500).fit(letters(&[100, 100]));
        assert_eq!((fitted.batches.len(), fitted.unwritten.len()), (0, 2));
        assert!(fitted.unwritten[0].starts_with("topic=t, exception.message=é"), "{fitted:?}");
    }

    #[test]
    fn after_refusals_less_and_less_of_each_lot_is_tried_and_all_of_it_after_a_commit() {
        let room = room(10_000);
        room.refused();
        for _lot in 0..2 {
            let fitted = room.fit(letters(&[1, 2]));
            let [bare] = &fitted.batches[..] else { panic!("{fitted:?}") };
            assert_eq!((bare.len(), bare.value(0), fitted.unwritten.len()), (2, None, 0));
        }
        room.refused();
        for _lot in 0..2 {
            let fitted = room.fit(letters(&[1, 2]));
            assert_eq!((fitted.batches.len(), fitted.unwritten.len()), (0, 2));
        }
        room.committed();
        assert_eq!(room.fit(letters(&[1])).batches, [letters(&[1])]);
    }

    #[test]
    fn a_commit_of_another_partition_number_says_nothing_of_letters_that_were_refused() {
        let rooms = Rooms::default();
        rooms.of(0).refused();
        rooms.of(1).committed();
        assert_eq!(rooms.of(0).fit(letters(&[1])).batches[0].value(0), None);
        assert_eq!(rooms.of(1).fit(letters(&[1])).batches, [letters(&[1])]);
    }
}
