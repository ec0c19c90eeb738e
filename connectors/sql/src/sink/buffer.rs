//! Rows of one partition that wait to be written.

use std::collections::HashMap;
use std::rc::Rc;

use crate::format::Cell;
use crate::options::{InsertMode, SinkOptions};
use crate::plan::{ColumnPlan, Columns, Deed, Planned};

/// A row, and the record that it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The record's offset.
    pub offset: i64,
    /// A cell for each column.
    pub cells: Vec<Cell>,
}

/// Rows that one statement writes, in the order of offsets.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Their table.
    pub table: Vec<String>,
    /// Write or delete.
    pub deed: Deed,
    /// Their columns.
    pub columns: Columns,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Group {
    /// The rows that are to be written, by index. Of rows of one key the last is what
    /// would remain, and a statement may not meet a key twice; what is inserted is all
    /// there, and the database says what it thinks of it.
    pub fn to_write(&self, mode: InsertMode) -> Vec<usize> {
        let all = 0..self.rows.len();
        if self.deed == Deed::Write && mode == InsertMode::Insert {
            return all.collect();
        }
        let keys: Vec<usize> = (0..self.columns.len()).filter(|at| self.columns[*at].key).collect();
        let mut last = HashMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            let key: Vec<_> = keys.iter().map(|it| format!("{:?}", row.cells[*it])).collect();
            last.insert(key, at);
        }
        let mut kept: Vec<_> = last.into_values().collect();
        kept.sort_unstable();
        kept
    }
}

/// What waits, in groups whose order counts.
#[derive(Debug, Default)]
pub struct Buffer {
    groups: Vec<Group>,
    rows: usize,
    bytes: usize,
}

impl Buffer {
    /// Appends a row.
    pub fn push(&mut self, options: &SinkOptions, table: &[String], offset: i64, row: Planned) {
        self.rows += 1;
        self.bytes += row.cells.iter().map(Cell::bytes).sum::<usize>();
        let cells = row.cells;
        let fits = |group: &&mut Group| {
            group.table == table
                && group.deed == row.deed
                && group.rows.len() < options.batch_size
                && same(&group.columns, &row.columns)
        };
        match self.groups.last_mut().filter(fits) {
            Some(group) => group.rows.push(Row { offset, cells }),
            None => self.groups.push(Group {
                table: table.to_vec(),
                deed: row.deed,
                columns: Rc::new(row.columns),
                rows: vec![Row { offset, cells }],
            }),
        }
    }

    /// How many rows wait.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// About how much memory they take, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The groups, in their order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Takes the rows of these offsets out, which are refused.
    pub fn refuse(&mut self, refused: &[i64]) {
        for group in &mut self.groups {
            group.rows.retain(|row| !refused.contains(&row.offset));
        }
        self.groups.retain(|group| !group.rows.is_empty());
        self.count();
    }

    /// All is written.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn count(&mut self) {
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        self.rows = rows.clone().count();
        self.bytes = rows.flat_map(|row| &row.cells).map(Cell::bytes).sum();
    }
}

/// Columns of one name may have schemas that differ, in a default say; the first counts.
fn same(one: &[ColumnPlan], other: &[ColumnPlan]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one.name == other.name && one.key == other.key)
}

#[cfg(test)]
mod tests {
    use longshore_sdk::Config;

    use super::*;

    fn planned(deed: Deed, id: i64, names: &[&str]) -> Planned {
        let column =
            |name: &&str| ColumnPlan { name: (*name).to_owned(), schema: None, key: *name == "id" };
        let columns: Vec<_> = names.iter().map(column).collect();
        let cells = names.iter().map(|_| Cell::Int(id)).collect();
        Planned { deed, columns, cells }
    }

    fn buffer(rows: &[(Deed, i64, &[&str])]) -> Buffer {
        let options = [("batch.size", "3")].into_iter().collect::<Config>();
        let options = SinkOptions::read(&options).unwrap();
        let mut buffer = Buffer::default();
        for (offset, (deed, id, names)) in rows.iter().enumerate() {
            buffer.push(&options, &["t".to_owned()], offset as i64, planned(*deed, *id, names));
        }
        buffer
    }

    #[test]
    fn rows_that_one_statement_cannot_write_are_of_two_groups() {
        let (old, new): (&[&str], &[&str]) = (&["id", "a"], &["id", "a", "b"]);
        let write = Deed::Write;
        let all = [(write, 1, old), (write, 2, old), (Deed::Delete, 1, &["id"]), (write, 1, new)];
        let sizes: Vec<_> = buffer(&all).groups().iter().map(|group| group.rows.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
        assert_eq!(buffer(&[(write, 1, old); 7]).groups().len(), 3, "`batch.size` bounds them");
    }

    #[test]
    fn of_one_key_the_last_row_counts_unless_it_is_inserted() {
        let rows =
            [(Deed::Write, 1, &["id"][..]), (Deed::Write, 2, &["id"]), (Deed::Write, 1, &["id"])];
        let buffer = buffer(&rows);
        let group = &buffer.groups()[0];
        assert_eq!(group.to_write(InsertMode::Upsert), [1, 2]);
        assert_eq!(group.to_write(InsertMode::Insert), [0, 1, 2]);
    }

    #[test]
    fn refused_rows_leave_the_others() {
        let mut buffer = buffer(&[(Deed::Write, 1, &["id"]), (Deed::Write, 2, &["id"])]);
        let before = buffer.bytes();
        buffer.refuse(&[0]);
        assert_eq!((buffer.rows(), buffer.bytes()), (1, before / 2));
        buffer.refuse(&[1]);
        assert!(buffer.groups().is_empty());
    }
}
