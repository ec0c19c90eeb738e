//! Places for those who have not proved who they are: so many in all, and so many of one
//! address, so that nobody takes them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    number: u32,
    of_one_max: usize,
    taken: Taken,
}

type Taken = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    address: IpAddr,
    taken: Taken,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(number: u32, of_one_max: usize) -> Self {
        let all = Arc::new(Semaphore::new(number as usize));
        Self { all, number, of_one_max, taken: Taken::default() }
    }

    /// A place for somebody at an address; `None` when there is none for him.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let permit = self.all.clone().try_acquire_owned().ok()?;
        let address = address.to_canonical();
        {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let of_one = taken.entry(address).or_default();
            if *of_one >= self.of_one_max {
                return None;
            }
            *of_one += 1;
        }
        Some(Place { address, taken: self.taken.clone(), _permit: permit })
    }

    /// Returns once nobody has one, which is the end of them.
    pub(super) async fn all_left(self) {
        // An error would say that they were closed, which nobody does.
        let _ = self.all.acquire_many(self.number).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_one) = taken.get_mut(&self.address) {
            *of_one -= 1;
            if *of_one == 0 {
                taken.remove(&self.address);
            }
        }
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
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
