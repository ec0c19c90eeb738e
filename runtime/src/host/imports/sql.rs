//! `sql/session` over the driver `sql`.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use longshore_driver_sql::{
    Cells, Class, Database, Dialect, RowStatement, SqlError, Statement, Transaction,
};
use wasmtime::bail;
use wasmtime::component::Resource;

use super::no_connections_here;
use crate::host::bindings::sql::longshore::sql::session;
use crate::host::bindings::types;
use crate::host::connections::Secrets;
use crate::host::convert;
use crate::host::error::Fault;
use crate::host::guest::Guest;

/// What a `database` resource is: a granted connection.
#[derive(Debug)]
pub struct HostDatabase(Database);

/// What a `transaction` resource is.
#[derive(Debug)]
pub struct HostTransaction(Transaction);

type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

/// A driver's error as the contract's fault.
pub(crate) fn sql_fault(error: &SqlError) -> Fault {
    let (code, message) = (error.code().to_owned(), error.to_string());
    match error.class() {
        Class::Retry => Fault::Retry { code, message, after: None },
        Class::Config => Fault::Config { code, message },
        // A row's own trouble is told of the row; of anything else nobody foresaw it.
        Class::Fatal | Class::Row => Fault::Fatal { code, message },
    }
}

fn answer<T>(secrets: &Secrets, result: Result<T, SqlError>) -> Result<T, types::Fault> {
    result.map_err(|error| convert::to_guest_fault(sql_fault(&error).hiding(secrets)))
}

impl session::Host for Guest {}

impl session::HostDatabase for Guest {
    async fn open(&mut self, connection: String) -> Answer<Resource<HostDatabase>> {
        let Some(context) = &self.context else {
            return Ok(Err(no_connections_here()));
        };
        match context.connections.sql(&connection, context).await {
            Ok((database, secrets)) => {
                self.secrets.extend(&secrets);
                Ok(Ok(self.table.push(HostDatabase(database))?))
            }
            Err(fault) => Ok(Err(convert::to_guest_fault(fault))),
        }
    }

    async fn dialect(
        &mut self,
        database: Resource<HostDatabase>,
    ) -> wasmtime::Result<session::Dialect> {
        let HostDatabase(database) = self.table.get(&database)?;
        Ok(match database.dialect() {
            Dialect::Postgresql => session::Dialect::Postgresql,
            Dialect::Mysql => session::Dialect::Mysql,
            Dialect::Sqlite => session::Dialect::Sqlite,
        })
    }

    async fn table(
        &mut self,
        database: Resource<HostDatabase>,
        name: Vec<String>,
    ) -> Answer<Option<Vec<session::TableColumn>>> {
        let HostDatabase(database) = self.table.get(&database)?;
        let columns = answer(&self.secrets, database.table(&name).await);
        let column = |column: longshore_driver_sql::TableColumn| session::TableColumn {
            name: column.name,
            sql_type: column.sql_type,
            nullable: column.nullable,
            defaulted: column.defaulted,
            key: column.key,
        };
        Ok(columns.map(|found| found.map(|columns| columns.into_iter().map(column).collect())))
    }

    async fn execute(&mut self, database: Resource<HostDatabase>, statement: String) -> Answer<()> {
        let HostDatabase(database) = self.table.get(&database)?;
        Ok(answer(&self.secrets, database.execute(&statement).await))
    }

    async fn begin(
        &mut self,
        database: Resource<HostDatabase>,
    ) -> Answer<Resource<HostTransaction>> {
        let HostDatabase(database) = self.table.get(&database)?;
        match answer(&self.secrets, database.begin().await) {
            Ok(transaction) => Ok(Ok(self.table.push(HostTransaction(transaction))?)),
            Err(fault) => Ok(Err(fault)),
        }
    }

    async fn drop(&mut self, database: Resource<HostDatabase>) -> wasmtime::Result<()> {
        self.table.delete(database)?;
        Ok(())
    }
}

