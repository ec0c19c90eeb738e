//! Statements of many rows, where there are no arrays.

use std::ops::Range;

use crate::bind::{Column, RowStatement};
use crate::limits::{PARAMETERS_MAX, ROWS_OF_A_STATEMENT_MAX, STATEMENT_BYTES_MAX};

/// How many of the rows one statement takes: the first of them at least.
pub(super) fn fitting(columns: &[Column], rows: Range<usize>) -> usize {
    let most = (PARAMETERS_MAX / columns.len().max(1)).clamp(1, ROWS_OF_A_STATEMENT_MAX);
    let mut bytes = 0;
    let fits = |row: &usize| {
        bytes += columns.iter().map(|column| column.bytes(*row)).sum::<usize>();
        bytes <= STATEMENT_BYTES_MAX
    };
    rows.clone().take(most).take_while(fits).count().clamp(1, rows.len().max(1))
}

/// Whether a statement of so many rows is likely to come again, and worth preparing.
pub(super) fn comes_again(columns: &[Column], rows: usize) -> bool {
    rows == (PARAMETERS_MAX / columns.len().max(1)).clamp(1, ROWS_OF_A_STATEMENT_MAX)
}

/// The statement's text for so many rows.
pub(super) fn text(statement: &RowStatement, rows: usize) -> String {
    let RowStatement { head, row, tail } = statement;
    let mut text = String::with_capacity(head.len() + rows * (row.len() + 2) + tail.len());
    text.push_str(head);
    for at in 0..rows {
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(row);
    }
    text.push_str(tail);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::Cells;

    #[test]
    fn rows_stand_one_behind_the_other() {
        let part = |text: &str| text.to_owned();
        let statement = RowStatement {
            head: part("INSERT INTO t VALUES "),
            row: part("(?, ?)"),
            tail: part(" X"),
        };
        assert_eq!(text(&statement, 2), "INSERT INTO t VALUES (?, ?), (?, ?) X");
    }

    #[test]
    fn a_statement_takes_what_its_parameters_and_its_bytes_allow() {
        let narrow = [Cells::Ints(vec![Some(1); 5_000])];
        assert_eq!(fitting(&narrow, 0..5_000), ROWS_OF_A_STATEMENT_MAX);
        assert_eq!(fitting(&narrow, 4_990..5_000), 10);
        let wide = vec![Cells::Ints(vec![None; 5_000]); 100];
        assert_eq!(fitting(&wide, 0..5_000), PARAMETERS_MAX / 100);
        let long = [Cells::Texts(vec![Some("x".repeat(STATEMENT_BYTES_MAX)); 3])];
        assert_eq!(fitting(&long, 0..3), 1);
    }
}
