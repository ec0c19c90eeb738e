//! The memory of requests under way (`queued.max.request.bytes`).
//!
//! ```text
//! claims   a quarter   the first bytes of every request, up to 2 KiB
//! usual    a quarter   the rest of a request of up to 1 MiB
//! large    a quarter   the rest of any other
//! either   a quarter   all that one of either still lacks, when its own quarter is used up
//! ```
//!
//! A flood of requests of one size leaves the memory of the others alone. A
//! request's share grows with the bytes that really came, so that a claim costs
//! nobody anything; but then requests that have come by half can hold all there
//! is, and each wait for the others. Therefore the last quarter is given to those who
//! take all that they lack, and one of each size, when there is nothing left, may go
//! beyond (as one request may in Kafka). **Invariant: they wait for no memory**, so they
//! end, and then it is the next ones' turn.
//!
//! A request holds its share until it is decoded and begun. Of those whose answers then
//! wait two keep something: an OffsetCommit, which waits for a flush, and a Fetch, which
//! waits for what others do and gives way when that is wanted
//! ([`RequestMemory::wanted`]). **Invariant: only the first of a connection's requests
//! keeps more than a claim**, so that none that others wait for is behind one that does not
//! give way ([`super::frame::FrameReader::next_after`]).

use tokio::{sync::Notify, time::Instant};

use super::{
    demand::Demand,
    memory::{MemoryBudget, MemoryGrant},
};
use crate::limits;

/// What all connections' requests may hold.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    claims: MemoryBudget,
    claims_demand: Demand,
    usual: Lane,
    large: Lane,
    either: MemoryBudget,
    bytes: usize,
    /// Told whenever someone begins to wait.
    waits: Notify,
}

/// The memory of requests of one size.
#[derive(Debug)]
struct Lane {
    own: MemoryBudget,
    /// Had by the one that may go beyond.
    overdraft: MemoryBudget,
    demand: Demand,
}

impl Lane {
    fn new(bytes: usize) -> Self {
        let (own, overdraft) = (MemoryBudget::new(bytes), MemoryBudget::new(1));
        Self { own, overdraft, demand: Demand::new() }
    }
}

/// What one request holds.
#[derive(Debug)]
pub(crate) struct RequestGrant {
    /// Of the whole request.
    length: usize,
    /// Bytes that its buffer may have.
    bytes: usize,
    claim: MemoryGrant,
    own: Option<MemoryGrant>,
    either: Option<MemoryGrant>,
    overdraft: Option<MemoryGrant>,
}

impl RequestGrant {
    /// Bytes that the request's buffer may have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back all but so many bytes, and its place beyond the memory. Answers with
    /// how many it holds too few.
    fn shrink_to(&mut self, bytes: usize) -> usize {
        self.overdraft = None;
        self.claim.shrink_to(bytes);
        let mut left = bytes.saturating_sub(self.claim.bytes());
        for share in [&mut self.own, &mut self.either] {
            match share {
                Some(grant) if left > 0 => grant.shrink_to(left),
                _ => *share = None,
            }
            left = left.saturating_sub(share.as_ref().map_or(0, MemoryGrant::bytes));
        }
        left
    }
}

/// What a share grows to next: fast to the size of a usual batch, which is then moved
/// twice while it is read and not six times, slowly beyond: who stops in the middle of a
/// large request has not been given much more than it has sent.
fn grown(bytes: usize) -> usize {
    match bytes < limits::FRAME_USUAL_BYTES / 2 {
        true => bytes * 8,
        false => bytes + limits::FRAME_USUAL_BYTES.min(bytes),
    }
}

fn put(share: &mut Option<MemoryGrant>, more: MemoryGrant) {
    match share {
        Some(grant) => grant.merge(more),
        None => *share = Some(more),
    }
}

