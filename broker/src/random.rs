//! Random numbers and seeds of the simulations.

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// Runs a simulation with each of the first seeds, or with the one that
/// `LONGSHORE_SEED` names; says which one failed. What each run gave.
pub(crate) fn for_each_seed<T>(count: u64, run: fn(u64) -> T) -> Vec<T> {
    let seeds = match std::env::var("LONGSHORE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    };
    let one = |seed| {
        let result = std::panic::catch_unwind(|| run(seed));
        result.unwrap_or_else(|_| panic!("run again with LONGSHORE_SEED={seed}"))
    };
    seeds.map(one).collect()
}
