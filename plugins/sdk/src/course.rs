//! How far a partition of a sink has come that sends what it takes to another system.
//!
//! A record is durable when the system has taken it, or it was refused for good, and so is
//! every one before it. The sink itself holds what waits in between.

use crate::fault::Detail;
use crate::trouble::Trouble;
use crate::{Fault, LateReject, Mark, Partition, Reject, Stalled};

/// A partition on its way to another system.
#[derive(Debug)]
pub struct Course {
    partition: Partition,
    /// Offsets below were taken: a `put` that is repeated goes on there.
    taken: i64,
    /// What was told durable last.
    told: i64,
    /// With the system, as far as this partition met it.
    pub trouble: Trouble,
}

impl Course {
    /// That of a partition of which nothing was taken.
    pub fn new(partition: &Partition) -> Self {
        let (partition, trouble) = (partition.clone(), Trouble::default());
        Self { partition, taken: i64::MIN, told: i64::MIN, trouble }
    }

    /// Whose it is.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Takes the record with this offset; answers the offset unless it was taken before.
    ///
    /// # Errors
    /// Fatal for a record without an offset.
    pub fn take(&mut self, offset: Option<i64>) -> Result<Option<i64>, Fault> {
        let Some(offset) = offset else {
            return Err(Fault::fatal("no-offsets", "records came without their offsets"));
        };
        if offset < self.taken {
            return Ok(None);
        }
        self.taken = offset + 1;
        Ok(Some(offset))
    }

    /// Nothing more may be taken while what was taken `waits`; `slow` says what for.
    ///
    /// # Errors
    /// The partition's trouble, or that the system is slow.
    pub fn may_take(&self, waits: bool, slow: &str) -> Result<(), Fault> {
        match (self.trouble.fault(), waits) {
            (Some(fault), _) => Err(fault.clone()),
            (None, true) => Err(Fault::retry("slow", slow)),
            (None, false) => Ok(()),
        }
    }

    /// What a `put` answers when its records were sent: refused ones are told late.
    ///
    /// # Errors
    /// The partition's trouble.
    pub fn put(&self) -> Result<Vec<Reject>, Fault> {
        self.trouble.fault().map_or(Ok(Vec::new()), |fault| Err(fault.clone()))
    }

    /// What became durable since it was last told: all before `waiting`, the first that is
    /// not, or all that was taken.
    pub fn mark(&mut self, waiting: Option<i64>) -> Option<Mark> {
        let next = waiting.unwrap_or(self.taken);
        if next <= self.told {
            return None;
        }
        self.told = next;
        Some(Mark { partition: self.partition.clone(), next })
    }

    /// The partition's trouble, if there is any, for a `tick` to tell.
    pub fn stalled(&self) -> Option<Stalled> {
        let fault = self.trouble.fault()?.clone();
        Some(Stalled { partition: self.partition.clone(), fault })
    }

    /// The record with this offset is refused.
    pub fn late_reject(&self, offset: i64, why: Detail) -> LateReject {
        let Detail { code, message } = why;
        LateReject { partition: self.partition.clone(), offset, code, message }
    }
}

/// What a sink keeps its partitions by.
pub fn key(partition: &Partition) -> (String, u32) {
    (partition.topic.clone(), partition.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Testkit;

    fn course() -> Course {
        Course::new(&Partition { topic: "t".to_owned(), number: 3 })
    }

    #[test]
    fn what_was_taken_is_taken_once_and_told_when_nothing_before_it_waits() {
        let mut course = course();
        assert_eq!(course.mark(None), None);
        assert_eq!((course.take(Some(7)), course.take(Some(9))), (Ok(Some(7)), Ok(Some(9))));
        assert_eq!(course.take(Some(9)), Ok(None));
        assert!(matches!(course.take(None), Err(Fault::Fatal(_))));
        let next = |mark: Option<Mark>| mark.map(|mark| mark.next);
        assert_eq!(next(course.mark(Some(9))), Some(9));
        assert_eq!(next(course.mark(Some(9))), None);
        assert_eq!(next(course.mark(None)), Some(10));
    }

    #[test]
    fn trouble_stops_it_and_what_waits_does_too() {
        let _kit = Testkit::new();
        let mut course = course();
        assert_eq!((course.may_take(false, "x"), course.put()), (Ok(()), Ok(Vec::new())));
        assert_eq!(course.may_take(true, "x"), Err(Fault::retry("slow", "x")));
        assert!(course.stalled().is_none());
        let fault = Fault::config("a", "y");
        course.trouble.called(Some(fault.clone()));
        assert_eq!(course.may_take(true, "x"), Err(fault.clone()));
        assert_eq!(course.put(), Err(fault.clone()));
        assert_eq!(course.stalled().map(|it| it.fault), Some(fault));
    }
}
