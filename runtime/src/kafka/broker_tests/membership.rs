//! Workers share work, over real sockets.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::{Cluster, DEADLINE, config};
use crate::kafka::Admin;
use crate::kafka::group::{Assigned, Delegate, Lost, Member, Membership, MembershipConfig, Status};

/// A delegate that deals twelve units out, and shows what it holds.
struct Dealer(watch::Sender<BTreeSet<u8>>);

#[async_trait]
impl Delegate for Dealer {
    async fn join(&mut self) -> Bytes {
        self.0.send_replace(BTreeSet::new());
        Bytes::from_static(b"worker")
    }

    async fn assign(&mut self, members: Vec<Member>) -> Result<Vec<(String, Bytes)>, String> {
        assert!(members.iter().all(|member| member.metadata == "worker"));
        let count = members.len();
        let units = |at| (0..12u8).filter(move |unit| usize::from(*unit) % count == at);
        Ok(members
            .into_iter()
            .enumerate()
            .map(|(at, member)| (member.member_id, units(at).collect::<Vec<_>>().into()))
            .collect())
    }

    async fn assigned(&mut self, assigned: Assigned) {
        self.0.send_replace(assigned.assignment.iter().copied().collect());
    }

    async fn lost(&mut self, _: Lost) {
        self.0.send_replace(BTreeSet::new());
    }
}

fn member(port: u16) -> (Membership, watch::Receiver<BTreeSet<u8>>) {
    let mut config = MembershipConfig::new(config(port), "fleet");
    config.session_timeout = Duration::from_secs(6);
    config.heartbeat_interval = Duration::from_millis(200);
    let (sender, work) = watch::channel(BTreeSet::new());
    (Membership::start(config, Box::new(Dealer(sender))).unwrap(), work)
}

/// Waits until the members hold all units, `each` of them having its share.
async fn dealt(works: &mut [watch::Receiver<BTreeSet<u8>>], each: usize) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let held: Vec<_> = works.iter().map(|work| work.borrow().clone()).collect();
        let all: BTreeSet<u8> = held.iter().flatten().copied().collect();
        if all.len() == 12 && held.iter().all(|work| work.len() == each) {
            return;
        }
        let changes = works.iter_mut().map(|work| Box::pin(work.changed()));
        let change = futures::future::select_all(changes);
        tokio::time::timeout_at(deadline, change).await.expect("the group settles").0.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_share_the_work_as_they_come_leave_and_die() {
    let mut cluster = Cluster::start().await;
    let (one, work_one) = member(cluster.port);
    dealt(&mut [work_one.clone()], 12).await;
    assert!(one.lease().is_valid());
    let (two, work_two) = member(cluster.port);
    let (three, work_three) = member(cluster.port);
    dealt(&mut [work_one.clone(), work_two.clone(), work_three.clone()], 4).await;
    let group = cluster.admin.describe_group("fleet").await.unwrap();
    assert_eq!((&*group.protocol_type, group.members.len()), ("connect", 3));

    // In order: the others need not wait for a session to time out.
    let started = Instant::now();
    let lease = two.lease();
    two.leave().await;
    assert!(!lease.is_valid());
    dealt(&mut [work_one.clone(), work_three.clone()], 6).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());

    // Without a word: its session times out.
    let lease = three.lease();
    drop(three);
    assert!(!lease.is_valid());
    dealt(&mut [work_one.clone()], 12).await;

    // The coordinator goes and comes back: the member outlives it.
    cluster.stop().await;
    cluster.start_again().await;
    let mut status = one.status();
    one.rejoin();
    tokio::time::timeout(DEADLINE, async {
        status.wait_for(|status| matches!(status, Status::Member { .. })).await.unwrap();
    })
    .await
    .unwrap();
    dealt(&mut [work_one], 12).await;
    assert!(one.lease().is_valid());
    one.leave().await;
}
