//! Where a source's transactions end, with `transaction.boundary=connector`: told in a
//! [`poll`](crate::Source::poll), of what it brings.

#[cfg(target_arch = "wasm32")]
use crate::bindings::describe::longshore::base::transactions as import;
#[cfg(not(target_arch = "wasm32"))]
use crate::native::transactions as import;

/// The transaction ends with what this poll brings.
pub fn commit() {
    import::commit();
}

/// Its records are given up, this poll's too; what was saved stays saved.
pub fn abort() {
    import::abort();
}
