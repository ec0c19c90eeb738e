//! Who is let in: how many connections there may be, and how fast they may come.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::per_address::{self, PerAddress};
use crate::{
    config::{BrokerConfig, ConnectionBounds, ListenerLimits},
    controller::ClusterImage,
    effective::connection_bounds,
    limits,
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
    _node: Counted,
    _listener: Counted,
    _address: per_address::Place,
}

/// One of those that are open.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The connections of a node or of one of its listeners.
#[derive(Debug)]
struct Connections {
    open: Arc<AtomicUsize>,
    /// Those of the last seconds.
    rate: Mutex<RateWindow>,
}

impl Connections {
    fn new(windows: WindowSettings) -> Self {
        Self { open: Arc::default(), rate: Mutex::new(RateWindow::new(windows, 0)) }
    }

    /// A place, if there are fewer than `max`.
    fn place(&self, max: usize) -> Option<Counted> {
        let more = |open| (open < max).then_some(open + 1);
        let taken = self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.is_ok().then(|| Counted(Arc::clone(&self.open)))
    }

    fn throttle_ms(&self, rate_max: Option<u32>, now_ms: u64) -> u64 {
        let Some(max) = rate_max else { return 0 };
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.record(1.0, now_ms);
        rate.throttle_ms(f64::from(max), now_ms)
    }
}

/// All bounds on connections, and who is within them.
#[derive(Debug)]
pub(crate) struct Admission {
    node: Connections,
    /// In the order of the configuration.
    listeners: Vec<(ListenerLimits, Connections)>,
    addresses: Arc<PerAddress>,
    pause_max: Duration,
    /// What the process may have open of `max.connections`.
    files_max: Option<u64>,
    /// The bounds in force by the image that they were last looked up in.
    bounds: Mutex<(Arc<ClusterImage>, Arc<ConnectionBounds>)>,
    held: Arc<Semaphore>,
}

impl Admission {
    /// `files_max` is how many files the process may open.
    pub(crate) fn new(
        config: &BrokerConfig,
        image: Arc<ClusterImage>,
        files_max: Option<u64>,
    ) -> Self {
        let windows = config.quota_windows;
        let listeners = config.listeners.iter().map(|listener| {
            let limits = config.listener_limits.get(&listener.name).copied().unwrap_or_default();
            (limits, Connections::new(windows))
        });
        let bounds = Arc::new(connection_bounds(config, &image));
        Self {
            node: Connections::new(windows),
            listeners: listeners.collect(),
            addresses: Arc::default(),
            pause_max: Duration::from_millis(windows.window_ms),
            files_max,
            bounds: Mutex::new((image, bounds)),
            held: Arc::new(Semaphore::new(limits::REFUSED_CONNECTIONS_HELD_MAX)),
        }
    }

    /// The bounds in force. They change while the node runs.
    pub(super) fn bounds(
        &self,
        config: &BrokerConfig,
        image: Arc<ClusterImage>,
    ) -> Arc<ConnectionBounds> {
        let mut known = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&known.0, &image) {
            let bounds = connection_bounds(config, &image);
            *known = (image, Arc::new(bounds));
        }
        Arc::clone(&known.1)
    }

    /// A place for a connection from this address.
    pub(super) fn place(
        &self,
        listener: usize,
        address: IpAddr,
        bounds: &ConnectionBounds,
    ) -> Result<Place, Refusal> {
        let all = limits::connections_within(bounds.all, self.files_max);
        let (limits, of_listener) = &self.listeners[listener];
        let listener_max = limits.connections_max.unwrap_or(usize::MAX);
        let address_max = bounds.of_address(address);
        Ok(Place {
            _node: self.node.place(all).ok_or(Refusal::Node)?,
            _listener: of_listener.place(listener_max).ok_or(Refusal::Listener)?,
            _address: self.addresses.take(address, address_max).ok_or(Refusal::Address)?,
        })
    }

    /// Counts a connection that is let in; how long its listener rests before it serves
    /// this and the next one, a window at most (KIP-612).
    pub(super) fn pause(
        &self,
        listener: usize,
        bounds: &ConnectionBounds,
        now_ms: u64,
    ) -> Duration {
        let of_node = self.node.throttle_ms(bounds.rate, now_ms);
        let (limits, of_listener) = &self.listeners[listener];
        let of_listener = of_listener.throttle_ms(limits.connection_rate_max, now_ms);
        Duration::from_millis(of_node.max(of_listener)).min(self.pause_max)
    }

    /// A place beside the others for a connection that is refused and held for a while, so
    /// that its client does not come back at once; few of them are.
    pub(super) fn hold(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.held).try_acquire_owned().ok()
    }
}
