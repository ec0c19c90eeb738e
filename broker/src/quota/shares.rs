//! The shares of quotas that are in use, and who has a part in which.
//!
//! A connection looks its shares up once and keeps them until quotas change
//! or it gives itself another name. Using a share is then a lock and a few
//! additions, and nothing at all for clients that no quota binds.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    table::{self, Binding},
    token_bucket::TokenBucket,
    window::{RateWindow, WindowSettings},
};
use crate::{
    controller::{
        CONNECTION_CREATION_RATE, CONSUMER_BYTE_RATE, CONTROLLER_MUTATION_RATE, ClientQuotas,
        PRODUCER_BYTE_RATE, REQUEST_PERCENTAGE,
    },
    limits,
};

/// More partitions were created or deleted than the quota allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{CONTROLLER_MUTATION_RATE} is used up: try again in {throttle_ms} ms")]
pub(crate) struct QuotaExceeded {
    pub(crate) throttle_ms: u64,
}

/// A bound, and how much of it all that share it have used.
#[derive(Debug)]
struct Share<T> {
    /// An `f64`, changed while clients hold the share.
    bound: AtomicU64,
    used: Mutex<T>,
}

impl<T> Share<T> {
    fn new(bound: f64, used: T) -> Self {
        Self { bound: AtomicU64::new(bound.to_bits()), used: Mutex::new(used) }
    }

    fn bound(&self) -> f64 {
        f64::from_bits(self.bound.load(Ordering::Relaxed))
    }

    fn set_bound(&self, bound: f64) {
        self.bound.store(bound.to_bits(), Ordering::Relaxed);
    }

    fn used(&self) -> MutexGuard<'_, T> {
        lock(&self.used)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic leaves a rate that is a little off, and that is forgotten soon.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type RateShare = Arc<Share<RateWindow>>;
type MutationShare = Arc<Share<TokenBucket>>;

/// What binds one client.
#[derive(Debug)]
pub(crate) struct ClientShares {
    windows: WindowSettings,
    produce: Option<RateShare>,
    fetch: Option<RateShare>,
    request: Option<RateShare>,
    mutation: Option<MutationShare>,
}

impl ClientShares {
    /// Counts the bytes of a produce request; answers with how long its client
    /// must wait.
    pub(crate) fn produced(&self, bytes: usize, now_ms: u64) -> u64 {
        self.produce.as_ref().map_or(0, |share| record(share, bytes as f64, now_ms))
    }

    /// Counts the bytes of a fetch response. One that is above the bound is
    /// not to be sent and is not counted, except the first in all windows:
    /// a batch larger than they allow must come through some day.
    pub(crate) fn fetched(&self, bytes: usize, now_ms: u64) -> Fetched {
        let Some(share) = &self.fetch else { return Fetched { throttle_ms: 0, withheld: false } };
        let mut used = share.used();
        let first = used.is_idle(now_ms);
        used.record(bytes as f64, now_ms);
        let throttle_ms = used.throttle_ms(share.bound(), now_ms);
        let withheld = throttle_ms > 0 && !first;
        if withheld {
            used.record(-(bytes as f64), now_ms);
        }
        Fetched { throttle_ms, withheld }
    }

    /// The most bytes that one fetch may ask for.
    pub(crate) fn fetch_bytes_max(&self) -> Option<f64> {
        self.fetch.as_ref().map(|share| self.windows.burst(share.bound()))
    }

    /// Counts time of the broker. Kafka never has anyone wait longer than a
    /// window for that.
    pub(crate) fn handled(&self, time: Duration, now_ms: u64) -> u64 {
        let Some(share) = &self.request else { return 0 };
        let percent_seconds = time.as_secs_f64() * 100.0;
        record(share, percent_seconds, now_ms).min(self.windows.window_ms)
    }

    /// Takes tokens for partitions that are created or deleted, or refuses
    /// when others have overdrawn them.
    pub(crate) fn mutate(&self, partitions: usize, now_ms: u64) -> Result<(), QuotaExceeded> {
        let Some(share) = &self.mutation else { return Ok(()) };
        let mut bucket = self.refilled(share, now_ms);
        if bucket.is_overdrawn() {
            return Err(QuotaExceeded { throttle_ms: bucket.throttle_ms(share.bound()) });
        }
        bucket.take(partitions as f64);
        Ok(())
    }

