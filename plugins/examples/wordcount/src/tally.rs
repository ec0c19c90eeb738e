//! Sums by word over a batch, without an allocation a word.

use hashbrown::HashTable;
use longshore_sdk::Batch;

/// Sums by word, in the order in which the words first came.
///
/// The words lie end to end in what becomes the arena of the output; the table
/// keeps its room from one batch to the next.
#[derive(Debug, Default)]
pub struct Tally {
    entries: Vec<Entry>,
    table: HashTable<u32>,
    arena: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    at: u32,
    len: u32,
    sum: i64,
}

impl Tally {
    /// Adds `count` to a word.
    pub fn add(&mut self, word: &[u8], count: i64) {
        let Self { entries, table, arena } = self;
        let hash = hash(word);
        let is_it = |index: &u32| {
            let entry = &entries[*index as usize];
            entry.hash == hash && word_of(arena, entry) == word
        };
        if let Some(index) = table.find(hash, is_it) {
            let sum = &mut entries[*index as usize].sum;
            *sum = sum.saturating_add(count);
            return;
        }
        // A guest's memory is 4 GiB in all.
        let (at, len) = (arena.len() as u32, word.len() as u32);
        arena.extend_from_slice(word);
        let index = entries.len() as u32;
        entries.push(Entry { hash, at, len, sum: count });
        table.insert_unique(hash, index, |index| entries[*index as usize].hash);
    }

    /// True when no word came.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The words in the order in which they first came.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.entries.iter().map(|entry| word_of(&self.arena, entry))
    }

    /// Words and sums, to be read or changed.
    pub fn each(&mut self, mut each: impl FnMut(usize, &mut i64)) {
        self.entries.iter_mut().enumerate().for_each(|(index, entry)| each(index, &mut entry.sum));
    }

    /// Words and sums in the order in which the words first came.
    pub fn sums(&self) -> impl ExactSizeIterator<Item = (&[u8], i64)> {
        self.entries.iter().map(|entry| (word_of(&self.arena, entry), entry.sum))
    }

    /// One record a word: key the word, value its sum as a long. The tally is
    /// empty after.
    pub fn take(&mut self) -> Batch {
        let mut batch = Batch::new();
        let columns = &mut batch.columns;
        columns.key_at = self.entries.iter().map(|entry| entry.at).collect();
        columns.key_len = self.entries.iter().map(|entry| entry.len as i32).collect();
        let values = self.arena.len() as u32;
        columns.value_at = (0..self.entries.len() as u32).map(|at| values + at * 8).collect();
        columns.value_len = vec![8; self.entries.len()];
        // As much room as this batch needed is a good guess for the next.
        let room = self.arena.len();
        batch.arena = std::mem::replace(&mut self.arena, Vec::with_capacity(room));
        batch.arena.reserve_exact(self.entries.len() * 8);
        for entry in &self.entries {
            batch.arena.extend_from_slice(&entry.sum.to_be_bytes());
        }
        self.clear();
        batch
    }

    /// Forgets all words.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.table.clear();
        self.arena.clear();
    }
}

fn word_of<'a>(arena: &'a [u8], entry: &Entry) -> &'a [u8] {
    &arena[entry.at as usize..(entry.at + entry.len) as usize]
}

/// Eight bytes at a time, multiplied and folded. Not against an attacker: a
/// text made to collide slows down the one task that reads it.
fn hash(word: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |hash: u64, part: u64| {
        let product = u128::from(hash ^ part) * u128::from(MULTIPLIER);
        product as u64 ^ (product >> 64) as u64
    };
    let mut hash = MULTIPLIER ^ word.len() as u64;
    let mut chunks = word.chunks_exact(8);
    for chunk in &mut chunks {
        hash = step(hash, u64::from_le_bytes(chunk.try_into().expect("a chunk is 8 bytes")));
    }
    let rest = chunks.remainder().iter().fold(0, |rest, byte| rest << 8 | u64::from(*byte));
    step(hash, rest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn sums(batch: &Batch) -> Vec<(Vec<u8>, i64)> {
        let value = |value: Option<&[u8]>| i64::from_be_bytes(value.unwrap().try_into().unwrap());
        batch.iter().map(|r| (r.key.unwrap().to_vec(), value(r.value))).collect()
    }

    #[test]
    fn words_come_out_in_the_order_in_which_they_first_came_and_once() {
        let mut tally = Tally::default();
        for word in ["b", "a", "b", "", "b"] {
            tally.add(word.as_bytes(), 1);
        }
        let expected = [(b"b".to_vec(), 3), (b"a".to_vec(), 1), (b"".to_vec(), 1)];
        assert_eq!(sums(&tally.take()), expected);
        assert!(tally.is_empty() && tally.take().is_empty(), "nothing stays for the next batch");
    }

    proptest! {
        #[test]
        fn sums_are_those_of_a_map(
            batches in prop::collection::vec(
                prop::collection::vec(("[ab]{0,12}", -5_i64..5), 0..60), 1..4)
        ) {
            let mut tally = Tally::default();
            for batch in batches {
                let mut expected: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
                for (word, count) in &batch {
                    tally.add(word.as_bytes(), *count);
                    *expected.entry(word.clone().into_bytes()).or_default() += count;
                }
                let mut found = sums(&tally.take());
                found.sort();
                prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