impl session::HostTransaction for Guest {
    async fn apply(
        &mut self,
        transaction: Resource<HostTransaction>,
        statement: session::Statement,
        rows: Vec<session::Column>,
    ) -> Answer<Vec<types::Reject>> {
        let columns = rows.into_iter().map(cells).collect::<wasmtime::Result<Vec<_>>>()?;
        let statement = match statement {
            session::Statement::Arrays(text) => Statement::Arrays(text),
            session::Statement::Each(text) => Statement::Each(text),
            session::Statement::Rows(session::RowStatement { head, row, tail }) => {
                Statement::Rows(RowStatement { head, row, tail })
            }
        };
        let HostTransaction(transaction) = self.table.get_mut(&transaction)?;
        let applied = transaction.apply(&statement, &columns).await;
        let secrets = &self.secrets;
        Ok(answer(secrets, applied).map(|refused| {
            let reject = |refused: longshore_driver_sql::Refused| types::Reject {
                at: refused.row as u32,
                why: types::Detail {
                    code: refused.error.code().to_owned(),
                    message: secrets.hide(refused.error.to_string()),
                },
            };
            refused.into_iter().map(reject).collect()
        }))
    }

    async fn query(
        &mut self,
        transaction: Resource<HostTransaction>,
        statement: String,
        params: Vec<session::Column>,
    ) -> Answer<Vec<session::Column>> {
        let parameters = params.into_iter().map(cells).collect::<wasmtime::Result<Vec<_>>>()?;
        if parameters.iter().any(|column| column.len() != 1) {
            bail!("transaction.query takes parameters of one row");
        }
        let HostTransaction(transaction) = self.table.get_mut(&transaction)?;
        let answered = transaction.query(&statement, &parameters).await;
        Ok(answer(&self.secrets, answered).map(|found| found.into_iter().map(column).collect()))
    }

    async fn commit(&mut self, transaction: Resource<HostTransaction>) -> Answer<()> {
        let HostTransaction(transaction) = self.table.get_mut(&transaction)?;
        Ok(answer(&self.secrets, transaction.commit().await))
    }

    async fn drop(&mut self, transaction: Resource<HostTransaction>) -> wasmtime::Result<()> {
        self.table.delete(transaction)?;
        Ok(())
    }
}

/// A guest's column, checked: what lies about itself traps.
fn cells(column: session::Column) -> wasmtime::Result<Cells> {
    let session::Column { cells, nulls } = column;
    let rows = match &cells {
        session::Cells::Booleans(cells) => cells.len(),
        session::Cells::Ints(cells) => cells.len(),
        session::Cells::Floats(cells) => cells.len(),
        session::Cells::Texts(cells) | session::Cells::Bytes(cells) => cells.len.len(),
    };
    if !nulls.is_empty() && nulls.len() != rows {
        bail!("a column of {rows} rows tells of {} whether they are null", nulls.len());
    }
    let null = |row: usize| nulls.get(row).is_some_and(|null| *null != 0);
    fn there<T>(cells: Vec<T>, null: impl Fn(usize) -> bool) -> Vec<Option<T>> {
        cells.into_iter().enumerate().map(|(row, cell)| (!null(row)).then_some(cell)).collect()
    }
    Ok(match cells {
        session::Cells::Booleans(cells) => {
            Cells::Booleans(there(cells.into_iter().map(|cell| cell != 0).collect(), null))
        }
        session::Cells::Ints(cells) => Cells::Ints(there(cells, null)),
        session::Cells::Floats(cells) => Cells::Floats(there(cells, null)),
        session::Cells::Texts(packed) => {
            let mut texts = Vec::with_capacity(rows);
            for (row, part) in unpacked(&packed)?.into_iter().enumerate() {
                let part = part.filter(|_| !null(row));
                texts.push(
                    part.map(|part| std::str::from_utf8(part)).transpose()?.map(str::to_owned),
                );
            }
            Cells::Texts(texts)
        }
        session::Cells::Bytes(packed) => {
            let parts = unpacked(&packed)?.into_iter().enumerate();
            Cells::Bytes(
                parts.map(|(row, part)| part.filter(|_| !null(row)).map(<[u8]>::to_vec)).collect(),
            )
        }
    })
}

