//! Static membership (KIP-345): a member that comes back as another process.

use std::collections::HashMap;

use bytes::Bytes;

use super::{
    join::{JoinAnswer, JoinRequest},
    state::{Action, Group, GroupError, GroupState, Now, Token, WriteId},
    sync::SyncAnswer,
};

impl Group {
    /// A static member came back without its member id: it gets a new one and
    /// keeps its place. In a stable group nobody else need notice.
    ///
    /// The answer comes when the new id is written down: a restart must not
    /// fence the member that was told of it.
    pub(super) fn replace_static(
        &mut self,
        old_id: &str,
        request: JoinRequest,
        token: Token,
        now: Now,
    ) {
        let id = request.fresh_member_id.clone();
        let index = self.members.get_index_of(old_id).expect("instances name members");
        let mut member = self.members.shift_remove(old_id).expect("found just above");
        let fenced = GroupError::FencedInstanceId;
        if let Some(join) = member.join.take() {
            let answer = JoinAnswer::refused(fenced, old_id.to_owned());
            self.actions.push(Action::AnswerJoin(join, answer));
        }
        if let Some(sync) = member.sync.take() {
            self.actions.push(Action::AnswerSync(sync, SyncAnswer::refused(fenced)));
        }
        self.members.shift_insert(index, id.clone(), member);
        if let Some(instance) = &request.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        let was_leader = self.is_leader(old_id);
        if was_leader {
            self.leader = Some(id.clone());
        }
        let protocol = self.protocol.clone();
        let can_skip = request.can_skip_assignment;
        self.update(&id, request, token, now);
        if self.state == GroupState::Stable && self.choose_protocol() == protocol {
            let member = self.members.get_mut(&id).expect("inserted above");
            member.join = None;
            let assignments: HashMap<String, Bytes> = self
                .members
                .iter()
                .map(|(id, member)| (id.clone(), member.assignment.clone()))
                .collect();
            let write = self.store(&assignments);
            let mut answer = self.current_answer(&id, was_leader && can_skip);
            if was_leader && !can_skip {
                // An old client would assign anew if it knew that it leads;
                // under its former id it does not, and only syncs (KIP-814).
                answer.leader = old_id.to_owned();
                answer.members = Vec::new();
            }
            self.replaced.push((write, token, answer));
            return;
        }
        // In the middle of a rebalance the leader may be assigning to the old id.
        self.prepare_rebalance(now);
    }

    /// Answers those whose new id was being written down by this write.
    pub(super) fn replacement_stored(&mut self, write: WriteId, success: bool) {
        for (_, token, answer) in self.replaced.extract_if(.., |(of, _, _)| *of == write) {
            let answer = match success {
                true => answer,
                // It comes again without an id and is given another.
                false => JoinAnswer::refused(GroupError::CoordinatorNotAvailable, String::new()),
            };
            self.actions.push(Action::AnswerJoin(token, answer));
        }
    }
}
