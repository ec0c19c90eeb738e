//! Tables that are there, made, or given columns.

use std::collections::HashMap;
use std::rc::Rc;

use longshore_sdk::Fault;
use longshore_sdk::sql::{Dialect, TableColumn};

use crate::dialect::{add_column, create};
use crate::options::SinkOptions;
use crate::plan::{ColumnPlan, Deed};
use crate::sink::store::Store;

/// Bytes of a name that PostgreSQL does not cut (its `NAMEDATALEN`, less one).
const POSTGRESQL_NAME_BYTES_MAX: usize = 63;

/// What is known of the tables; looked at again once a statement fails.
#[derive(Debug, Default)]
pub struct Tables {
    known: HashMap<Vec<String>, Rc<Vec<TableColumn>>>,
}

/// A table cannot take rows of these columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit(pub String);

impl Tables {
    /// Forgets them: they may have changed.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// The table's columns, once it has all of these. The inner error is of the rows.
    pub fn fit<S: Store>(
        &mut self,
        store: &S,
        options: &SinkOptions,
        table: &[String],
        columns: &[ColumnPlan],
        deed: Deed,
    ) -> Result<Result<Rc<Vec<TableColumn>>, Unfit>, Fault> {
        // Longer names are cut: two topics would share a table.
        if store.dialect() == Dialect::Postgresql
            && table.iter().any(|part| part.len() > POSTGRESQL_NAME_BYTES_MAX)
        {
            let (name, most) = (table.join("."), POSTGRESQL_NAME_BYTES_MAX);
            let words = format!("PostgreSQL's names have {most} bytes at the most: `{name}`");
            return Err(Fault::config("table-name-too-long", words));
        }
        let there = match self.look(store, table)? {
            Some(there) => there,
            None if options.auto_create && deed == Deed::Write => {
                let definition = create(store.dialect(), table, columns);
                self.make(store, table, &definition, |found| found.is_some())?
            }
            None if deed == Deed::Delete && options.auto_create => {
                // Nothing is there to be deleted.
                return Ok(Ok(Rc::default()));
            }
            None => {
                let words = format!(
                    "there is no table `{}`: make it, or let `auto.create=true` make it",
                    table.join(".")
                );
                return Err(Fault::config("no-such-table", words));
            }
        };
        self.evolve(store, options, table, columns, there)
    }

    fn evolve<S: Store>(
        &mut self,
        store: &S,
        options: &SinkOptions,
        table: &[String],
        columns: &[ColumnPlan],
        mut there: Rc<Vec<TableColumn>>,
    ) -> Result<Result<Rc<Vec<TableColumn>>, Unfit>, Fault> {
        for column in columns {
            if find(&there, &column.name).is_some() {
                continue;
            }
            let (name, table_name) = (&column.name, table.join("."));
            if !options.auto_evolve {
                return Ok(Err(Unfit(format!(
                    "the table `{table_name}` has no column `{name}`; `auto.evolve=true` lets it \
                     be added"
                ))));
            }
            if column.key {
                return Ok(Err(Unfit(format!(
                    "the table `{table_name}` has no column `{name}` of the primary key, which \
                     cannot be added"
                ))));
            }
            let definition = add_column(store.dialect(), table, column);
            let has_it = |found: Option<&[TableColumn]>| {
                found.is_some_and(|columns| find(columns, name).is_some())
            };
            there = self.make(store, table, &definition, has_it)?;
        }
        Ok(Ok(there))
    }

    fn look<S: Store>(
        &mut self,
        store: &S,
        table: &[String],
    ) -> Result<Option<Rc<Vec<TableColumn>>>, Fault> {
        if let Some(known) = self.known.get(table) {
            return Ok(Some(known.clone()));
        }
        let found = store.table(table)?.map(Rc::new);
        if let Some(columns) = &found {
            self.known.insert(table.to_vec(), columns.clone());
        }
        Ok(found)
    }

    /// Another task may be quicker: what counts is what is there afterwards.
    fn make<S: Store>(
        &mut self,
        store: &S,
        table: &[String],
        definition: &str,
        done: impl Fn(Option<&[TableColumn]>) -> bool,
    ) -> Result<Rc<Vec<TableColumn>>, Fault> {
        let made = store.execute(definition);
        self.known.remove(table);
        let found = self.look(store, table)?;
        match (made, found) {
            (_, Some(found)) if done(Some(found.as_slice())) => Ok(found),
            (Err(fault), _) => Err(fault),
            (Ok(()), _) => {
                let words =
                    format!("the table `{}` is not there after it was made", table.join("."));
                Err(Fault::fatal("no-such-table", words))
            }
        }
    }
}

/// A table's column; names that differ in case alone are taken for one where nothing
/// fits better.
pub fn find<'a>(columns: &'a [TableColumn], name: &str) -> Option<&'a TableColumn> {
    let same = columns.iter().find(|column| column.name == name);
    same.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
}
