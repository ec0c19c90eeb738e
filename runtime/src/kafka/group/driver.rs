//! The member's hands: requests, the delegate's calls, timers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::events::{Action, Event, Failure, Joined, Timing};
use super::lease::{BootInstant, Lease};
use super::state::Machine;
use super::{Delegate, Member, MembershipConfig, Status};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Cluster, Lane, Target};

/// Kafka Connect's protocol type, shared by all worker groups.
const PROTOCOL_TYPE: &str = "connect";
/// How long a member that leaves waits for the coordinator to hear it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// What the network may add to the time that the coordinator takes by intent.
const NETWORK_SLACK: Duration = Duration::from_secs(5);

enum Command {
    Rejoin,
    Leave(oneshot::Sender<()>),
}

/// A member of a worker group, joined and kept joined by a task of its own.
///
/// Dropping it stops the member without a word: the coordinator notices when
/// its session times out. [`leave`](Membership::leave) is the orderly way.
pub struct Membership {
    commands: mpsc::UnboundedSender<Command>,
    lease: Lease,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

impl Membership {
    /// Starts to join. Must be called within a Tokio runtime; an error means
    /// that `bootstrap.servers` cannot be understood.
    pub fn start(
        config: MembershipConfig,
        delegate: Box<dyn Delegate>,
    ) -> Result<Self, ClientError> {
        let cluster = Cluster::new(config.cluster.clone())?;
        let (commands, queue) = mpsc::unbounded_channel();
        let (status_sender, status) = watch::channel(Status::Joining { problem: None });
        let lease = Lease::default();
        let group = Arc::new(Group { cluster, config });
        let driver = Driver {
            group,
            lease: lease.clone(),
            status: status_sender,
            idle_delegate: Some(delegate),
            under_way: FuturesUnordered::new(),
        };
        let task = tokio::spawn(driver.run(queue));
        Ok(Self { commands, lease, status, task })
    }

    /// Until when the membership is known to be good.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// How the member does.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Joins again, as when connector configs have changed. Of a follower whose
    /// metadata is what it was, Kafka's coordinator takes no notice: the leader
    /// rejoins, or the metadata says what is new.
    pub fn rejoin(&self) {
        // A member that left does not rebalance any more.
        let _ = self.commands.send(Command::Rejoin);
    }

    /// Leaves the group at once, so that the others need not wait for the
    /// session to time out. Work must have been drained before: the lease
    /// ends here.
    pub async fn leave(mut self) {
        let (sender, done) = oneshot::channel();
        if self.commands.send(Command::Leave(sender)).is_ok() {
            let _ = done.await;
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.task.abort();
        self.lease.revoke();
    }
}

/// What every request needs.
struct Group {
    cluster: Cluster,
    config: MembershipConfig,
}

/// What ended: a request, or a call of the delegate, which then comes back.
type Ended = (Option<Box<dyn Delegate>>, Event);

struct Driver {
    group: Arc<Group>,
    lease: Lease,
    status: watch::Sender<Status>,
    /// `None` while one of its calls is under way.
    idle_delegate: Option<Box<dyn Delegate>>,
    under_way: FuturesUnordered<BoxFuture<'static, Ended>>,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let config = &self.group.config;
        let (mut machine, actions) = Machine::start(Timing {
            session: config.session_timeout,
            rebalance: config.rebalance_timeout,
            heartbeat: config.heartbeat_interval,
        });
        self.execute(actions);
        loop {
            let pause = machine.deadline().map(|due| due.since(BootInstant::now()));
            let event = tokio::select! {
                // Heartbeats' answers before everything: the lease hangs on them.
                biased;
                Some((delegate, event)) = self.under_way.next() => {
                    if delegate.is_some() {
                        self.idle_delegate = delegate;
                    }
                    event
                }
                command = commands.recv() => match command {
                    Some(Command::Rejoin) => Event::Rejoin,
                    Some(Command::Leave(done)) => {
                        let actions = machine.handle(BootInstant::now(), Event::Leave);
                        self.leave(actions).await;
                        // Whoever asked may be gone.
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)), if pause.is_some() => {
                    Event::Tick
                }
            };
            let actions = machine.handle(BootInstant::now(), event);
            self.execute(actions);
        }
    }

