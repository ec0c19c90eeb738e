//! `base/batches`.

use std::rc::Rc;

use crate::Batch;
use crate::bindings::describe::longshore::base::types::{Columns, Headers};

/// A batch held by the host, here by the test.
#[derive(Debug, Clone)]
pub struct Records {
    pub(crate) batch: Rc<Batch>,
}

impl Records {
    /// How many records there are.
    pub fn count(&self) -> u32 {
        self.batch.len() as u32
    }

    /// The records' parts.
    pub fn columns(&self) -> Columns {
        self.batch.columns.clone()
    }

    /// The records' headers.
    pub fn headers(&self) -> Headers {
        Headers {
            name_at: self.batch.headers.name_at.clone(),
            name_len: self.batch.headers.name_len.clone(),
            value_at: self.batch.headers.value_at.clone(),
            value_len: self.batch.headers.value_len.clone(),
        }
    }

    /// All bytes.
    pub fn arena(&self) -> Vec<u8> {
        self.batch.arena.clone()
    }
}
