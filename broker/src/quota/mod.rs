//! Quotas: how much a client may use, and how long it waits when it used more.
//!
//! ```text
//! window.rs        a rate over the last few windows: Kafka's arithmetic
//! token_bucket.rs  tokens that refill with time, for work that comes in bursts
//! table.rs         which quota binds a client: Kafka's order of precedence
//! shares.rs        the shares that are in use, and who has a part in which
//! ```
//!
//! Invariant: the first three files decide and touch no clock. Which quotas
//! there are is the controller's to know; what was used is known to this node
//! alone and forgotten when it stops, as in Kafka.

mod shares;
mod table;
mod token_bucket;
mod window;

pub(crate) use shares::{ClientShares, QuotaExceeded, Quotas};
pub(crate) use window::{RateWindow, WindowSettings};
