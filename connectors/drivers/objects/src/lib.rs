//! Object stores: the host side, which speaks to the store.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | a connection's settings: the kind of store and where it is |
//! | [`driver`] | the kinds: `local`, files under a folder; `s3`, buckets of S3 (feature `s3`) |
//! | [`bind`] | [`Bucket`], [`Blob`], [`Upload`]: what the plugin contract's interface binds to |
//! | [`classify`] | what can go wrong, and whether to retry, to wait for the user, or to stop |
//! | [`limits`] | every limit of this crate |
//!
//! The runtime's host is the one caller: it opens a [`Bucket`] for a connection
//! that a connector was granted, and hands its parts to the guest.
//!
//! Invariant: no path leads out of a bucket's root, whatever a plugin, a
//! pipeline or a symbolic link says.
//!
//! Invariant: nothing is written after the task's lease has ended; S3 is asked before
//! each attempt at a request.

pub mod bind;
pub mod classify;
pub mod config;
mod driver;
pub mod limits;

pub use bind::{Blob, Bucket, Object, Upload};
pub use classify::{Class, ObjectsError, Refusal};
pub use config::{Checksums, ObjectsConfig, S3Config};
pub use longshore_driver_common::{Access, Secret};
