//! The member's state machine: events in, actions out, the time passed in.
//!
//! One delegate call and one join or sync are under way at most; heartbeats
//! run beside them. Every request carries a ticket, so that an answer to a
//! request that was given up is told from the one waited for.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::events::{Action, Event, Failure, Joined, Timing};
use super::lease::BootInstant;
use super::{Assigned, Lost};

/// The pause after a failed join or sync, and after a heartbeat that did not
/// reach the coordinator.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// The pause after a refusal that only an operator can mend.
pub(super) const REFUSED_PAUSE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The delegate gets ready.
    Preparing,
    /// A join is sent again at `at`.
    Pausing {
        at: BootInstant,
    },
    Joining {
        ticket: u64,
        sent: BootInstant,
    },
    /// The delegate plans, as leader.
    Planning,
    Syncing {
        ticket: u64,
        sent: BootInstant,
    },
    /// The delegate is told its assignment.
    Delivering,
    Stable,
    /// The delegate is told of a loss.
    Losing,
    Left,
}

/// A generation that this member belongs to, as far as it knows.
#[derive(Clone, Debug)]
struct Session {
    generation: i32,
    leader_id: String,
    /// When a request was sent whose answer proved that no rebalance was under
    /// way: one that is now began later.
    quiet_at: BootInstant,
    heartbeat_due: BootInstant,
    heartbeat_sent: Option<(u64, BootInstant)>,
}

/// One member of one group.
#[derive(Debug)]
pub(super) struct Machine {
    timing: Timing,
    phase: Phase,
    member_id: String,
    metadata: Bytes,
    session: Option<Session>,
    /// The delegate was told an assignment, and no loss since.
    holds_work: bool,
    lease_until: BootInstant,
    /// A loss to tell as soon as the delegate is free.
    lost: Option<Lost>,
    rejoin: bool,
    tickets: u64,
}

impl Machine {
    /// A member that has not joined yet, and what to do first.
    pub(super) fn start(timing: Timing) -> (Self, Vec<Action>) {
        let machine = Self {
            timing,
            phase: Phase::Preparing,
            member_id: String::new(),
            metadata: Bytes::new(),
            session: None,
            holds_work: false,
            lease_until: BootInstant::BOOT,
            lost: None,
            rejoin: false,
            tickets: 0,
        };
        (machine, vec![Action::Prepare])
    }

    /// When [`Event::Tick`] is due at the latest.
    pub(super) fn deadline(&self) -> Option<BootInstant> {
        let pause = match self.phase {
            Phase::Pausing { at } => Some(at),
            _ => None,
        };
        let heartbeat = self
            .session
            .as_ref()
            .filter(|session| session.heartbeat_sent.is_none())
            .map(|session| session.heartbeat_due);
        let lease = (self.holds_work && self.lost.is_none() && self.phase != Phase::Losing)
            .then_some(self.lease_until);
        [pause, heartbeat, lease].into_iter().flatten().min()
    }

    /// Takes an event, and says what to do.
    pub(super) fn handle(&mut self, now: BootInstant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Left {
            return actions;
        }
        match event {
            Event::Prepared(metadata) => {
                self.metadata = metadata;
                if !self.tell_loss(&mut actions) {
                    self.join(now, &mut actions);
                }
            }
            Event::Joined { ticket, result } => self.joined(now, ticket, result, &mut actions),
            Event::Planned(result) => self.planned(now, result, &mut actions),
            Event::Synced { ticket, result } => self.synced(now, ticket, result, &mut actions),
            Event::Told => self.told(&mut actions),
            Event::Heartbeat { ticket, result } => {
                self.heartbeat(now, ticket, result, &mut actions);
            }
            Event::Rejoin => {
                self.rejoin = true;
                if self.phase == Phase::Stable {
                    self.prepare(&mut actions);
                }
            }
            Event::Leave => {
                self.phase = Phase::Left;
                self.session = None;
                actions.push(Action::RevokeLease);
                if !self.member_id.is_empty() {
                    actions.push(Action::Leave { member_id: self.member_id.clone() });
                }
            }
            Event::Tick => {}
        }
        self.tick(now, &mut actions);
        actions
    }

    /// What the time alone brings.
    fn tick(&mut self, now: BootInstant, actions: &mut Vec<Action>) {
        let watched = self.holds_work && self.lost.is_none() && self.phase != Phase::Losing;
        if watched && now >= self.lease_until {
            self.lose(Lost::SessionTimeout, actions);
        }
        if let Phase::Pausing { at } = self.phase
            && now >= at
        {
            self.join(now, actions);
        }
        let (tickets, member_id) = (&mut self.tickets, &self.member_id);
        if let Some(session) = &mut self.session
            && session.heartbeat_sent.is_none()
            && now >= session.heartbeat_due
        {
            *tickets += 1;
            session.heartbeat_sent = Some((*tickets, now));
            actions.push(Action::Heartbeat {
                ticket: *tickets,
                generation: session.generation,
                member_id: member_id.clone(),
            });
        }
    }