    fn execute(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::GrantLease(until) => self.lease.grant(until),
                Action::RevokeLease => self.lease.revoke(),
                Action::Report(problem) => {
                    tracing::warn!(group = self.group.config.group_id, "{problem}");
                    self.status.send_replace(Status::Joining { problem: Some(problem) });
                }
                Action::Prepare => {
                    self.status.send_if_modified(|status| {
                        let was_member = matches!(status, Status::Member { .. });
                        if was_member {
                            *status = Status::Joining { problem: None };
                        }
                        was_member
                    });
                    self.with_delegate(|mut delegate| async move {
                        let event = Event::Prepared(delegate.join().await);
                        (Some(delegate), event)
                    });
                }
                Action::Plan(members) => self.with_delegate(|mut delegate| async move {
                    let event = Event::Planned(delegate.assign(members).await);
                    (Some(delegate), event)
                }),
                Action::Assigned(assigned) => {
                    tracing::info!(
                        group = self.group.config.group_id,
                        generation = assigned.generation,
                        member = assigned.member_id,
                        leader = assigned.leader_id,
                        "joined"
                    );
                    self.status.send_replace(Status::Member {
                        generation: assigned.generation,
                        member_id: assigned.member_id.clone(),
                        leader_id: assigned.leader_id.clone(),
                    });
                    self.with_delegate(|mut delegate| async move {
                        delegate.assigned(assigned).await;
                        (Some(delegate), Event::Told)
                    });
                }
                Action::Lost(why) => {
                    tracing::error!(group = self.group.config.group_id, ?why, "membership lost");
                    self.status.send_replace(Status::Joining { problem: None });
                    self.with_delegate(|mut delegate| async move {
                        delegate.lost(why).await;
                        (Some(delegate), Event::Told)
                    });
                }
                Action::Join { ticket, member_id, metadata } => {
                    let group = self.group.clone();
                    self.request(async move {
                        let result = group.join(member_id, metadata).await;
                        Event::Joined { ticket, result }
                    });
                }
                Action::Sync { ticket, generation, member_id, assignments } => {
                    let group = self.group.clone();
                    self.request(async move {
                        let result = group.sync(generation, member_id, assignments).await;
                        Event::Synced { ticket, result }
                    });
                }
                Action::Heartbeat { ticket, generation, member_id } => {
                    let group = self.group.clone();
                    self.request(async move {
                        let result = group.heartbeat(generation, member_id).await;
                        Event::Heartbeat { ticket, result }
                    });
                }
                Action::Leave { .. } => unreachable!("only `leave` makes the machine leave"),
            }
        }
    }

    fn request(&mut self, request: impl Future<Output = Event> + Send + 'static) {
        self.under_way.push(Box::pin(async move { (None, request.await) }));
    }

    fn with_delegate<F: Future<Output = Ended> + Send + 'static>(
        &mut self,
        call: impl FnOnce(Box<dyn Delegate>) -> F,
    ) {
        let delegate =
            self.idle_delegate.take().expect("the machine waits for one call before the next");
        self.under_way.push(Box::pin(call(delegate)));
    }

    async fn leave(&mut self, actions: Vec<Action>) {
        self.lease.revoke();
        for action in actions {
            if let Action::Leave { member_id } = action {
                let leave = self.group.leave(member_id);
                match tokio::time::timeout(LEAVE_TIMEOUT, leave).await {
                    Ok(Ok(())) => {}
                    Ok(Err(failure)) => tracing::warn!(?failure, "left without the group's word"),
                    Err(_) => tracing::warn!("left without an answer of the group"),
                }
            }
        }
        self.status.send_replace(Status::Left);
    }
}

