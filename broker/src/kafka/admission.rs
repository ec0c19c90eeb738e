//! Who is let in: how many connections there may be, and how fast they may come.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::per_address::{self, PerAddress};
use crate::{
    config::BrokerConfig,
    quota::{RateWindow, WindowSettings},
};

/// Why a connection is closed before anything is read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("max.connections are open")]
    Node,
    #[error("its listener has max.connections open")]
    Listener,
    #[error("its address has max.connections.per.ip open")]
    Address,
}

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _node: OwnedSemaphorePermit,
    _listener: OwnedSemaphorePermit,
    _address: per_address::Place,
}

/// The bounds of a node or of one of its listeners.
#[derive(Debug)]
struct Bounds {
    places: Arc<Semaphore>,
    /// Connections a second, and those of the last seconds.
    rate: Option<(f64, Mutex<RateWindow>)>,
}

impl Bounds {
    fn new(connections_max: usize, rate_max: Option<u32>, windows: WindowSettings) -> Self {
        let rate = rate_max.map(|max| (f64::from(max), Mutex::new(RateWindow::new(windows, 0))));
        let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Self { places, rate }
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    fn throttle_ms(&self, now_ms: u64) -> u64 {
        let Some((max, rate)) = &self.rate else { return 0 };
        let mut rate = rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.record(1.0, now_ms);
        rate.throttle_ms(*max, now_ms)
    }
}

/// All bounds on connections.
#[derive(Debug)]
pub(crate) struct Admission {
    node: Bounds,
    /// In the order of the configuration.
    listeners: Vec<Bounds>,
    addresses: Arc<PerAddress>,
    per_address_overrides: HashMap<IpAddr, usize>,
    pause_max: Duration,
}

impl Admission {
    /// `connections_max` is what the process may have open of `max.connections`.
    pub(crate) fn new(config: &BrokerConfig, connections_max: usize) -> Self {
        let windows = config.quota_windows;
        let listeners = config.listeners.iter().map(|listener| {
            let limits = config.listener_limits.get(&listener.name);
            let max = limits.and_then(|limits| limits.connections_max);
            let rate_max = limits.and_then(|limits| limits.connection_rate_max);
            Bounds::new(max.unwrap_or(usize::MAX), rate_max, windows)
        });
        Self {
            node: Bounds::new(connections_max, config.connection_rate_max, windows),
            listeners: listeners.collect(),
            addresses: Arc::default(),
            per_address_overrides: config.connections_per_address_overrides.clone(),
            pause_max: Duration::from_millis(windows.window_ms),
        }
    }

    /// A place for a connection from this address, which may have `per_address_max`
    /// unless it has a bound of its own.
    pub(super) fn place(
        &self,
        listener: usize,
        address: IpAddr,
        per_address_max: usize,
    ) -> Result<Place, Refusal> {
        let address = address.to_canonical();
        let max = self.per_address_overrides.get(&address).copied();
        let max = max.unwrap_or(per_address_max);
        Ok(Place {
            _node: self.node.place().ok_or(Refusal::Node)?,
            _listener: self.listeners[listener].place().ok_or(Refusal::Listener)?,
            _address: self.addresses.take(address, max).ok_or(Refusal::Address)?,
        })
    }

    /// Counts a connection; how long its listener rests before it serves this
    /// and the next one, a window at most (KIP-612).
    pub(super) fn pause(&self, listener: usize, now_ms: u64) -> Duration {
        let of_node = self.node.throttle_ms(now_ms);
        let of_listener = self.listeners[listener].throttle_ms(now_ms);
        Duration::from_millis(of_node.max(of_listener)).min(self.pause_max)
    }
}
