//! The memory of requests under way (`queued.max.request.bytes`).
//!
//! ```text
//! claims   a quarter   the first bytes of every request, up to 2 KiB
//! usual    a quarter   the rest of a request of up to 1 MiB
//! large    a half      the rest of any other
//! ```
//!
//! A flood of requests of one size leaves the memory of the others alone. A
//! request's share grows with the bytes that really came, so that a claim costs
//! nobody anything; but then requests that have come by half can hold all there
//! is, and each wait for the others. Therefore one of each size, when there is
//! nothing left, may go beyond (as one request may in Kafka). **Invariant: it
//! waits for no memory**, so it ends, and then it is the next one's turn.

use super::memory::{MemoryBudget, MemoryGrant};
use crate::limits;

/// What all connections' requests may hold.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    claims: MemoryBudget,
    usual: Lane,
    large: Lane,
    bytes: usize,
}

/// The memory of requests of one size.
#[derive(Debug)]
struct Lane {
    shares: MemoryBudget,
    /// Had by the one that may go beyond.
    overdraft: MemoryBudget,
}

impl Lane {
    fn new(bytes: usize) -> Self {
        Self { shares: MemoryBudget::new(bytes), overdraft: MemoryBudget::new(1) }
    }
}

/// What one request holds.
#[derive(Debug)]
pub(crate) struct RequestGrant {
    /// Bytes that its buffer may have.
    bytes: usize,
    _claim: MemoryGrant,
    rest: Option<MemoryGrant>,
    overdraft: Option<MemoryGrant>,
}

impl RequestGrant {
    /// Bytes that the request's buffer may have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// How much a share grows at a time: fast to the size of a usual batch, which
/// is then moved twice while it is read and not six times, slowly beyond.
fn growth(bytes: usize) -> usize {
    if bytes < limits::FRAME_USUAL_BYTES / 2 { 8 } else { 2 }
}

impl RequestMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            claims: MemoryBudget::new(bytes / 4),
            usual: Lane::new(bytes / 4),
            large: Lane::new(bytes / 2),
            bytes,
        }
    }

    fn lane(&self, length: usize) -> &Lane {
        if length <= limits::FRAME_USUAL_BYTES { &self.usual } else { &self.large }
    }

    /// The share of a request of which the length is all that is known.
    pub(super) async fn claim(&self, length: usize) -> RequestGrant {
        let bytes = length.min(limits::FRAME_CLAIM_BYTES_MAX);
        let claim = self.claims.take(bytes).await;
        RequestGrant { bytes, _claim: claim, rest: None, overdraft: None }
    }

    /// Lets the share of a request of this length grow, once there is memory.
    pub(super) async fn grow(&self, grant: &mut RequestGrant, length: usize) {
        let bytes = grant.bytes.saturating_mul(growth(grant.bytes)).min(length);
        if grant.overdraft.is_none() {
            let lane = self.lane(length);
            tokio::select! {
                biased;
                more = lane.shares.take(bytes - grant.bytes) => match &mut grant.rest {
                    Some(rest) => rest.merge(more),
                    None => grant.rest = Some(more),
                },
                beyond = lane.overdraft.take(1) => grant.overdraft = Some(beyond),
            }
        }
        grant.bytes = bytes;
    }

    /// Whether others wait for memory such as this request of this length holds.
    pub(super) fn is_wanted(&self, grant: &RequestGrant, length: usize) -> bool {
        let beyond_claim = grant.rest.is_some() || grant.overdraft.is_some();
        self.claims.is_wanted() || beyond_claim && self.lane(length).shares.is_wanted()
    }

    /// Bytes that requests hold, and that they may hold; of what goes beyond
    /// nothing is counted.
    pub(crate) fn used_and_all_bytes(&self) -> (usize, usize) {
        let free = [&self.claims, &self.usual.shares, &self.large.shares];
        let free: usize = free.iter().map(|budget| budget.free_bytes()).sum();
        (self.bytes.saturating_sub(free), self.bytes)
    }
}
