//! One call into a guest: its limits, and why it failed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use wasmtime::{Store, Trap};

use super::bindings::types;
use super::convert;
use super::engine::PluginHost;
use super::error::{CallError, Cause};
use super::guest::Guest;
use super::limits::{HELD_BYTES_MAX, Limits};
use super::memory::MemoryExceeded;
use super::plugin::{Form, OpenContext};
use super::records::{Handed, HeldRecords};
use crate::batch::Batch;
use crate::convert::Converters;

/// An instance that can be called until it dies.
pub(super) struct Live<Part> {
    pub(super) store: Store<Guest>,
    part: Part,
    limits: std::sync::Arc<Limits>,
    dead: bool,
}

/// What a call into generated code comes to.
pub(super) type Called<'a, T> = BoxFuture<'a, wasmtime::Result<Result<T, types::Fault>>>;

impl<Part: Send + Sync> Live<Part> {
    /// Makes an instance.
    pub(super) async fn open(
        host: &PluginHost,
        plugin: &str,
        context: Option<OpenContext>,
        instantiate: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<Part>,
    ) -> Result<Self, CallError> {
        let mut store = host.store(plugin, context);
        let limits = std::sync::Arc::clone(&host.limits);
        let made = tokio::time::timeout(limits.describe, instantiate(&mut store)).await;
        let cause = match made {
            Ok(Ok(part)) => return Ok(Self { store, part, limits, dead: false }),
            Ok(Err(error)) => cause(&error, &mut store, &limits),
            Err(_) => Cause::Timeout { limit: limits.describe, stderr: store.data().stderr.text() },
        };
        Err(CallError { plugin: plugin.to_owned(), call: "instantiate", cause })
    }

    /// Calls the guest. After anything but a fault the instance is dead.
    pub(super) async fn call<T>(
        &mut self,
        call: &'static str,
        limit: Duration,
        make: impl for<'a> FnOnce(&'a mut Store<Guest>, &'a Part) -> Called<'a, T>,
    ) -> Result<T, CallError> {
        if self.dead {
            return Err(self.failed(call, Cause::Dead));
        }
        self.store.data_mut().words.clear();
        // Until it has come back the guest is in the middle of something: a
        // caller that gives up waiting leaves a dead instance behind.
        self.dead = true;
        let answer = tokio::time::timeout(limit, make(&mut self.store, &self.part)).await;
        let cause = match answer {
            Ok(Ok(Ok(value))) => {
                self.dead = false;
                return Ok(value);
            }
            Ok(Ok(Err(fault))) => Cause::Fault(convert::fault(fault)),
            Ok(Err(error)) => cause(&error, &mut self.store, &self.limits),
            Err(_) => Cause::Timeout { limit, stderr: self.store.data().stderr.text() },
        };
        Err(self.failed(call, cause))
    }

    /// A handle on `batch`, for a call. A guest that hoards handles dies of it:
    /// their batches are the host's memory, not its own.
    pub(super) fn hold(
        &mut self,
        call: &'static str,
        batch: Arc<Batch>,
        form: Form,
        converters: &Arc<Converters>,
    ) -> Result<Handed, CallError> {
        let held = Arc::clone(&self.store.data().held);
        let bytes = held.load(Ordering::Relaxed);
        if bytes > HELD_BYTES_MAX {
            return Err(self.failed(call, Cause::Held { bytes, limit: HELD_BYTES_MAX }));
        }
        let schemas = &mut self.store.data_mut().schemas;
        Ok(HeldRecords::hand(batch, form, Arc::clone(converters), schemas, held))
    }

    /// The call failed; the instance dies of it unless it is a fault.
    pub(super) fn failed(&mut self, call: &'static str, cause: Cause) -> CallError {
        self.dead = !cause.leaves_alive();
        CallError { plugin: self.store.data().plugin.clone(), call, cause }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// What an error of the engine means.
fn cause(error: &wasmtime::Error, store: &mut Store<Guest>, limits: &Limits) -> Cause {
    if let Some(MemoryExceeded { asked }) = error.downcast_ref() {
        return Cause::Memory { asked: *asked, limit: limits.memory_bytes };
    }
    let root = error.root_cause().to_string();
    if root.contains("hostcall fuel") || root.contains("too much data is being copied") {
        return Cause::Transfer { limit: limits.transfer_bytes };
    }
    let trap = error.downcast_ref::<Trap>().map_or(root, ToString::to_string);
    let guest = store.data_mut();
    let words = std::mem::take(&mut guest.words);
    Cause::Trap { trap, words, stderr: guest.stderr.text() }
}

/// Flat options as a JSON object.
pub(super) fn object(options: &BTreeMap<String, String>) -> String {
    serde_json::to_string(options).expect("a map of strings is JSON")
}
