//! An idempotent producer without transactions: each record stands for itself.

use std::time::Duration;

use super::sender::Sender;
use super::worker::Worker;
use super::{INPUT, WIDE, places};

/// Runs until told to stop.
pub(super) fn run(worker: &mut Worker) {
    let (input, wide) = (places(&[INPUT]), places(&[WIDE]));
    let sender = Sender::new(&worker.bootstrap, None);
    while !worker.is_stopping() {
        let among = if worker.chance(3) { &wide } else { &input };
        let places = worker.draw(among, 12);
        let sequence = worker.begin(false, &places, None);
        worker.send(&sender, sequence, &places);
        worker.deliver(&sender, Duration::MAX);
        worker.breathe();
    }
}
