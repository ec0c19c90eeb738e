//! What this worker tells its group that it has.

use super::assignment::Holding;

/// What a worker has not let go of, for its next join. The group gives and takes while
/// the herd is busy with what was before: until the herd has taken up the last word of
/// the group, its own view of what it holds is of the past, and does not count.
#[derive(Debug, Default)]
pub(super) struct Told {
    holding: Holding,
    /// What was told with the last join: nobody else was given any of that.
    joined_with: Holding,
    /// Counts the words of the group.
    words: u64,
}

impl Told {
    /// What is told.
    pub(super) fn holding(&self) -> &Holding {
        &self.holding
    }

    /// What is told with a join that begins now.
    pub(super) fn join(&mut self) -> Holding {
        self.joined_with = self.holding.clone();
        self.holding.clone()
    }

    /// How much of what was told with the last join is not `assigned` here, and is given
    /// to nobody before this worker joins again.
    pub(super) fn beyond(&self, assigned: &Holding) -> usize {
        self.joined_with.beyond(assigned)
    }

    /// The group gave this: what nobody tells of is given to another, so it is told
    /// at once. Answers with the number of this word.
    pub(super) fn given(&mut self, more: &Holding) -> u64 {
        self.holding.extend(more);
        self.words += 1;
        self.words
    }

    /// The membership is gone, and all that came with it.
    pub(super) fn lost(&mut self) -> u64 {
        self.holding = Holding::default();
        self.words += 1;
        self.words
    }

    /// The herd, which has taken up so many words, holds this.
    pub(super) fn holds(&mut self, holding: Holding, words: u64) {
        if words == self.words {
            self.holding = holding;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::herder::TaskId;

    fn of(task: u32) -> Holding {
        let mut holding = Holding::default();
        holding.tasks.insert(TaskId { connector: "c".to_owned(), task }, [].into());
        holding
    }

    #[test]
    fn what_the_herd_has_not_heard_of_is_told_all_the_same() {
        let mut told = Told::default();
        let first = told.given(&of(0));
        told.holds(of(0), first);
        let second = told.given(&of(1));
        told.holds(of(0), first);
        assert_eq!(told.join().tasks.len(), 2, "it was just given another");
        told.holds(of(1), second);
        assert_eq!(told.join(), of(1));
    }

    #[test]
    fn what_was_told_counts_though_it_ended_before_the_group_answered() {
        let mut told = Told::default();
        let word = told.given(&of(0));
        told.join();
        told.holds(Holding::default(), word);
        assert_eq!((told.beyond(&Holding::default()), told.beyond(&of(0))), (1, 0));
        told.join();
        assert_eq!(told.beyond(&Holding::default()), 0);
    }

    #[test]
    fn what_was_lost_is_not_told_again_by_a_herd_that_runs_it_still() {
        let mut told = Told::default();
        let given = told.given(&of(0));
        let lost = told.lost();
        told.holds(of(0), given);
        assert_eq!(told.join(), Holding::default());
        told.holds(Holding::default(), lost);
        assert_eq!(told.join(), Holding::default());
    }
}
