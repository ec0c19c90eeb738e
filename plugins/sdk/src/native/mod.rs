//! The contract's imports, played natively on the [`testkit`](crate::testkit)'s
//! world of this thread. Signatures are those of the generated code.

pub(crate) mod checkpoints;
pub(crate) mod formats;
pub(crate) mod host;
pub(crate) mod http;
pub(crate) mod objects;
pub(crate) mod records;
pub(crate) mod schemas;
pub(crate) mod search;
pub(crate) mod state;
pub(crate) mod transactions;