fn unpacked(packed: &types::Packed) -> wasmtime::Result<Vec<Option<&[u8]>>> {
    let mut rest = packed.bytes.as_slice();
    let mut parts = Vec::with_capacity(packed.len.len());
    for len in &packed.len {
        if *len == -1 {
            parts.push(None);
            continue;
        }
        let part = usize::try_from(*len).ok().and_then(|len| rest.split_at_checked(len));
        let Some((part, behind)) = part else {
            bail!("a column's lengths are not those of its bytes");
        };
        parts.push(Some(part));
        rest = behind;
    }
    Ok(parts)
}

/// A driver's column, for a guest.
fn column(cells: Cells) -> session::Column {
    fn split<T: Default>(cells: Vec<Option<T>>) -> (Vec<T>, Vec<u8>) {
        let nulls = match cells.iter().any(Option::is_none) {
            true => cells.iter().map(|cell| u8::from(cell.is_none())).collect(),
            false => Vec::new(),
        };
        (cells.into_iter().map(Option::unwrap_or_default).collect(), nulls)
    }
    fn packed<T: AsRef<[u8]>>(cells: &[Option<T>]) -> types::Packed {
        let mut packed = types::Packed { bytes: Vec::new(), len: Vec::with_capacity(cells.len()) };
        for cell in cells {
            match cell {
                Some(cell) => {
                    packed.bytes.extend_from_slice(cell.as_ref());
                    packed.len.push(cell.as_ref().len() as i32);
                }
                None => packed.len.push(-1),
            }
        }
        packed
    }
    let (cells, nulls) = match cells {
        Cells::Booleans(cells) => {
            let (cells, nulls) = split(cells);
            (session::Cells::Booleans(cells.into_iter().map(u8::from).collect()), nulls)
        }
        Cells::Ints(cells) => {
            let (cells, nulls) = split(cells);
            (session::Cells::Ints(cells), nulls)
        }
        Cells::Floats(cells) => {
            let (cells, nulls) = split(cells);
            (session::Cells::Floats(cells), nulls)
        }
        Cells::Texts(cells) => (session::Cells::Texts(packed(&cells)), Vec::new()),
        Cells::Bytes(cells) => (session::Cells::Bytes(packed(&cells)), Vec::new()),
    };
    session::Column { cells, nulls }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_with_their_nulls() {
        for all in [
            Cells::Booleans(vec![Some(true), None, Some(false)]),
            Cells::Ints(vec![Some(-1), Some(i64::MAX)]),
            Cells::Floats(vec![None]),
            Cells::Texts(vec![Some("ä".to_owned()), None, Some(String::new())]),
            Cells::Bytes(vec![Some(vec![0, 255]), None]),
        ] {
            assert_eq!(cells(column(all.clone())).unwrap(), all);
        }
    }

    #[test]
    fn a_column_that_lies_about_itself_is_refused() {
        let packed =
            |bytes: &[u8], len: &[i32]| types::Packed { bytes: bytes.into(), len: len.into() };
        for lie in [
            session::Column { cells: session::Cells::Ints(vec![1, 2]), nulls: vec![0] },
            session::Column { cells: session::Cells::Texts(packed(b"ab", &[3])), nulls: vec![] },
            session::Column { cells: session::Cells::Texts(packed(b"ab", &[-2])), nulls: vec![] },
            session::Column { cells: session::Cells::Texts(packed(&[255], &[1])), nulls: vec![] },
        ] {
            assert!(cells(lie).is_err());
        }
    }
}