    /// The same for clients too old to understand a refusal: they only wait.
    pub(crate) fn mutate_leniently(&self, partitions: usize, now_ms: u64) {
        if let Some(share) = &self.mutation {
            self.refilled(share, now_ms).take(partitions as f64);
        }
    }

    /// How long whoever changed topics must wait.
    pub(crate) fn mutation_throttle_ms(&self, now_ms: u64) -> u64 {
        let Some(share) = &self.mutation else { return 0 };
        self.refilled(share, now_ms).throttle_ms(share.bound())
    }

    fn refilled<'a>(
        &self,
        share: &'a Share<TokenBucket>,
        now_ms: u64,
    ) -> MutexGuard<'a, TokenBucket> {
        let mut bucket = share.used();
        bucket.refill(share.bound(), capacity(self.windows, share.bound()), now_ms);
        bucket
    }
}

/// What becomes of a fetch response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) throttle_ms: u64,
    /// It must not be sent now; an empty one goes in its place.
    pub(crate) withheld: bool,
}

fn record(share: &Share<RateWindow>, amount: f64, now_ms: u64) -> u64 {
    let mut used = share.used();
    used.record(amount, now_ms);
    used.throttle_ms(share.bound(), now_ms)
}

/// Tokens that a bucket holds: those of all windows.
fn capacity(windows: WindowSettings, bound: f64) -> f64 {
    bound * windows.span_ms() as f64 / 1000.0
}

/// Which share: of which quota, and who has it in common.
type ShareKey = (&'static str, Option<String>, Option<String>);

/// The shares of one kind that are in use, and some that are not any more.
#[derive(Debug)]
struct Shares<T> {
    shares: HashMap<ShareKey, Arc<Share<T>>>,
    swept_ms: u64,
}

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self { shares: HashMap::new(), swept_ms: 0 }
    }
}

impl<T> Shares<T> {
    /// The share of a binding, with the bound that it has now.
    fn get(
        &mut self,
        quota: &'static str,
        binding: Binding,
        now_ms: u64,
        new: impl FnOnce() -> T,
        is_idle: impl Fn(&mut T) -> bool,
    ) -> Arc<Share<T>> {
        let mut key = (quota, binding.user, binding.client_id);
        if self.shares.len() >= limits::QUOTA_SHARES_KEPT && !self.shares.contains_key(&key) {
            if now_ms.saturating_sub(self.swept_ms) >= limits::QUOTA_SWEEP_MS {
                // What nobody holds and has forgotten everything is as good as new.
                self.shares
                    .retain(|_, share| Arc::strong_count(share) > 1 || !is_idle(&mut share.used()));
                self.swept_ms = now_ms;
            }
            if self.shares.len() >= limits::QUOTA_SHARES_MAX {
                // So many names are an attack: those that come have one in common.
                key = (quota, None, None);
            }
        }
        let create = || Arc::new(Share::new(binding.bound, new()));
        let share = self.shares.entry(key).or_insert_with(create);
        share.set_bound(binding.bound);
        Arc::clone(share)
    }
}

/// The quotas of all clients on this node.
#[derive(Debug)]
pub(crate) struct Quotas {
    windows: WindowSettings,
    controller_windows: WindowSettings,
    quotas: RwLock<Arc<ClientQuotas>>,
    /// Grows with each change of `quotas`; 0 means that there never were any.
    generation: AtomicU64,
    rates: Mutex<Shares<RateWindow>>,
    mutations: Mutex<Shares<TokenBucket>>,
}

impl Quotas {
    pub(crate) fn new(windows: WindowSettings, controller_windows: WindowSettings) -> Self {
        Self {
            windows,
            controller_windows,
            quotas: RwLock::default(),
            generation: AtomicU64::new(0),
            rates: Mutex::default(),
            mutations: Mutex::default(),
        }
    }

