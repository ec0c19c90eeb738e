//! One batch unacknowledged at a time, the next one being made meanwhile.
//!
//! Sources and processors share this discipline. A *lot* is what one poll of a
//! source, or one input batch of a processor, brought: records to send and a
//! seal (the source's checkpoint, the processor's input offsets). A lot goes
//! through three steps, in order and strictly one lot after the other:
//!
//! ```text
//! made -> sent and acknowledged -> sealed
//!                                  ^ only then may the next lot be sent
//! ```
//!
//! While one lot is sent and sealed the plugin already makes the next, which
//! waits, unsent. So a crash repeats at most one lot, and two lots at most are
//! in memory.

/// What to start next; each is answered by the input of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make lot number `.0` (counted from 1).
    Make(u64),
    /// Send that lot's records and wait until all are acknowledged.
    Send(u64),
    /// Write that lot's seal and wait until it is durable.
    Seal(u64),
}

/// What a lot has inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lot {
    /// It has records to send.
    pub records: bool,
    /// It has something to seal.
    pub seal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    Landed,
    Sending(Lot),
    Sealing,
}

/// The state machine. It never asks for two steps of the same kind at once.
#[derive(Debug)]
pub struct InFlight {
    making: bool,
    made: u64,
    waiting: Option<Lot>,
    flight: Flight,
    durable: u64,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { making: false, made: 0, waiting: None, flight: Flight::Landed, durable: 0 }
    }
}

impl InFlight {
    /// The next step, if one may start now; call until `None`. `may_make`
    /// false holds back the making of new lots, not the landing of old ones.
    pub fn next(&mut self, may_make: bool) -> Option<Step> {
        if self.flight == Flight::Landed
            && let Some(lot) = self.waiting.take()
        {
            let number = self.durable + 1;
            return match lot {
                Lot { records: true, .. } => {
                    self.flight = Flight::Sending(lot);
                    Some(Step::Send(number))
                }
                Lot { seal: true, .. } => {
                    self.flight = Flight::Sealing;
                    Some(Step::Seal(number))
                }
                _ => {
                    self.durable = number;
                    self.next(may_make)
                }
            };
        }
        if may_make && !self.making && self.waiting.is_none() {
            self.making = true;
            return Some(Step::Make(self.made + 1));
        }
        None
    }

    /// The lot asked for is there.
    pub fn made(&mut self, lot: Lot) {
        assert!(self.making && self.waiting.is_none(), "a lot comes when it was asked for");
        self.making = false;
        self.made += 1;
        self.waiting = Some(lot);
    }

    /// Making was given up: there is no lot.
    pub fn nothing_made(&mut self) {
        assert!(self.making, "making was under way");
        self.making = false;
    }

    /// Every record of the lot in flight is acknowledged: seal it, if that is
    /// answered.
    pub fn sent(&mut self) -> Option<Step> {
        let Flight::Sending(lot) = self.flight else {
            panic!("no lot was being sent");
        };
        if lot.seal {
            self.flight = Flight::Sealing;
            return Some(Step::Seal(self.durable + 1));
        }
        self.flight = Flight::Landed;
        self.durable += 1;
        None
    }

    /// The lot in flight is durable with all that belongs to it.
    pub fn sealed(&mut self) {
        assert_eq!(self.flight, Flight::Sealing, "a lot was being sealed");
        self.flight = Flight::Landed;
        self.durable += 1;
    }

    /// How many lots are durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// True when no lot is being made, waits or is in flight.
    pub fn is_idle(&self) -> bool {
        !self.making && self.waiting.is_none() && self.flight == Flight::Landed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A model of the outside: what has been acknowledged and sealed, and
    /// what a crash at this moment would repeat.
    #[derive(Default)]
    struct World {
        lots: Vec<Lot>,
        sent: Vec<u64>,
        acknowledged: Vec<u64>,
        sealed: u64,
    }

    impl World {
        fn started(&mut self, step: Step) {
            match step {
                Step::Make(number) => {
                    assert_eq!(number as usize, self.lots.len() + 1, "lots are made in order");
                    assert!(number <= self.sealed_or_empty() + 2, "two lots in memory at most");
                }
                Step::Send(number) => {
                    assert_eq!(number, self.sealed_or_empty() + 1, "one unsealed lot at a time");
                    self.sent.push(number);
                }
                Step::Seal(number) => {
                    let lot = self.lots[number as usize - 1];
                    assert!(lot.seal);
                    assert!(
                        !lot.records || self.acknowledged.contains(&number),
                        "never sealed before its records are durable"
                    );
                }
            }
        }

        /// The last lot up to which all are done.
        fn sealed_or_empty(&self) -> u64 {
            let mut done = 0;
            for (number, lot) in (1..).zip(&self.lots) {
                let landed = match lot {
                    Lot { seal: true, .. } => number <= self.sealed,
                    Lot { records: true, .. } => self.acknowledged.contains(&number),
                    _ => true,
                };
                if !landed {
                    break;
                }
                done = number;
            }
            done
        }
    }

    proptest! {
        #[test]
        fn a_seal_follows_its_records_and_only_one_lot_is_ever_at_risk(
            script in proptest::collection::vec((any::<bool>(), any::<bool>(), 0u8..3), 1..200),
        ) {
            let (mut machine, mut world) = (InFlight::default(), World::default());
            let mut open: Vec<Step> = Vec::new();
            for (records, seal, choice) in script {
                while let Some(step) = machine.next(true) {
                    world.started(step);
                    open.push(step);
                }
                let step = open.remove(choice as usize % open.len());
                match step {
                    Step::Make(_) => {
                        world.lots.push(Lot { records, seal });
                        machine.made(Lot { records, seal });
                    }
                    Step::Send(number) => {
                        world.acknowledged.push(number);
                        if let Some(step) = machine.sent() {
                            world.started(step);
                            open.push(step);
                        }
                    }
                    Step::Seal(number) => {
                        world.sealed = number;
                        machine.sealed();
                    }
                }
                prop_assert!(open.len() <= 2);
            }
        }
    }

    #[test]
    fn nothing_is_made_any_more_once_the_task_stops_but_what_is_there_lands() {
        let mut machine = InFlight::default();
        assert_eq!(machine.next(true), Some(Step::Make(1)));
        machine.made(Lot { records: true, seal: true });
        assert_eq!(machine.next(false), Some(Step::Send(1)));
        assert_eq!(machine.next(false), None);
        assert_eq!(machine.sent(), Some(Step::Seal(1)));
        machine.sealed();
        assert!(machine.is_idle());
        assert_eq!(machine.durable(), 1);
    }

    #[test]
    fn an_empty_lot_counts_in_its_turn() {
        let mut machine = InFlight::default();
        machine.next(true);
        machine.made(Lot { records: false, seal: false });
        assert_eq!(machine.next(true), Some(Step::Make(2)));
        assert_eq!(machine.durable(), 1);
    }
}
