//! `base/transactions`.

use crate::testkit::{TransactionEnd, with_world};

pub(crate) fn commit() {
    with_world(|world| world.transactions.push(TransactionEnd::Commit));
}

pub(crate) fn abort() {
    with_world(|world| world.transactions.push(TransactionEnd::Abort));
}
