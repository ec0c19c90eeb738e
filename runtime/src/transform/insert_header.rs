//! `InsertHeader`: a header with a value that is always the same.

use std::sync::Arc;

use super::options::{Given, OptionInfo, OptionKind, Problem};
use super::registry::{Reads, TransformKind, of_records};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::{Datum, literal};

const HEADER: &str = "header";
const LITERAL: &str = "value.literal";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_records!("InsertHeader", Reads::NOTHING),
    options: &[
        OptionInfo::required(HEADER, OptionKind::String, "HIGH", "The header's name."),
        OptionInfo::required(
            LITERAL,
            OptionKind::String,
            "HIGH",
            "Its value: what the text says, a number, a time, a list, or else the text itself.",
        ),
    ],
    make,
};

#[derive(Debug)]
struct InsertHeader {
    name: Arc<str>,
    value: Datum,
}

fn make(_: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let value = literal::parse(given.needed(LITERAL));
    Ok(Box::new(InsertHeader { name: given.needed(HEADER).into(), value }))
}

impl Transform for InsertHeader {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        record.add_header(self.name.clone(), self.value.clone());
        Ok(Outcome::Keep)
    }
}
