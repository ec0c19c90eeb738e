//! Two producers of one transactional id, again and again: the younger fences the
//! older in the middle of its transaction, and the older tries to go on.

use super::sender::{Gone, Sender};
use super::worker::{DELIVERY, Worker};
use super::{KEYED, WIDE, places};

/// Runs pairs of producers until told to stop.
pub(super) fn live(worker: &mut Worker) -> Result<(), Gone> {
    let among = places(&[WIDE, KEYED]);
    let mut older = Sender::new(&worker.bootstrap, Some(&worker.id));
    older.init()?;
    while !worker.is_stopping() {
        let places = worker.draw(&among, 8);
        let doomed = worker.begin(true, &places, None);
        older.begin()?;
        // Not none: librdkafka commits an empty transaction without a word to anyone.
        let (first, rest) = places.split_at(places.len().div_ceil(2));
        worker.send(&older, doomed, first);
        if worker.chance(2) {
            worker.deliver(&older, DELIVERY);
        }
        let younger = Sender::new(&worker.bootstrap, Some(&worker.id));
        younger.init()?;
        // From here on nothing may commit it.
        worker.ended(doomed, false);
        if worker.chance(2) {
            worker.send_from(&older, doomed, first.len(), rest);
        }
        if older.commits_once() {
            worker.ended(doomed, true);
        }
        drop(older);
        for _ in 0..worker.random.between(1, 6) {
            let places = worker.draw(&among, 8);
            let sequence = worker.begin(true, &places, None);
            younger.begin()?;
            worker.send(&younger, sequence, &places);
            worker.deliver(&younger, DELIVERY);
            worker.commit(&younger, sequence)?;
            worker.breathe();
        }
        older = younger;
    }
    Ok(())
}
