//! Seeded random numbers: the seed is printed, and `LONGSHORE_TEST_SEED`
//! repeats a run.

use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator (SplitMix64): tests need repetition, not secrecy.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose seed is taken from `LONGSHORE_TEST_SEED` or the clock,
    /// and printed under the name of the test.
    pub fn announced(test: &str) -> Self {
        let seed = match std::env::var("LONGSHORE_TEST_SEED") {
            Ok(text) => text.parse().expect("LONGSHORE_TEST_SEED is a number"),
            Err(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("the clock is past 1970")
                .as_nanos() as u64,
        };
        println!("{test}: repeat with LONGSHORE_TEST_SEED={seed}");
        Self(seed)
    }

    /// A generator of the given seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `from` up to, not including, `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next_u64() % (to - from)
    }

    /// Puts things in any order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            things.swap(at, self.between(0, at as u64 + 1) as usize);
        }
    }

    /// `length` random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next_u64() as u8).collect()
    }
}
