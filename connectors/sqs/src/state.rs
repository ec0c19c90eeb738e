//! Messages that are not deleted yet.

use std::collections::VecDeque;

/// Handles of messages, by the poll that brought them.
#[derive(Debug, Default)]
pub struct Held {
    /// Polls since the task was opened.
    polls: u64,
    /// Of polls whose records are not known to be durable.
    waiting: VecDeque<(u64, Vec<String>)>,
    /// Durable, to be deleted.
    durable: Vec<String>,
}

impl Held {
    /// A poll brought these; call it for each poll.
    pub fn polled(&mut self, handles: Vec<String>) {
        self.polls += 1;
        if !handles.is_empty() {
            self.waiting.push_back((self.polls, handles));
        }
    }

    /// The records of the first `polls` polls are durable.
    pub fn committed(&mut self, polls: u64) {
        while self.waiting.front().is_some_and(|(poll, _)| *poll <= polls) {
            let handles = self.waiting.pop_front().map(|(_, handles)| handles);
            self.durable.extend(handles.into_iter().flatten());
        }
    }

    /// What is to be deleted now, up to `most`.
    pub fn to_delete(&self, most: usize) -> Vec<String> {
        self.durable.iter().take(most).cloned().collect()
    }

    /// Of those that were to be deleted, these are still; `asked` were.
    pub fn deleted(&mut self, asked: usize, left: Vec<String>) {
        self.durable.splice(..asked, left);
    }

    /// How many messages are held.
    pub fn len(&self) -> usize {
        self.durable.len() + self.waiting.iter().map(|(_, handles)| handles.len()).sum::<usize>()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those whose records are not known to be durable.
    pub fn into_waiting(self) -> Vec<String> {
        self.waiting.into_iter().flat_map(|(_, handles)| handles).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handles(of: &[&str]) -> Vec<String> {
        of.iter().map(|handle| (*handle).to_owned()).collect()
    }

    #[test]
    fn nothing_is_deleted_before_its_poll_is_durable() {
        let mut held = Held::default();
        held.polled(handles(&["a", "b"]));
        held.polled(vec![]);
        held.polled(handles(&["c"]));
        assert!(held.to_delete(10).is_empty());
        held.committed(2);
        assert_eq!(held.to_delete(10), ["a", "b"]);
        assert_eq!(held.len(), 3);
        held.deleted(2, handles(&["b"]));
        held.committed(3);
        assert_eq!(held.to_delete(1), ["b"]);
        held.deleted(1, vec![]);
        assert_eq!(held.to_delete(10), ["c"]);
        held.deleted(1, vec![]);
        assert!(held.is_empty());
    }

    #[test]
    fn what_is_not_durable_is_let_go() {
        let mut held = Held::default();
        held.polled(handles(&["a"]));
        held.polled(handles(&["b"]));
        held.committed(1);
        assert_eq!(held.into_waiting(), ["b"]);
    }
}