    /// Takes the controller's quotas.
    pub(crate) fn follow(&self, quotas: &Arc<ClientQuotas>) {
        let mut present = self.quotas.write().unwrap_or_else(PoisonError::into_inner);
        // An image without quotas begins with an empty map of its own.
        if Arc::ptr_eq(&present, quotas) || (present.is_empty() && quotas.is_empty()) {
            return;
        }
        *present = Arc::clone(quotas);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Changes whenever shares must be looked up anew.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The shares of a client; `None` when no quota binds it.
    pub(crate) fn of(&self, user: &str, client_id: &str, now_ms: u64) -> Option<Arc<ClientShares>> {
        let quotas = {
            let quotas = self.quotas.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&quotas)
        };
        if quotas.is_empty() {
            return None;
        }
        let rate = |key| {
            let binding = table::find(&quotas, key, user, client_id)?;
            let new = || RateWindow::new(self.windows, now_ms);
            Some(lock(&self.rates).get(key, binding, now_ms, new, |used| used.is_idle(now_ms)))
        };
        let mutation = || {
            let key = CONTROLLER_MUTATION_RATE;
            let binding = table::find(&quotas, key, user, client_id)?;
            let bound = binding.bound;
            let capacity = capacity(self.controller_windows, bound);
            let new = || TokenBucket::new(capacity, now_ms);
            let is_idle = |bucket: &mut TokenBucket| {
                bucket.refill(bound, capacity, now_ms);
                bucket.is_full(capacity)
            };
            Some(lock(&self.mutations).get(key, binding, now_ms, new, is_idle))
        };
        let shares = ClientShares {
            windows: self.windows,
            produce: rate(PRODUCER_BYTE_RATE),
            fetch: rate(CONSUMER_BYTE_RATE),
            request: rate(REQUEST_PERCENTAGE),
            mutation: mutation(),
        };
        let bound = shares.produce.is_some()
            || shares.fetch.is_some()
            || shares.request.is_some()
            || shares.mutation.is_some();
        bound.then(|| Arc::new(shares))
    }

