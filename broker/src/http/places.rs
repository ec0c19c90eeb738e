//! Places for those who have not proved who they are: so many in all, and so many of one
//! address, so that nobody takes them all.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::per_address::{self, PerAddress};

/// The places. Clones share them.
#[derive(Debug, Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    number: u32,
    of_one_max: usize,
    taken: Arc<PerAddress>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _of_address: per_address::Place,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    /// So many places, and so many of one address.
    #[must_use]
    pub fn new(number: u32, of_one_max: usize) -> Self {
        let all = Arc::new(Semaphore::new(number as usize));
        Self { all, number, of_one_max, taken: Arc::default() }
    }

    /// A place for somebody at an address; `None` when there is none for him.
    #[must_use]
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let of_all = self.all.clone().try_acquire_owned().ok()?;
        let of_address = self.taken.take(address, self.of_one_max)?;
        Some(Place { _of_address: of_address, _of_all: of_all })
    }

    /// Returns once nobody has one, which is the end of them.
    pub async fn all_left(self) {
        // An error would say that they were closed, which nobody does.
        let _ = self.all.acquire_many(self.number).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_its_share_and_no_more_and_all_take_what_there_is() {
        let places = Places::new(3, 2);
        let [a, b, c] = ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1"].map(|it| it.parse().unwrap());
        let first = places.take(a).unwrap();
        let second = places.take(c).unwrap();
        assert!(places.take(a).is_none(), "it is the same address");
        let third = places.take(b).unwrap();
        assert!(places.take(b).is_none(), "all are taken");
        drop(first);
        let again = places.take(a).unwrap();
        drop((second, third, again));
        assert_eq!(places.all.available_permits(), 3);
    }
}
