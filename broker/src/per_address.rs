//! How many connections each address has open: the broker's bound is
//! `max.connections.per.ip`, and whoever else listens has one of its own.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Open connections by address; addresses without any are not kept.
#[derive(Debug, Default)]
pub(crate) struct PerAddress(Mutex<HashMap<IpAddr, usize>>);

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    all: Arc<PerAddress>,
    address: IpAddr,
}

impl PerAddress {
    /// A place, if the address has fewer than `max`.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Place> {
        // One machine may come by both protocols.
        let address = address.to_canonical();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= max {
            if *count == 0 {
                open.remove(&address);
            }
            return None;
        }
        *count += 1;
        Some(Place { all: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_address_and_nothing_is_kept_of_those_that_left() {
        let all = Arc::new(PerAddress::default());
        let (one, other): (IpAddr, IpAddr) =
            ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = all.take(one, 2);
        let second = all.take("::ffff:10.0.0.1".parse().unwrap(), 2);
        assert!(first.is_some() && second.is_some());
        assert!(all.take(one, 2).is_none());
        assert!(all.take(other, 2).is_some());
        drop(first);
        assert!(all.take(one, 2).is_some());
        drop(second);
        assert!(all.take(one, 0).is_none());
        assert!(all.0.lock().unwrap().is_empty());
    }
}
