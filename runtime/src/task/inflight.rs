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
//! in memory. A lot's seal may also be left for later: then the lots that follow it
//! are sent, and a crash repeats all that are not sealed.

/// What to start next; each is answered by the input of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make lot number `.0` (counted from 1).
    Make(u64),
    /// Send that lot's records and wait until all are acknowledged.
    Send(u64),
    /// Write the seals of all lots up to that one and wait until they are durable.
    Seal(u64),
}

/// When a lot is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// It has nothing to seal.
    Nothing,
    /// As soon as its records are acknowledged, with what was left for later.
    AtOnce,
    /// With a lot after it, or with [`InFlight::seal`].
    Later,
}

/// What a lot has inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lot {
    /// It has records to send.
    pub records: bool,
    /// When it is sealed.
    pub seal: Seal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    Landed,
    Sending(Lot),
    /// All lots up to this one.
    Sealing(u64),
}

/// The state machine. It never asks for two steps of the same kind at once.
#[derive(Debug)]
pub struct InFlight {
    making: bool,
    made: u64,
    waiting: Option<Lot>,
    flight: Flight,
    /// Lots whose records are acknowledged.
    sent: u64,
    durable: u64,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { making: false, made: 0, waiting: None, flight: Flight::Landed, sent: 0, durable: 0 }
    }
}

