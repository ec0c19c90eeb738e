//! Databases, done by the host: `sql/session`.
//!
//! A connection of the driver `sql` gives a [`Database`]; a [`Transaction`] of it applies
//! a [`Statement`] to many rows at once, column by column. There is no database natively:
//! a plugin's unit tests bring one of their own.

use crate::bindings::describe::longshore::base::types::Packed;

pub use crate::bindings::describe::longshore::sql::session::{
    Cells, Column, Database, Dialect, RowStatement, Statement, TableColumn, Transaction,
};

impl Column {
    /// Booleans.
    pub fn booleans(cells: impl IntoIterator<Item = Option<bool>>) -> Self {
        let (cells, nulls) = split(cells.into_iter().map(|cell| cell.map(u8::from)));
        Self { cells: Cells::Booleans(cells), nulls }
    }

    /// Whole numbers.
    pub fn ints(cells: impl IntoIterator<Item = Option<i64>>) -> Self {
        let (cells, nulls) = split(cells);
        Self { cells: Cells::Ints(cells), nulls }
    }

    /// Floats.
    pub fn floats(cells: impl IntoIterator<Item = Option<f64>>) -> Self {
        let (cells, nulls) = split(cells);
        Self { cells: Cells::Floats(cells), nulls }
    }

    /// Text.
    pub fn texts<'a>(cells: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let cells = packed(cells.into_iter().map(|cell| cell.map(str::as_bytes)));
        Self { cells: Cells::Texts(cells), nulls: Vec::new() }
    }

    /// Bytes.
    pub fn bytes<'a>(cells: impl IntoIterator<Item = Option<&'a [u8]>>) -> Self {
        Self { cells: Cells::Bytes(packed(cells)), nulls: Vec::new() }
    }

    /// The whole number in a row of what a query answered; `None` for null and for what
    /// is none.
    pub fn int(&self, row: usize) -> Option<i64> {
        match &self.cells {
            Cells::Ints(cells) if self.nulls.get(row).is_none_or(|null| *null == 0) => {
                cells.get(row).copied()
            }
            _ => None,
        }
    }
}

fn split<T: Default>(cells: impl IntoIterator<Item = Option<T>>) -> (Vec<T>, Vec<u8>) {
    let (mut all, mut nulls) = (Vec::new(), Vec::new());
    for cell in cells {
        if cell.is_none() {
            nulls.resize(all.len(), 0);
            nulls.push(1);
        } else if !nulls.is_empty() {
            nulls.push(0);
        }
        all.push(cell.unwrap_or_default());
    }
    (all, nulls)
}

fn packed<'a>(cells: impl IntoIterator<Item = Option<&'a [u8]>>) -> Packed {
    let mut packed = Packed { bytes: Vec::new(), len: Vec::new() };
    for cell in cells {
        match cell {
            Some(cell) => {
                packed.bytes.extend_from_slice(cell);
                packed.len.push(i32::try_from(cell.len()).expect("a cell stays below 2 GiB"));
            }
            None => packed.len.push(-1),
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_told_only_where_there_are_some() {
        let none = Column::ints([Some(1), Some(2)]);
        assert_eq!((none.nulls.len(), none.int(1)), (0, Some(2)));
        let some = Column::ints([Some(1), None, Some(3)]);
        assert_eq!(some.nulls, [0, 1, 0]);
        assert_eq!((some.int(0), some.int(1), some.int(2)), (Some(1), None, Some(3)));
        let Cells::Texts(texts) = Column::texts([Some("ab"), None, Some("")]).cells else {
            panic!("another kind")
        };
        assert_eq!((texts.bytes.as_slice(), texts.len.as_slice()), (&b"ab"[..], &[2, -1, 0][..]));
    }
}
