//! The client that behaves.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::support::{Client, batch, batches};

/// Rounds a second, each a record produced with acks=all and fetched.
const ROUNDS_PER_SECOND: u32 = 100;

pub(crate) struct Good {
    taken: Arc<Mutex<Vec<Duration>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The latencies of rounds, sorted.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Milliseconds at a quantile.
    pub(crate) fn at(&self, quantile: f64) -> f64 {
        let place = (self.0.len() as f64 * quantile) as usize;
        self.0.get(place.min(self.0.len() - 1)).expect("rounds were done").as_secs_f64() * 1e3
    }
}

impl Good {
    /// Starts it, on a thread that the attackers do not share.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let (taken, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (taken, stop) = (Arc::clone(&taken), Arc::clone(&stop));
            move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(rounds(address, &taken, &stop));
            }
        });
        Self { taken, stop, thread }
    }

    /// The latencies since the last call.
    pub(crate) fn take(&self) -> Latencies {
        let mut taken = std::mem::take(&mut *self.taken.lock().unwrap());
        taken.sort_unstable();
        Latencies(taken)
    }

    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the good client was served to the end");
    }
}

async fn rounds(address: SocketAddr, taken: &Mutex<Vec<Duration>>, stop: &AtomicBool) {
    let mut client = Client::connect(address).await;
    client.create_topic("good", 1).await;
    let value = "x".repeat(100);
    let mut due = Instant::now();
    let mut offset = 0;
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        let produced = client.produce("good", 0, -1, batch(&[&value])).await;
        assert_eq!((produced.error_code, produced.base_offset), (0, offset));
        assert_eq!(batches(&client.fetch("good", 0, offset).await).len(), 1);
        taken.lock().unwrap().push(due.elapsed());
        offset += 1;
        due += Duration::from_secs(1) / ROUNDS_PER_SECOND;
    }
}
