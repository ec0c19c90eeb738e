//! Who has a connection open, and with which values: those are opened again when
//! they change.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::worker::herder::TaskId;

/// A digest of a connection's resolved settings: the values themselves are not kept.
pub(super) type Digest = [u8; 32];

/// The users of a worker's connections.
#[derive(Debug, Default)]
pub(super) struct Users(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// What each connection was last resolved to, since its definition changed.
    resolved: HashMap<String, Digest>,
    /// Who has each open; cancelled when it must open it again.
    open: HashMap<(String, TaskId), CancellationToken>,
    /// Those whose values changed and which nobody was told of yet.
    changed: BTreeSet<String>,
}

impl Noted {
    fn resolved(&mut self, name: &str, digest: Digest) {
        let before = self.resolved.insert(name.to_owned(), digest);
        if before.is_some_and(|before| before != digest) {
            self.reopen(name);
            self.changed.insert(name.to_owned());
        }
    }

    fn reopen(&mut self, name: &str) {
        self.open.retain(|(connection, _), user| {
            if connection == name {
                user.cancel();
            }
            !user.is_cancelled()
        });
    }
}

impl Users {
    /// A task opens a connection that was resolved to this.
    pub(super) fn opens(&self, name: &str, digest: Digest, task: &TaskId, user: CancellationToken) {
        let mut noted = self.lock();
        noted.resolved(name, digest);
        noted.open.retain(|_, user| !user.is_cancelled());
        noted.open.insert((name.to_owned(), task.clone()), user);
    }

    /// The connection resolves to this now.
    pub(super) fn looked(&self, name: &str, digest: Digest) {
        let mut noted = self.lock();
        // Unless its definition changed meanwhile.
        if noted.resolved.contains_key(name) {
            noted.resolved(name, digest);
        }
    }

    /// The connection's definition is another.
    pub(super) fn redefined(&self, name: &str) {
        let mut noted = self.lock();
        noted.resolved.remove(name);
        noted.reopen(name);
    }

    /// The connections that somebody opened since their definition changed.
    pub(super) fn known(&self) -> Vec<String> {
        self.lock().resolved.keys().cloned().collect()
    }

    /// Those whose values changed since this was last asked.
    pub(super) fn take_changed(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.lock().changed)
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(users: &Users, name: &str, digest: u8, task: u32) -> CancellationToken {
        let (token, id) = (CancellationToken::new(), TaskId { connector: "c".to_owned(), task });
        users.opens(name, [digest; 32], &id, token.clone());
        token
    }

    #[test]
    fn those_who_opened_another_value_open_it_again_and_are_told_of_once() {
        let users = Users::default();
        let (old, other) = (open(&users, "a", 1, 0), open(&users, "b", 1, 0));
        users.looked("a", [1; 32]);
        assert!(!old.is_cancelled() && users.take_changed().is_empty());
        // Another task came first and saw the new value.
        let new = open(&users, "a", 2, 1);
        assert!(old.is_cancelled() && !new.is_cancelled() && !other.is_cancelled());
        assert_eq!(users.take_changed(), BTreeSet::from(["a".to_owned()]));
        assert!(users.take_changed().is_empty());
        users.looked("b", [2; 32]);
        assert!(other.is_cancelled());
    }

    #[test]
    fn a_look_that_began_before_a_change_of_the_definition_says_nothing() {
        let users = Users::default();
        let user = open(&users, "a", 1, 0);
        users.redefined("a");
        assert!(user.is_cancelled());
        users.looked("a", [1; 32]);
        let user = open(&users, "a", 2, 0);
        assert!(!user.is_cancelled() && users.take_changed().is_empty());
    }
}
