//! A real broker over TCP, driven by a client made of `kafka-protocol` alone.
//!
//! | module | what is tried |
//! | --- | --- |
//! | `versions` | every version of every API that is advertised |
//! | `produce_fetch` | records in and out, waits, limits, duplicates |
//! | `offsets` | ListOffsets and DeleteRecords |
//! | `topics` | topics, partitions, configurations |
//! | `admin` | leaders, reassignments, the quorum, configurations replaced whole |
//! | `dynamic_configs` | configurations of brokers and groups that are set while they run |
//! | `limits` | every topic limit, and what a re-encode does |
//! | `metrics` | what is told to Prometheus |
//! | `quotas` | kept, held to, and harmless to others |
//! | `groups` | membership and committed offsets |
//! | `consumer_groups` | membership by the consumer protocol |
//! | `deleted_topics` | offsets go with their topic, whatever interrupts |
//! | `lost_offsets` | groups whose partition of `__consumer_offsets` is unreadable |
//! | `floods` | what many bad clients do at once, and the good one beside them |
//! | `hostile` | frames that no client would send |
//! | `repeats` | names that one request repeats |
//! | `security_acl` | what a client may do, and what it is told of the rest |
//! | `security_sasl` | passwords, sessions, what is let in before authentication |
//! | `security_tls` | encrypted listeners, certificates, their replacement |
//! | `transactions` | the transaction coordinator, request by request |
//! | `transaction_crashes` | kills in the middle of a commit |
//! | `surface` | every API that was promised, with its versions |
//! | `refusals` | what clients of others make of a refusal (second tier) |
//! | `restart` | what is there after a shutdown and after a loss |
//! | `waiting_fetches` | what fetches that wait hold, and give up |
//! | `where_others_failed` | what other implementations got wrong |

// Helpers of tests fail as tests do; the lint knows only functions marked so.
#![allow(clippy::unwrap_used)]

mod admin;
mod certificates;
mod consumer_groups;
mod deleted_topics;
mod dynamic_configs;
mod floods;
mod groups;
mod hostile;
mod limits;
mod lost_offsets;
mod metrics;
mod offsets;
mod produce_fetch;
mod quotas;
mod refusals;
mod repeats;
mod restart;
mod sasl;
mod security_acl;
mod security_sasl;
mod security_tls;
mod support;
mod surface;
mod topics;
mod transaction_crashes;
mod transactional;
mod transactions;
mod versions;
mod waiting_fetches;
mod where_others_failed;
