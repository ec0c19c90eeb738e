//! The limit on a guest's memory.

use wasmtime::ResourceLimiter;

use super::limits::TABLE_ELEMENTS_MAX;

/// Counts an instance's linear memories and stops it at the limit.
#[derive(Debug)]
pub(super) struct MemoryLimit {
    limit: usize,
    used: usize,
    elements: usize,
}

/// The guest asked for too much.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("memory limit")]
pub(super) struct MemoryExceeded {
    /// Bytes that it would have had.
    pub(super) asked: usize,
}

impl MemoryLimit {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0, elements: 0 }
    }

    /// Bytes of all memories; they never shrink.
    pub(super) fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for MemoryLimit {
    /// An error, and not a refusal: a guest that cannot get memory dies a
    /// moment later of something that says less.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self.used.saturating_add(desired.saturating_sub(current));
        if asked > self.limit {
            return Err(MemoryExceeded { asked }.into());
        }
        self.used = asked;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self.elements.saturating_add(desired.saturating_sub(current));
        if asked > TABLE_ELEMENTS_MAX {
            return Ok(false);
        }
        self.elements = asked;
        Ok(true)
    }
}
