//! The durable log of one partition, in Kafka's own file formats.
//!
//! `broker/DESIGN.md` has the bytes and the rules; the code follows it:
//!
//! | module | what |
//! | --- | --- |
//! | `partition` | [`Log`]: its parts, offsets, waiting for changes |
//! | `append` | checks of a produce request, sequences, the one write, roll |
//! | `read` | whole batches from an offset; `lookup`: offsets by timestamp |
//! | `flush` | group-committed fsync, recovery point |
//! | `open` | recovery: torn tail or corruption; `close`: clean shutdown, deletion |
//! | `retain` | retention, DeleteRecords, truncation |
//! | `clean` | compaction: what, the offset map, the filter, the swap |
//! | `segment`, `index`, `scan` | one segment, its sparse indexes, walking over it |
//! | `batch`, `record`, `record_heads`, `builder`, `codec`, `varint` | the record format, v2 |
//! | `producers`, `snapshot` | idempotent and transactional producers, their snapshots |
//! | `verification` | transactions that the coordinator is asked about before they begin |
//! | `marker`, `transactions` | the ends of transactions; what holds the last stable offset |
//! | `aborted` | the index of aborted transactions of one segment |
//! | `epochs`, `checkpoint`, `files` | the small files beside the segments |
//! | `config`, `limits`, `error` | topic configs, bounds, what can go wrong |
//!
//! Nothing here knows of requests, connections or replicas, and time is always
//! passed in. Calls block on files: from async code use `spawn_blocking` for
//! cleaning, retention, look-ups and appends that [`Log::reworks`]; other appends and
//! reads of cached pages are short.

mod aborted;
mod append;
mod batch;
mod builder;
mod checkpoint;
mod clean;
mod close;
mod codec;
mod config;
mod epochs;
mod error;
mod files;
mod flush;
mod index;
pub mod limits;
mod lookup;
mod marker;
mod open;
mod partition;
mod producers;
mod read;
mod record;
mod record_heads;
mod retain;
mod scan;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod transactions;
mod varint;
mod verification;

pub use aborted::AbortedTransaction;
pub use append::{AppendOptions, Appended, Origin};
pub use batch::{
    BatchError, BatchHeader, Batches, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, check_crc,
};
pub use builder::BatchBuilder;
pub use clean::{CleanOptions, Cleaned};
pub(crate) use close::stray_name;
pub use close::{PartitionDir, list_partitions, partition_dir};
pub use codec::{Codec, CodecError, CodecLevels};
pub use config::{
    CleanupPolicy, ConfigError, ConfigKind, LogConfig, TOPIC_CONFIGS, TimestampType, TopicConfig,
    topic_config,
};
pub use error::{
    AppendError, Corruption, FileError, MaintenanceError, Offline, OpenError, Outage, ReadError,
};
pub use lookup::TimestampOffset;
pub use marker::{Marker, MarkerKind};
pub use open::{Recovery, TornTail};
pub use partition::{Log, LogEnds};
pub use producers::{Producer, Producers, SentBatch, SequenceError, Verdict};
pub use read::{Fetched, ReadLimit, ReadUpTo};
pub use record::{Record, Records};
pub use transactions::Completed;
pub use verification::Verification;