    /// Counts a connection from this address; one that is too much is not
    /// counted and is to be closed after this time, a window at most.
    pub(crate) fn connected(&self, address: IpAddr, now_ms: u64) -> Option<Duration> {
        if self.generation() == 0 {
            return None;
        }
        let key = CONNECTION_CREATION_RATE;
        let name = address.to_canonical().to_string();
        let bound = {
            let quotas = self.quotas.read().unwrap_or_else(PoisonError::into_inner);
            table::find_for_address(&quotas, key, &name)?
        };
        let binding = Binding { bound, user: Some(name), client_id: None };
        let new = || RateWindow::new(self.windows, now_ms);
        let share = lock(&self.rates).get(key, binding, now_ms, new, |used| used.is_idle(now_ms));
        let throttle_ms = record(&share, 1.0, now_ms);
        if throttle_ms == 0 {
            return None;
        }
        share.used().record(-1.0, now_ms);
        Some(Duration::from_millis(throttle_ms.min(self.windows.window_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::{ClusterImage, MetadataRecord};

    const WINDOWS: WindowSettings = WindowSettings { samples: 11, window_ms: 1000 };

    fn with(image: &mut ClusterImage, entity: serde_json::Value, key: &str, bound: Option<f64>) {
        image.apply(&MetadataRecord::ClientQuota {
            entity: serde_json::from_value(entity).unwrap(),
            key: key.to_owned(),
            bound: bound.map(|bound| serde_json::from_value(bound.into()).unwrap()),
        });
    }

    fn default_client() -> serde_json::Value {
        serde_json::json!({"client_id": "default"})
    }

    #[test]
    fn clients_without_a_quota_have_no_shares() {
        let quotas = Quotas::new(WINDOWS, WINDOWS);
        let mut image = ClusterImage::default();
        quotas.follow(image.client_quotas());
        assert_eq!(quotas.generation(), 0);
        assert!(quotas.of("u", "c", 0).is_none());
        with(
            &mut image,
            serde_json::json!({"user": {"named": "v"}}),
            PRODUCER_BYTE_RATE,
            Some(1.0),
        );
        quotas.follow(image.client_quotas());
        assert_eq!(quotas.generation(), 1);
        assert!(quotas.of("u", "c", 0).is_none());
        assert!(quotas.of("v", "c", 0).is_some());
    }

    #[test]
    fn a_default_gives_each_client_a_share_of_its_own() {
        let quotas = Quotas::new(WINDOWS, WINDOWS);
        let mut image = ClusterImage::default();
        with(&mut image, default_client(), PRODUCER_BYTE_RATE, Some(10.0));
        quotas.follow(image.client_quotas());
        let (greedy, same) = (quotas.of("u", "a", 0).unwrap(), quotas.of("v", "a", 0).unwrap());
        let other = quotas.of("u", "b", 0).unwrap();
        assert_eq!(greedy.produced(100, 0), 0);
        assert!(same.produced(100, 0) > 0, "one client id, one share");
        assert_eq!(other.produced(100, 0), 0);
    }

    #[test]
    fn a_changed_bound_holds_for_what_was_used_already() {
        let quotas = Quotas::new(WINDOWS, WINDOWS);
        let mut image = ClusterImage::default();
        with(&mut image, default_client(), PRODUCER_BYTE_RATE, Some(10.0));
        quotas.follow(image.client_quotas());
        assert!(quotas.of("u", "a", 0).unwrap().produced(200, 0) > 0);
        with(&mut image, default_client(), PRODUCER_BYTE_RATE, Some(1000.0));
        quotas.follow(image.client_quotas());
        assert_eq!(quotas.of("u", "a", 0).unwrap().produced(1, 0), 0);
        with(&mut image, default_client(), PRODUCER_BYTE_RATE, None);
        quotas.follow(image.client_quotas());
        assert!(quotas.of("u", "a", 0).is_none());
        assert_eq!(quotas.generation(), 3);
    }

    #[test]
    fn a_response_above_the_bound_is_withheld_but_never_for_good() {
        let quotas = Quotas::new(WINDOWS, WINDOWS);
        let mut image = ClusterImage::default();
        with(&mut image, default_client(), CONSUMER_BYTE_RATE, Some(10.0));
        quotas.follow(image.client_quotas());
        let shares = quotas.of("u", "a", 0).unwrap();
        let huge = shares.fetched(1000, 0);
        assert_eq!(huge, Fetched { throttle_ms: 90_000, withheld: false });
        assert!(shares.fetched(1000, 10_999).withheld);
        assert!(!shares.fetched(1000, 11_000).withheld, "what was withheld was not counted");
    }

    #[test]
    fn mutations_are_refused_once_the_tokens_are_overdrawn() {
        let quotas = Quotas::new(WINDOWS, WINDOWS);
        let mut image = ClusterImage::default();
        with(&mut image, default_client(), CONTROLLER_MUTATION_RATE, Some(1.0));
        quotas.follow(image.client_quotas());
        let shares = quotas.of("u", "a", 0).unwrap();
        assert_eq!(shares.mutate(14, 0), Ok(()), "11 tokens, and the last piece may overdraw");
        assert_eq!(shares.mutate(1, 0), Err(QuotaExceeded { throttle_ms: 3000 }));
        assert_eq!(shares.mutation_throttle_ms(1000), 2000);
        assert_eq!(shares.mutate(1, 3000), Ok(()));
        shares.mutate_leniently(5, 3000);
        assert_eq!(shares.mutation_throttle_ms(3000), 6000);
    }

    #[test]
    fn names_without_end_take_memory_with_an_end() {
        let quotas = Quotas::new(WINDOWS, WINDOWS);
        let mut image = ClusterImage::default();
        with(&mut image, default_client(), PRODUCER_BYTE_RATE, Some(10.0));
        quotas.follow(image.client_quotas());
        for number in 0..2 * limits::QUOTA_SHARES_MAX {
            quotas.of("u", &number.to_string(), 0).unwrap().produced(1, 0);
        }
        let count = || lock(&quotas.rates).shares.len();
        assert!(count() <= limits::QUOTA_SHARES_MAX + 1, "{}", count());
        quotas.of("u", "later", 20_000);
        assert_eq!(count(), 1, "what is idle makes room");
    }
}
