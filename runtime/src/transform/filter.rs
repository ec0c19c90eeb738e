//! `Filter`: lets no record through, and so only makes sense with a predicate.

use super::registry::{Reads, TransformKind, of_records};
use super::{Outcome, Record, Transform, TransformError};

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_records!("Filter", Reads::NOTHING),
    options: &[],
    make: |_, _| Ok(Box::new(Filter)),
};

#[derive(Debug)]
struct Filter;

impl Transform for Filter {
    fn apply(&mut self, _: &mut Record) -> Result<Outcome, TransformError> {
        Ok(Outcome::Drop)
    }
}