impl RequestMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            claims: MemoryBudget::new(bytes / 4),
            claims_demand: Demand::new(),
            usual: Lane::new(bytes / 4),
            large: Lane::new(bytes / 4),
            either: MemoryBudget::new(bytes / 4),
            bytes,
            waits: Notify::new(),
        }
    }

    fn lane(&self, length: usize) -> &Lane {
        if length <= limits::FRAME_USUAL_BYTES { &self.usual } else { &self.large }
    }

    /// The share of a request of which the length is all that is known.
    pub(super) async fn claim(&self, length: usize) -> RequestGrant {
        let bytes = length.min(limits::FRAME_CLAIM_BYTES_MAX);
        let claim = match self.claims.try_take(bytes) {
            Some(claim) => claim,
            None => {
                let _waiting = self.claims_demand.begin();
                self.waits.notify_waiters();
                self.claims.take(bytes).await
            }
        };
        RequestGrant { length, bytes, claim, own: None, either: None, overdraft: None }
    }

    /// Lets the share of a request grow, once there is memory.
    pub(super) async fn grow(&self, grant: &mut RequestGrant) {
        let bytes = grown(grant.bytes).min(grant.length);
        if grant.overdraft.is_some() {
            grant.bytes = bytes;
            return;
        }
        let lane = self.lane(grant.length);
        let (more, all) = (bytes - grant.bytes, grant.length - grant.bytes);
        if let Some(own) = lane.own.try_take(more) {
            put(&mut grant.own, own);
            grant.bytes = bytes;
            return;
        }
        if let Some(either) = self.either.try_take(all) {
            grant.either = Some(either);
            grant.bytes = grant.length;
            return;
        }
        let _waiting = lane.demand.begin();
        self.waits.notify_waiters();
        grant.bytes = tokio::select! {
            biased;
            own = lane.own.take(more) => {
                put(&mut grant.own, own);
                bytes
            }
            either = self.either.take(all) => {
                grant.either = Some(either);
                grant.length
            }
            beyond = lane.overdraft.take(1) => {
                grant.overdraft = Some(beyond);
                bytes
            }
        };
    }

    /// Has a request hold so many bytes from now on. What it lacks is taken if it is
    /// free, from where the request's own were: false when it is not, and then the
    /// request must not wait for anything.
    pub(super) fn resize(&self, grant: &mut RequestGrant, bytes: usize) -> bool {
        let lacking = grant.shrink_to(bytes);
        if lacking == 0 {
            return true;
        }
        let is_claim = grant.length <= limits::FRAME_CLAIM_BYTES_MAX;
        let budget = if is_claim { &self.claims } else { &self.lane(grant.length).own };
        let Some(more) = budget.try_take(lacking) else { return false };
        match is_claim {
            true => grant.claim.merge(more),
            false => put(&mut grant.own, more),
        }
        true
    }

    /// Whether any of those satisfies this who may wait for what a request holds.
    fn any_demand(&self, grant: &RequestGrant, mut is: impl FnMut(&Demand) -> bool) -> bool {
        let of_own = grant.own.is_some() || grant.overdraft.is_some();
        let lane = self.lane(grant.length);
        let other = if std::ptr::eq(lane, &self.usual) { &self.large } else { &self.usual };
        is(&self.claims_demand)
            || (of_own || grant.either.is_some()) && is(&lane.demand)
            || grant.either.is_some() && is(&other.demand)
    }

    /// Resolves when others wait for memory such as this request holds.
    pub(super) async fn wanted(&self, grant: &RequestGrant) {
        loop {
            // Listened before the look, so that nobody who comes between is missed.
            let waits = self.waits.notified();
            if self.any_demand(grant, Demand::is_there) {
                return;
            }
            waits.await;
        }
    }

    /// Whether anyone waits.
    pub(super) fn is_wanted(&self) -> bool {
        [&self.claims_demand, &self.usual.demand, &self.large.demand]
            .iter()
            .any(|demand| demand.is_there())
    }

    /// Whether anyone waits for the first bytes of a request.
    pub(super) fn are_claims_wanted(&self) -> bool {
        self.claims_demand.is_there()
    }

    /// Whether a request that comes at this pace is to give way to those who wait.
    pub(super) fn cuts(&self, grant: &RequestGrant, bytes_per_second: u64, now: Instant) -> bool {
        self.any_demand(grant, |demand| demand.cuts(bytes_per_second, now))
    }

    /// Bytes that requests hold, and that they may hold; of what goes beyond
    /// nothing is counted.
    pub(crate) fn used_and_all_bytes(&self) -> (usize, usize) {
        let free = [&self.claims, &self.usual.own, &self.large.own, &self.either];
        let free: usize = free.iter().map(|budget| budget.free_bytes()).sum();
        (self.bytes.saturating_sub(free), self.bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// All of a request's memory at once.
    pub(in crate::kafka) async fn whole(memory: &RequestMemory, length: usize) -> RequestGrant {
        let mut grant = memory.claim(length).await;
        while grant.bytes() < length {
            memory.grow(&mut grant).await;
        }
        grant
    }

    #[tokio::test]
    async fn requests_of_either_size_borrow_what_belongs_to_neither_and_no_more() {
        let memory = RequestMemory::new(16 * MIB);
        let mut usual = Vec::new();
        // The rest of each is a little less than a mebibyte.
        for _ in 0..8 {
            usual.push(whole(&memory, MIB).await);
        }
        assert!(usual.iter().all(|grant| grant.overdraft.is_none()));
        let beyond = whole(&memory, MIB).await;
        assert!(beyond.overdraft.is_some(), "the quarter of large ones is not lent");
        let large = whole(&memory, 4 * MIB).await;
        assert!(large.overdraft.is_none());
        assert!(whole(&memory, 4 * MIB).await.overdraft.is_some());
    }

    #[tokio::test]
    async fn who_shrinks_gives_back_all_but_what_it_keeps_and_its_place_beyond() {
        let memory = RequestMemory::new(16 * MIB);
        let mut grant = whole(&memory, 6 * MIB).await;
        assert!(memory.resize(&mut grant, 100_000));
        let (used, _) = memory.used_and_all_bytes();
        assert!((100_000..110_000).contains(&used), "{used}");
        assert!(memory.resize(&mut grant, 10));
        assert_eq!(memory.used_and_all_bytes().0, limits::MEMORY_GRAIN_BYTES);

        let held = whole(&memory, 8 * MIB).await;
        let mut beyond = whole(&memory, 6 * MIB).await;
        assert!(beyond.overdraft.is_some());
        assert!(!memory.resize(&mut beyond, 2 * MIB), "it holds less than that");
        assert!(whole(&memory, 6 * MIB).await.overdraft.is_some(), "the next one's turn");
        drop(held);
    }

    #[tokio::test]
    async fn who_has_to_keep_more_than_it_came_in_takes_what_is_free() {
        let memory = RequestMemory::new(16 * MIB);
        let mut small = memory.claim(1_000).await;
        assert!(memory.resize(&mut small, 3_000));
        let mut large = whole(&memory, 100_000).await;
        assert!(memory.resize(&mut large, 250_000));
        let (used, _) = memory.used_and_all_bytes();
        assert!((253_000..260_000).contains(&used), "{used}");
        let mut rest = Vec::new();
        while let Some(claim) = memory.claims.try_take(1) {
            rest.push(claim);
        }
        assert!(!memory.resize(&mut small, 5_000), "no more than there is");
        drop((small, large, rest));
        assert_eq!(memory.used_and_all_bytes().0, 0);
    }

    #[tokio::test]
    async fn those_who_have_come_by_half_end_several_at_a_time() {
        let memory = RequestMemory::new(16 * MIB);
        let mut half = Vec::new();
        // All of the large ones' own memory.
        for _ in 0..4 {
            let mut grant = memory.claim(3 * MIB).await;
            while grant.bytes() < MIB {
                memory.grow(&mut grant).await;
            }
            half.push(grant);
        }
        for grant in &mut half[..2] {
            memory.grow(grant).await;
            assert_eq!(grant.bytes(), 3 * MIB, "all that it lacks");
            assert!(grant.overdraft.is_none());
        }
        memory.grow(&mut half[2]).await;
        assert!(half[2].overdraft.is_some());
    }

    async fn is_wanted(memory: &RequestMemory, grant: &RequestGrant) -> bool {
        tokio::select! {
            biased;
            () = memory.wanted(grant) => true,
            () = tokio::task::yield_now() => false,
        }
    }

    #[tokio::test]
    async fn who_waits_is_heard_by_those_who_hold_what_it_waits_for_and_by_no_other() {
        let memory = RequestMemory::new(16 * MIB);
        let [usual, large] = [whole(&memory, 100_000).await, whole(&memory, 8 * MIB).await];
        let beyond = whole(&memory, 2 * MIB).await;
        let mut waits = Box::pin(whole(&memory, 2 * MIB));
        assert!(!is_wanted(&memory, &large).await);
        tokio::select! {
            biased;
            _ = &mut waits => panic!("there is nothing left"),
            heard = is_wanted(&memory, &large) => assert!(heard),
        }
        assert!(is_wanted(&memory, &beyond).await);
        assert!(!is_wanted(&memory, &usual).await);
        drop(beyond);
        waits.await;
        assert!(!is_wanted(&memory, &large).await);
    }
}