    fn prepare(&mut self, actions: &mut Vec<Action>) {
        self.rejoin = false;
        self.phase = Phase::Preparing;
        actions.push(Action::Prepare);
    }

    fn join(&mut self, now: BootInstant, actions: &mut Vec<Action>) {
        self.tickets += 1;
        self.phase = Phase::Joining { ticket: self.tickets, sent: now };
        actions.push(Action::Join {
            ticket: self.tickets,
            member_id: self.member_id.clone(),
            metadata: self.metadata.clone(),
        });
    }

    fn joined(
        &mut self,
        now: BootInstant,
        ticket: u64,
        result: Result<Joined, Failure>,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Joining { ticket: expected, sent } = self.phase else { return };
        if ticket != expected {
            return;
        }
        match result {
            Ok(joined) => {
                let is_leader = joined.member_id == joined.leader_id;
                self.member_id = joined.member_id;
                self.session = Some(Session {
                    generation: joined.generation,
                    leader_id: joined.leader_id,
                    // The join was completed after it was sent.
                    quiet_at: sent,
                    heartbeat_due: now.plus(self.timing.heartbeat),
                    heartbeat_sent: None,
                });
                if is_leader {
                    self.phase = Phase::Planning;
                    actions.push(Action::Plan(joined.members));
                } else {
                    self.sync(now, Vec::new(), actions);
                }
            }
            Err(Failure::MemberId(member_id)) => {
                self.member_id = member_id;
                self.join(now, actions);
            }
            Err(failure) => self.failed(now, "join", failure, actions),
        }
    }

    fn planned(
        &mut self,
        now: BootInstant,
        result: Result<Vec<(String, Bytes)>, String>,
        actions: &mut Vec<Action>,
    ) {
        if self.tell_loss(actions) {
            return;
        }
        match result {
            // Lost without work held: there is no generation to plan for.
            Ok(_) if self.session.is_none() => self.pause(now, RETRY_PAUSE),
            Ok(assignments) => self.sync(now, assignments, actions),
            Err(reason) => {
                actions.push(Action::Report(format!("the leader could not assign: {reason}")));
                // Followers wait for the sync: joining again ends their wait.
                self.pause(now, RETRY_PAUSE);
            }
        }
    }

    fn sync(
        &mut self,
        now: BootInstant,
        assignments: Vec<(String, Bytes)>,
        actions: &mut Vec<Action>,
    ) {
        let generation = self.session.as_ref().map_or(-1, |session| session.generation);
        self.tickets += 1;
        self.phase = Phase::Syncing { ticket: self.tickets, sent: now };
        actions.push(Action::Sync {
            ticket: self.tickets,
            generation,
            member_id: self.member_id.clone(),
            assignments,
        });
    }

    fn synced(
        &mut self,
        now: BootInstant,
        ticket: u64,
        result: Result<Bytes, Failure>,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Syncing { ticket: expected, sent } = self.phase else { return };
        if ticket != expected {
            return;
        }
        match result {
            Ok(assignment) => {
                let Some(session) = &mut self.session else {
                    return self.pause(now, RETRY_PAUSE);
                };
                session.quiet_at = sent;
                let assigned = Assigned {
                    generation: session.generation,
                    member_id: self.member_id.clone(),
                    leader_id: session.leader_id.clone(),
                    assignment,
                };
                self.phase = Phase::Delivering;
                self.holds_work = true;
                self.extend_lease(sent, actions);
                actions.push(Action::Assigned(assigned));
            }
            // The group went on to its next rebalance: the delegate may have
            // something new to say.
            Err(Failure::Code(ResponseError::RebalanceInProgress)) => self.prepare(actions),
            Err(failure) => self.failed(now, "sync", failure, actions),
        }
    }

