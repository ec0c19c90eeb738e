//! Producer ids, taken from the controller a block at a time.

use std::ops::Range;

use tokio::sync::Mutex;

use crate::controller::{Controller, ControllerError};

/// Ids of the block in use. What is left of it at a restart is not used again.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds(Mutex<Range<i64>>);

impl ProducerIds {
    /// An id that nobody else has or will have.
    pub(crate) async fn next(&self, controller: &dyn Controller) -> Result<i64, ControllerError> {
        let mut block = self.0.lock().await;
        if let Some(id) = block.next() {
            return Ok(id);
        }
        *block = controller.allocate_producer_ids().await?;
        Ok(block.next().expect("a block has ids"))
    }
}
