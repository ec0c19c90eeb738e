//! Transactions over many partitions, one in four of which is aborted on purpose.

use super::sender::{Gone, Sender};
use super::worker::{DELIVERY, Worker};
use super::{EXPIRING, KEYED, WIDE, places};

/// Runs one producer until it is told to stop or cannot go on.
pub(super) fn live(worker: &mut Worker) -> Result<(), Gone> {
    let among = places(&[WIDE, KEYED, EXPIRING]);
    let sender = Sender::new(&worker.bootstrap, Some(&worker.id));
    sender.init()?;
    while !worker.is_stopping() {
        let places = worker.draw(&among, 12);
        let sequence = worker.begin(true, &places, None);
        sender.begin()?;
        worker.send(&sender, sequence, &places);
        let aborts = worker.chance(4);
        // An abort purges what was not sent: some of the aborted must be in the log.
        if !aborts || worker.chance(2) {
            worker.deliver(&sender, DELIVERY);
        }
        if aborts {
            worker.abort(&sender, sequence)?;
        } else {
            worker.commit(&sender, sequence)?;
        }
        worker.breathe();
    }
    Ok(())
}
