//! `DropHeaders`: takes headers away.

use super::options::{Given, OptionInfo, OptionKind, Problem};
use super::registry::{Reads, TransformKind, of_records};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;

const HEADERS: &str = "headers";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_records!("DropHeaders", Reads::NOTHING),
    options: &[OptionInfo::required(
        HEADERS,
        OptionKind::List,
        "HIGH",
        "The names of the headers to take away.",
    )],
    make,
};

#[derive(Debug)]
struct DropHeaders(Vec<String>);

fn make(_: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    Ok(Box::new(DropHeaders(given.list(HEADERS))))
}

impl Transform for DropHeaders {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        record.headers.retain(|header| !self.0.iter().any(|name| **name == *header.name));
        Ok(Outcome::Keep)
    }
}