    /// A join or sync failed: what to give up, and when to join again.
    fn failed(
        &mut self,
        now: BootInstant,
        what: &str,
        failure: Failure,
        actions: &mut Vec<Action>,
    ) {
        use ResponseError as E;
        match failure {
            Failure::Code(E::UnknownMemberId | E::IllegalGeneration | E::FencedInstanceId) => {
                self.member_id.clear();
                if !self.lose(Lost::Fenced, actions) {
                    self.pause(now, RETRY_PAUSE);
                }
            }
            Failure::Code(
                E::CoordinatorNotAvailable
                | E::CoordinatorLoadInProgress
                | E::NotCoordinator
                | E::RebalanceInProgress
                | E::RequestTimedOut
                | E::NetworkException,
            ) => self.pause(now, RETRY_PAUSE),
            Failure::Code(code) => {
                actions.push(Action::Report(format!("the group refuses to {what}: {code}")));
                self.pause(now, REFUSED_PAUSE);
            }
            Failure::Unreached(reason) => {
                actions.push(Action::Report(format!("cannot {what}: {reason}")));
                self.pause(now, RETRY_PAUSE);
            }
            Failure::MemberId(member_id) => {
                self.member_id = member_id;
                self.pause(now, RETRY_PAUSE);
            }
        }
    }

    fn pause(&mut self, now: BootInstant, pause: Duration) {
        self.phase = Phase::Pausing { at: now.plus(pause) };
    }

    /// The delegate took note: of an assignment, or of a loss.
    fn told(&mut self, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Delivering => {
                if self.tell_loss(actions) {
                } else if self.rejoin {
                    self.prepare(actions);
                } else {
                    self.phase = Phase::Stable;
                }
            }
            Phase::Losing => self.prepare(actions),
            _ => {}
        }
    }

    fn heartbeat(
        &mut self,
        now: BootInstant,
        ticket: u64,
        result: Result<(), Failure>,
        actions: &mut Vec<Action>,
    ) {
        use ResponseError as E;
        let Some(session) = &mut self.session else { return };
        let Some((_, sent)) = session.heartbeat_sent.take_if(|(id, _)| *id == ticket) else {
            return;
        };
        session.heartbeat_due = sent.plus(self.timing.heartbeat);
        match result {
            Ok(()) => {
                session.quiet_at = sent;
                self.extend_lease(sent, actions);
            }
            Err(Failure::Code(E::RebalanceInProgress)) => {
                self.extend_lease(sent, actions);
                match self.phase {
                    Phase::Stable => self.prepare(actions),
                    Phase::Delivering => self.rejoin = true,
                    _ => {}
                }
            }
            // The join that is waited for was completed meanwhile, in a new
            // generation; its answer is under way.
            Err(Failure::Code(E::IllegalGeneration))
                if matches!(self.phase, Phase::Joining { .. }) => {}
            Err(Failure::Code(E::IllegalGeneration)) => {
                self.lose(Lost::Fenced, actions);
            }
            Err(Failure::Code(E::UnknownMemberId | E::FencedInstanceId)) => {
                self.member_id.clear();
                self.lose(Lost::Fenced, actions);
            }
            Err(_) => session.heartbeat_due = now.plus(RETRY_PAUSE),
        }
    }

    /// A request sent at `sent` was answered as a member's: the coordinator
    /// counts the session from then or later. A rebalance under way, though,
    /// ends the membership of those who do not join it in time.
    fn extend_lease(&mut self, sent: BootInstant, actions: &mut Vec<Action>) {
        let Some(session) = &self.session else { return };
        if !self.holds_work || self.lost.is_some() || self.phase == Phase::Losing {
            return;
        }
        let until =
            sent.plus(self.timing.session).min(session.quiet_at.plus(self.timing.rebalance));
        if until > self.lease_until {
            self.lease_until = until;
            actions.push(Action::GrantLease(until));
        }
    }

    /// Gives the membership up. True when the delegate is, or will be, told;
    /// else the caller says how to go on.
    fn lose(&mut self, why: Lost, actions: &mut Vec<Action>) -> bool {
        self.session = None;
        self.lease_until = BootInstant::BOOT;
        actions.push(Action::RevokeLease);
        if self.holds_work {
            self.lost = Some(why);
        }
        match self.phase {
            // The delegate is busy: it hears of it when it is done.
            Phase::Preparing | Phase::Planning | Phase::Delivering | Phase::Losing => true,
            Phase::Left => true,
            Phase::Pausing { .. }
            | Phase::Joining { .. }
            | Phase::Syncing { .. }
            | Phase::Stable => {
                if self.tell_loss(actions) {
                    return true;
                }
                if self.phase == Phase::Stable {
                    self.prepare(actions);
                    return true;
                }
                false
            }
        }
    }

    /// Tells the delegate of a loss, if there is one to tell.
    fn tell_loss(&mut self, actions: &mut Vec<Action>) -> bool {
        let Some(why) = self.lost.take() else { return false };
        self.holds_work = false;
        self.phase = Phase::Losing;
        actions.push(Action::Lost(why));
        true
    }
}
