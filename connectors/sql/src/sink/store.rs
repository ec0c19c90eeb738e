//! The database as the sink needs it: the contract's, or in tests one of their own.

use longshore_sdk::sql::{Column, Database, Dialect, Statement, TableColumn};
use longshore_sdk::{Fault, Reject, sql};

/// A database.
pub trait Store {
    /// A transaction of it; dropping one rolls it back.
    type Transaction: Transaction;
    /// Which SQL it speaks.
    fn dialect(&self) -> Dialect;
    /// A table's columns, if it is there.
    fn table(&self, name: &[String]) -> Result<Option<Vec<TableColumn>>, Fault>;
    /// A statement by itself.
    fn execute(&self, statement: &str) -> Result<(), Fault>;
    /// Begins a transaction.
    fn begin(&self) -> Result<Self::Transaction, Fault>;
}

/// A transaction.
pub trait Transaction {
    /// Applies a statement to rows; those that are refused are told.
    fn apply(&self, statement: &Statement, rows: &[Column]) -> Result<Vec<Reject>, Fault>;
    /// What a query answers.
    fn query(&self, statement: &str, parameters: &[Column]) -> Result<Vec<Column>, Fault>;
    /// Makes it durable; after a fault nobody knows whether it is.
    fn commit(self) -> Result<(), Fault>;
}

impl Store for Database {
    type Transaction = sql::Transaction;

    fn dialect(&self) -> Dialect {
        Self::dialect(self)
    }

    fn table(&self, name: &[String]) -> Result<Option<Vec<TableColumn>>, Fault> {
        Self::table(self, name)
    }

    fn execute(&self, statement: &str) -> Result<(), Fault> {
        Self::execute(self, statement)
    }

    fn begin(&self) -> Result<Self::Transaction, Fault> {
        Self::begin(self)
    }
}

impl Transaction for sql::Transaction {
    fn apply(&self, statement: &Statement, rows: &[Column]) -> Result<Vec<Reject>, Fault> {
        Self::apply(self, statement, rows)
    }

    fn query(&self, statement: &str, parameters: &[Column]) -> Result<Vec<Column>, Fault> {
        Self::query(self, statement, parameters)
    }

    fn commit(self) -> Result<(), Fault> {
        Self::commit(&self)
    }
}