impl Group {
    async fn call<R: Request>(
        &self,
        lane: Lane,
        make: impl FnOnce(i16) -> R,
        timeout: Duration,
    ) -> Result<R::Response, Failure> {
        let target = Target::Coordinator(self.config.group_id.clone());
        match self.cluster.call(&target, lane, make, Some(timeout)).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.cluster.forget_who_is_in_charge().await;
                Err(match error.code() {
                    Some(code) => Failure::Code(code),
                    None => Failure::Unreached(error.to_string()),
                })
            }
        }
    }

    async fn check(&self, code: i16) -> Result<(), Failure> {
        let Some(code) = ResponseError::try_from_code(code) else { return Ok(()) };
        if matches!(code, ResponseError::NotCoordinator | ResponseError::CoordinatorNotAvailable) {
            self.cluster.forget_who_is_in_charge().await;
        }
        Err(Failure::Code(code))
    }

    fn id(&self) -> StrBytes {
        StrBytes::from_string(self.config.group_id.clone())
    }

    async fn join(&self, member_id: String, metadata: Bytes) -> Result<Joined, Failure> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_string(self.config.protocol.clone()))
            .with_metadata(metadata);
        let request = JoinGroupRequest::default()
            .with_group_id(self.id().into())
            .with_session_timeout_ms(millis(self.config.session_timeout))
            .with_rebalance_timeout_ms(millis(self.config.rebalance_timeout))
            .with_member_id(StrBytes::from_string(member_id))
            .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
            .with_protocols(vec![protocol]);
        let timeout = self.config.rebalance_timeout + NETWORK_SLACK;
        let answer: JoinGroupResponse = self.call(Lane::Join, |_| request, timeout).await?;
        if ResponseError::try_from_code(answer.error_code) == Some(ResponseError::MemberIdRequired)
        {
            return Err(Failure::MemberId(answer.member_id.to_string()));
        }
        self.check(answer.error_code).await?;
        Ok(Joined {
            generation: answer.generation_id,
            member_id: answer.member_id.to_string(),
            leader_id: answer.leader.to_string(),
            members: answer
                .members
                .into_iter()
                .map(|member| Member {
                    member_id: member.member_id.to_string(),
                    metadata: member.metadata,
                })
                .collect(),
        })
    }

    async fn sync(
        &self,
        generation: i32,
        member_id: String,
        assignments: Vec<(String, Bytes)>,
    ) -> Result<Bytes, Failure> {
        let assignments = assignments.into_iter().map(|(member_id, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member_id))
                .with_assignment(assignment)
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.id().into())
            .with_generation_id(generation)
            .with_member_id(StrBytes::from_string(member_id))
            .with_assignments(assignments.collect());
        let make = |version| match version {
            5.. => request
                .with_protocol_type(Some(StrBytes::from_static_str(PROTOCOL_TYPE)))
                .with_protocol_name(Some(StrBytes::from_string(self.config.protocol.clone()))),
            _ => request,
        };
        let timeout = self.config.rebalance_timeout + NETWORK_SLACK;
        let answer = self.call(Lane::Join, make, timeout).await?;
        self.check(answer.error_code).await?;
        Ok(answer.assignment)
    }

    async fn heartbeat(&self, generation: i32, member_id: String) -> Result<(), Failure> {
        let request = HeartbeatRequest::default()
            .with_group_id(self.id().into())
            .with_generation_id(generation)
            .with_member_id(StrBytes::from_string(member_id));
        // Two attempts fit a session.
        let timeout = self.config.session_timeout / 3;
        let answer = self.call(Lane::Heartbeat, |_| request, timeout).await?;
        self.check(answer.error_code).await
    }

    async fn leave(&self, member_id: String) -> Result<(), Failure> {
        let member_id = StrBytes::from_string(member_id);
        let request = LeaveGroupRequest::default().with_group_id(self.id().into());
        let make = |version| match version {
            3.. => request.with_members(vec![MemberIdentity::default().with_member_id(member_id)]),
            _ => request.with_member_id(member_id),
        };
        let answer = self.call(Lane::Heartbeat, make, LEAVE_TIMEOUT).await?;
        self.check(answer.error_code).await
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