impl InFlight {
    /// The next step, if one may start now; call until `None`. `may_make`
    /// false holds back the making of new lots, not the landing of old ones.
    pub fn next(&mut self, may_make: bool) -> Option<Step> {
        if self.flight == Flight::Landed
            && let Some(lot) = self.waiting.take()
        {
            let number = self.sent + 1;
            return match lot {
                Lot { records: true, .. } => {
                    self.flight = Flight::Sending(lot);
                    Some(Step::Send(number))
                }
                Lot { seal: Seal::AtOnce, .. } => {
                    self.flight = Flight::Sealing(number);
                    Some(Step::Seal(number))
                }
                Lot { seal, .. } => {
                    self.landed(seal);
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
        let Flight::Sending(Lot { seal, .. }) = self.flight else {
            panic!("no lot was being sent");
        };
        if seal == Seal::AtOnce {
            self.flight = Flight::Sealing(self.sent + 1);
            return Some(Step::Seal(self.sent + 1));
        }
        self.flight = Flight::Landed;
        self.landed(seal);
        None
    }

    /// Seals what was left for later, if there is any, nothing is in flight, and no lot
    /// waits that can be sealed with it.
    pub fn seal(&mut self) -> Option<Step> {
        (self.has_landed() && self.sent > self.durable).then(|| {
            self.flight = Flight::Sealing(self.sent);
            Step::Seal(self.sent)
        })
    }

    /// The lots that were being sealed are durable with all that belongs to them.
    pub fn sealed(&mut self) {
        let Flight::Sealing(through) = self.flight else {
            panic!("no lot was being sealed");
        };
        self.flight = Flight::Landed;
        (self.sent, self.durable) = (through, through);
    }

    /// A lot has nothing in flight any more. What has nothing to seal is durable
    /// with the lots before it.
    fn landed(&mut self, seal: Seal) {
        if seal == Seal::Nothing && self.durable == self.sent {
            self.durable += 1;
        }
        self.sent += 1;
    }

    /// How many lots are durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// True when no lot waits or is in flight; one may be on its way from the plugin, and
    /// some may be left to be sealed.
    pub fn has_landed(&self) -> bool {
        self.waiting.is_none() && self.flight == Flight::Landed
    }

    /// True when no lot is being made, waits or is in flight; some may be left to be
    /// sealed.
    pub fn rests(&self) -> bool {
        !self.making && self.has_landed()
    }

    /// True when none of that is, and none is left to be sealed.
    pub fn is_idle(&self) -> bool {
        self.rests() && self.sent == self.durable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A model of the outside: what has been acknowledged and sealed.
    #[derive(Default)]
    struct World {
        lots: Vec<Lot>,
        acknowledged: Vec<u64>,
        sealed: u64,
    }

    impl World {
        fn started(&mut self, step: Step) {
            match step {
                Step::Make(number) => {
                    assert_eq!(number as usize, self.lots.len() + 1, "lots are made in order");
                    assert!(number <= self.landed() + 2, "two lots in memory at most");
                }
                Step::Send(number) => {
                    assert_eq!(number, self.landed() + 1, "one lot in flight at a time");
                }
                Step::Seal(number) => {
                    assert!(number > self.sealed, "nothing is sealed twice");
                    for (lot, at) in self.lots[..number as usize].iter().zip(1..) {
                        assert!(
                            !lot.records || self.acknowledged.contains(&at),
                            "never sealed before its records are durable"
                        );
                    }
                }
            }
        }

        /// The last lot up to which none has anything in flight.
        fn landed(&self) -> u64 {
            let has_landed = |(at, lot): &(u64, &Lot)| match lot {
                _ if *at <= self.sealed => true,
                Lot { seal: Seal::AtOnce, .. } => false,
                lot => !lot.records || self.acknowledged.contains(at),
            };
            (1..).zip(&self.lots).take_while(has_landed).count() as u64
        }

        /// The last lot up to which all are acknowledged, and sealed if they are to be.
        fn durable(&self) -> u64 {
            let is_durable = |(at, lot): &(u64, &Lot)| {
                let acknowledged = !lot.records || self.acknowledged.contains(at);
                *at <= self.sealed || (lot.seal == Seal::Nothing && acknowledged)
            };
            (1..).zip(&self.lots).take_while(is_durable).count() as u64
        }
    }

    fn a_seal() -> impl Strategy<Value = Seal> {
        prop_oneof![Just(Seal::Nothing), Just(Seal::AtOnce), Just(Seal::Later)]
    }

    proptest! {
        #[test]
        fn a_seal_follows_its_records_and_nothing_is_durable_before_its_seal(
            script in proptest::collection::vec(
                (any::<bool>(), a_seal(), 0u8..3, any::<bool>()),
                1..200,
            ),
        ) {
            let (mut machine, mut world) = (InFlight::default(), World::default());
            let mut open: Vec<Step> = Vec::new();
            for (records, seal, choice, due) in script {
                if due && let Some(step) = machine.seal() {
                    world.started(step);
                    open.push(step);
                }
                while let Some(step) = machine.next(true) {
                    world.started(step);
                    open.push(step);
                }
                prop_assert!(open.len() <= 2);
                prop_assert_eq!(machine.durable(), world.durable());
                match open.remove(choice as usize % open.len()) {
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
            }
        }
    }

    #[test]
    fn nothing_is_made_any_more_once_the_task_stops_but_what_is_there_lands() {
        let mut machine = InFlight::default();
        assert_eq!(machine.next(true), Some(Step::Make(1)));
        assert!(machine.has_landed() && !machine.is_idle());
        machine.made(Lot { records: true, seal: Seal::AtOnce });
        assert!(!machine.has_landed());
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
        machine.made(Lot { records: false, seal: Seal::Nothing });
        assert_eq!(machine.next(true), Some(Step::Make(2)));
        assert_eq!(machine.durable(), 1);
    }

    #[test]
    fn what_is_left_for_later_is_durable_once_it_is_sealed_and_an_empty_lot_behind_it_too() {
        let mut machine = InFlight::default();
        assert_eq!(machine.seal(), None);
        machine.next(true);
        machine.made(Lot { records: true, seal: Seal::Later });
        assert_eq!(machine.next(true), Some(Step::Send(1)));
        assert_eq!(machine.next(true), Some(Step::Make(2)));
        assert_eq!((machine.seal(), machine.sent()), (None, None));
        machine.made(Lot { records: false, seal: Seal::Nothing });
        assert_eq!(machine.next(false), None);
        assert_eq!(machine.durable(), 0);
        assert!(!machine.is_idle());
        assert_eq!(machine.seal(), Some(Step::Seal(2)));
        machine.sealed();
        assert_eq!(machine.durable(), 2);
        assert!(machine.is_idle());
    }
}
