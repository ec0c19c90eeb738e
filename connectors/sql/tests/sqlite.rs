//! The sink over a real database, SQLite, reached as the host reaches it.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use longshore_connector_sql::options::SinkOptions;
use longshore_connector_sql::sink::Task;
use longshore_connector_sql::sink::store::{Store, Transaction};
use longshore_driver_sql::{Access, Class, Database, SqlConfig, SqlError};
use longshore_sdk::sql::{Cells, Column, Dialect, RowStatement, Statement, TableColumn};
use longshore_sdk::testkit::Testkit;
use longshore_sdk::values::{Builder, Kind, Schema, Schemas, Value};
use longshore_sdk::{Config, Fault, Partition, Records, Reject};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A database of the driver, how its next commit ends, and how long each of its
/// transactions takes on the kit's clock.
#[derive(Clone)]
struct Sqlite {
    runtime: Rc<Runtime>,
    database: Database,
    folder: Rc<TempDir>,
    lost: Rc<RefCell<Lost>>,
    slow: Rc<RefCell<Option<Slow>>>,
}

/// Moves the kit's clock with each transaction.
#[derive(Clone)]
struct Slow(Rc<Testkit>, Duration);

/// What is lost of the next commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Nothing,
    Commit,
    Answer,
}

fn fault(error: SqlError) -> Fault {
    match error.class() {
        Class::Retry => Fault::retry(error.code(), error),
        Class::Config => Fault::config(error.code(), error),
        Class::Fatal | Class::Row => Fault::fatal(error.code(), error),
    }
}

fn theirs(column: &Column) -> longshore_driver_sql::Column {
    use longshore_driver_sql::Cells as Theirs;
    let null = |row: usize| column.nulls.get(row).is_some_and(|null| *null == 1);
    let parts = |packed: &longshore_sdk::bindings::describe::longshore::base::types::Packed| {
        let mut at = 0;
        let part = |len: &i32| {
            let part = usize::try_from(*len).ok().map(|len| packed.bytes[at..at + len].to_vec());
            at += part.as_ref().map_or(0, Vec::len);
            part
        };
        packed.len.iter().map(part).collect::<Vec<_>>()
    };
    match &column.cells {
        Cells::Booleans(all) => Theirs::Booleans(
            all.iter().enumerate().map(|(row, it)| (!null(row)).then_some(*it == 1)).collect(),
        ),
        Cells::Ints(all) => Theirs::Ints(
            all.iter().enumerate().map(|(row, it)| (!null(row)).then_some(*it)).collect(),
        ),
        Cells::Floats(all) => Theirs::Floats(
            all.iter().enumerate().map(|(row, it)| (!null(row)).then_some(*it)).collect(),
        ),
        Cells::Texts(packed) => Theirs::Texts(
            parts(packed)
                .into_iter()
                .map(|it| it.map(|it| String::from_utf8(it).unwrap()))
                .collect(),
        ),
        Cells::Bytes(packed) => Theirs::Bytes(parts(packed)),
    }
}

fn ours(column: longshore_driver_sql::Column) -> Column {
    match column {
        longshore_driver_sql::Cells::Ints(all) => Column::ints(all),
        other => panic!("{other:?}"),
    }
}

struct Begun {
    runtime: Rc<Runtime>,
    /// None once it is dropped.
    transaction: RefCell<Option<longshore_driver_sql::Transaction>>,
    lost: Rc<RefCell<Lost>>,
}

impl Drop for Begun {
    /// Its connection is closed by the runtime.
    fn drop(&mut self) {
        let _runtime = self.runtime.enter();
        drop(self.transaction.take());
    }
}

impl Store for Sqlite {
    type Transaction = Begun;

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn table(&self, name: &[String]) -> Result<Option<Vec<TableColumn>>, Fault> {
        let found = self.runtime.block_on(self.database.table(name)).map_err(fault)?;
        let column = |column: longshore_driver_sql::TableColumn| TableColumn {
            name: column.name,
            sql_type: column.sql_type,
            nullable: column.nullable,
            defaulted: column.defaulted,
            key: column.key,
        };
        Ok(found.map(|columns| columns.into_iter().map(column).collect()))
    }

    fn execute(&self, statement: &str) -> Result<(), Fault> {
        self.runtime.block_on(self.database.execute(statement)).map_err(fault)
    }

    fn begin(&self) -> Result<Begun, Fault> {
        let transaction = self.runtime.block_on(self.database.begin()).map_err(fault)?;
        if let Some(Slow(kit, time)) = &*self.slow.borrow() {
            kit.advance(*time);
        }
        let (runtime, lost) = (self.runtime.clone(), self.lost.clone());
        Ok(Begun { runtime, transaction: RefCell::new(Some(transaction)), lost })
    }
}

impl Transaction for Begun {
    fn apply(&self, statement: &Statement, rows: &[Column]) -> Result<Vec<Reject>, Fault> {
        let statement = match statement {
            Statement::Arrays(text) => longshore_driver_sql::Statement::Arrays(text.clone()),
            Statement::Each(text) => longshore_driver_sql::Statement::Each(text.clone()),
            Statement::Rows(RowStatement { head, row, tail }) => {
                longshore_driver_sql::Statement::Rows(longshore_driver_sql::RowStatement {
                    head: head.clone(),
                    row: row.clone(),
                    tail: tail.clone(),
                })
            }
        };
        let columns: Vec<_> = rows.iter().map(theirs).collect();
        let mut transaction = self.transaction.borrow_mut();
        let transaction = transaction.as_mut().unwrap();
        let refused =
            self.runtime.block_on(transaction.apply(&statement, &columns)).map_err(fault)?;
        let reject = |refused: longshore_driver_sql::Refused| {
            Reject::new(refused.row as u32, refused.error.code(), refused.error)
        };
        Ok(refused.into_iter().map(reject).collect())
    }

    fn query(&self, statement: &str, parameters: &[Column]) -> Result<Vec<Column>, Fault> {
        let parameters: Vec<_> = parameters.iter().map(theirs).collect();
        let mut transaction = self.transaction.borrow_mut();
        let transaction = transaction.as_mut().unwrap();
        let found = self.runtime.block_on(transaction.query(statement, &parameters));
        Ok(found.map_err(fault)?.into_iter().map(ours).collect())
    }

    fn commit(self) -> Result<(), Fault> {
        let lost = self.lost.replace(Lost::Nothing);
        let gone = || Err(Fault::retry("connection-lost", "the connection is lost"));
        if lost == Lost::Commit {
            return gone();
        }
        let mut transaction = self.transaction.borrow_mut();
        self.runtime.block_on(transaction.as_mut().unwrap().commit()).map_err(fault)?;
        if lost == Lost::Answer { gone() } else { Ok(()) }
    }
}

impl Sqlite {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let folder = TempDir::new().unwrap();
        let config =
            SqlConfig::Sqlite { root: folder.path().to_owned(), file: "test.db".to_owned() };
        let access = Access::Write(std::sync::Arc::new(|| true));
        let database = runtime.block_on(Database::open(&config, access)).unwrap();
        let lost = Rc::new(RefCell::new(Lost::Nothing));
        let slow = Rc::default();
        Self { runtime: Rc::new(runtime), database, folder: Rc::new(folder), lost, slow }
    }

    fn task(&self, options: &[(&str, &str)]) -> Task<Self> {
        let config: Config = [("name", "c")].iter().chain(options).copied().collect();
        Task::open(self.clone(), SinkOptions::read(&config).unwrap()).unwrap()
    }

    /// Lines of what a query answers, as SQLite's own Python module has it.
    fn rows(&self, query: &str) -> Vec<String> {
        let script = "import sqlite3, sys\n\
            for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(*row, sep='|')";
        let run = std::process::Command::new("python3")
            .args(["-c", script])
            .arg(self.folder.path().join("test.db"))
            .arg(query)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn orders() -> Partition {
    Partition { topic: "orders".to_owned(), number: 0 }
}

/// Records with an id as key, and a struct of id and name or a tombstone.
fn batch(kit: &Testkit, first: i64, all: &[(i64, Option<&str>)]) -> Records {
    let mut schemas = Schemas::new();
    let key = Schema::new(Kind::Int64);
    let value = Schema::structure([
        ("id", Schema::new(Kind::Int64)),
        ("name", Schema::new(Kind::String).optional()),
    ]);
    let (key_id, value_id) = (schemas.define(&key).unwrap(), schemas.define(&value).unwrap());
    let mut batch = Builder::new();
    for (id, name) in all {
        let row = match name {
            Some(name) => Value::Struct(vec![Value::Int(*id), Value::text(*name)]),
            None => Value::Null,
        };
        batch
            .push((Some((key_id, &key)), &Value::Int(*id)), (Some((value_id, &value)), &row))
            .unwrap();
    }
    let mut batch = batch.finish();
    batch.columns.offset = (first..).take(all.len()).collect();
    kit.records(batch)
}

const UPSERT: [(&str, &str); 5] = [
    ("insert.mode", "upsert"),
    ("pk.mode", "record_key"),
    ("pk.fields", "id"),
    ("auto.create", "true"),
    ("delete.enabled", "true"),
];

#[test]
fn rows_are_written_replaced_and_deleted_with_their_position() {
    let (kit, database) = (Testkit::new(), Sqlite::new());
    let mut task = database.task(&UPSERT);
    assert_eq!(task.assigned(&[orders()]).unwrap(), []);
    let records = batch(&kit, 5, &[(1, Some("a")), (2, Some("b")), (1, Some("c")), (2, None)]);
    assert_eq!(task.put(&orders(), "orders", &records).unwrap(), []);
    let progress = task.write();
    assert_eq!(progress.marks[0].next, 9, "{progress:?}");
    assert_eq!(database.rows("SELECT * FROM orders"), ["1|c"]);
    assert_eq!(database.rows("SELECT * FROM longshore_offsets"), ["c|orders|0|9"]);
    let again = database.task(&UPSERT).assigned(&[orders()]).unwrap();
    assert_eq!(again[0].next, 9, "whoever comes next goes on there");
}

#[test]
fn a_row_that_the_database_refuses_is_told_before_any_position_passes_it() {
    let (kit, database) = (Testkit::new(), Sqlite::new());
    let options = [("pk.mode", "record_value"), ("pk.fields", "id"), ("auto.create", "true")];
    let mut task = database.task(&options);
    task.assigned(&[orders()]).unwrap();
    let rows = [(1, Some("a")), (2, Some("b")), (1, Some("again")), (3, Some("c")), (2, Some("x"))];
    task.put(&orders(), "orders", &batch(&kit, 0, &rows)).unwrap();
    let first = task.write();
    let refused: Vec<_> = first.rejects.iter().map(|it| (it.offset, it.code.as_str())).collect();
    assert_eq!(refused, [(2, "unique-violation"), (4, "unique-violation")]);
    assert!(first.marks.is_empty());
    assert_eq!(database.rows("SELECT * FROM longshore_offsets"), [""; 0]);
    let second = task.write();
    assert_eq!((second.marks[0].next, second.rejects.len()), (5, 0));
    assert_eq!(database.rows("SELECT * FROM orders"), ["1|a", "2|b", "3|c"]);
}

#[test]
fn a_row_that_is_refused_while_more_come_holds_the_position_until_it_is_told() {
    let (kit, database) = (Testkit::new(), Sqlite::new());
    let options = [
        ("pk.mode", "record_value"),
        ("pk.fields", "id"),
        ("auto.create", "true"),
        ("batch.size", "1"),
    ];
    let mut task = database.task(&options);
    task.assigned(&[orders()]).unwrap();
    let mut put = |first: i64, all: &[(i64, Option<&str>)]| {
        task.put(&orders(), "orders", &batch(&kit, first, all)).unwrap();
    };
    put(0, &[(1, Some("a")), (1, Some("again"))]);
    // What waited is written by the next, and refused in part.
    put(2, &[(2, Some("b"))]);
    put(3, &[(3, Some("c"))]);
    assert_eq!(database.rows("SELECT * FROM longshore_offsets"), [""; 0]);
    let told = task.write();
    assert_eq!((told.rejects.len(), told.rejects[0].offset, told.marks.len()), (1, 1, 0));
    assert_eq!(task.write().marks[0].next, 4);
    assert_eq!(database.rows("SELECT * FROM orders"), ["1|a", "2|b", "3|c"]);
}

#[test]
fn a_commit_of_which_nothing_was_heard_is_neither_lost_nor_repeated() {
    for lost in [Lost::Commit, Lost::Answer] {
        let (kit, database) = (Testkit::new(), Sqlite::new());
        let mut task = database.task(&[("auto.create", "true")]);
        task.assigned(&[orders()]).unwrap();
        task.put(&orders(), "orders", &batch(&kit, 0, &[(1, Some("a"))])).unwrap();
        *database.lost.borrow_mut() = lost;
        let progress = task.write();
        assert_eq!((progress.stalled.len(), progress.marks.len()), (1, 0));
        task.put(&orders(), "orders", &batch(&kit, 1, &[(2, Some("b"))])).unwrap();
        assert_eq!(task.write().marks[0].next, 2);
        assert_eq!(database.rows("SELECT * FROM orders"), ["1|a", "2|b"]);
    }
}

#[test]
fn a_task_that_was_cut_off_writes_nothing_beside_the_new_owner() {
    let (kit, database) = (Testkit::new(), Sqlite::new());
    let options = [("auto.create", "true")];
    let (mut old, mut new) = (database.task(&options), database.task(&options));
    for task in [&mut old, &mut new] {
        task.assigned(&[orders()]).unwrap();
        task.put(&orders(), "orders", &batch(&kit, 0, &[(1, Some("a"))])).unwrap();
    }
    assert_eq!(new.write().marks[0].next, 1);
    let progress = old.write();
    let Fault::Fatal(why) = &progress.stalled[0].fault else { panic!("{progress:?}") };
    assert_eq!(why.code, "position-moved");
    assert_eq!(database.rows("SELECT * FROM orders"), ["1|a"]);
    // The same where both went on from a position.
    let mut old = database.task(&options);
    for task in [&mut old, &mut new] {
        task.assigned(&[orders()]).unwrap();
        task.put(&orders(), "orders", &batch(&kit, 1, &[(2, Some("b"))])).unwrap();
    }
    assert_eq!(new.write().marks[0].next, 2);
    let progress = old.write();
    assert!(matches!(&progress.stalled[0].fault, Fault::Fatal(_)), "{progress:?}");
    assert_eq!(database.rows("SELECT * FROM orders"), ["1|a", "2|b"]);
}

#[test]
fn partitions_of_a_slow_database_are_written_in_turn_within_the_time_of_a_call() {
    let (kit, database) = (Rc::new(Testkit::new()), Sqlite::new());
    let mut task = database.task(&[("auto.create", "true")]);
    let partitions: Vec<_> = (0..3).map(|number| Partition { number, ..orders() }).collect();
    task.assigned(&partitions).unwrap();
    let put = |task: &mut Task<Sqlite>, first: i64| {
        for partition in &partitions {
            let rows = batch(&kit, first, &[(first, Some("a"))]);
            task.put(partition, "orders", &rows).unwrap();
        }
    };
    put(&mut task, 0);
    *database.slow.borrow_mut() = Some(Slow(kit.clone(), Duration::from_secs(5)));
    let written = |task: &mut Task<Sqlite>| -> Vec<_> {
        task.write().marks.iter().map(|mark| (mark.partition.number, mark.next)).collect()
    };
    assert_eq!(written(&mut task), [(0, 1), (1, 1)]);
    put(&mut task, 1);
    assert_eq!(written(&mut task), [(2, 2), (0, 2)]);
    assert_eq!(written(&mut task), [(1, 2)]);
    put(&mut task, 2);
    let revoked = task.revoked(&partitions);
    assert_eq!(revoked.marks.len(), 2, "what is left is the next owner's");
    assert_eq!(database.rows("SELECT count(*) FROM orders"), ["8"]);
}

#[test]
fn an_update_of_a_row_that_has_nothing_but_its_key_changes_nothing() {
    let (kit, database) = (Testkit::new(), Sqlite::new());
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)").unwrap();
    database.execute("INSERT INTO orders VALUES (1, 'x')").unwrap();
    let mut task = database.task(&[
        ("insert.mode", "update"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("fields.whitelist", "id"),
    ]);
    task.assigned(&[orders()]).unwrap();
    task.put(&orders(), "orders", &batch(&kit, 0, &[(1, Some("a")), (2, Some("b"))])).unwrap();
    let progress = task.write();
    assert_eq!((progress.marks[0].next, progress.rejects.len()), (2, 0));
    assert_eq!(database.rows("SELECT * FROM orders"), ["1|x"]);
}

#[test]
fn tables_get_columns_only_where_they_may() {
    let (kit, database) = (Testkit::new(), Sqlite::new());
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)").unwrap();
    let put = |task: &mut Task<Sqlite>| {
        task.assigned(&[orders()]).unwrap();
        task.put(&orders(), "orders", &batch(&kit, 0, &[(1, Some("a"))])).unwrap();
        task.write()
    };
    let refused = put(&mut database.task(&[]));
    assert_eq!(refused.rejects[0].code, "missing-column");
    assert_eq!(put(&mut database.task(&[("auto.evolve", "true")])).marks[0].next, 1);
    assert_eq!(database.rows("SELECT * FROM orders"), ["1|a"]);
    let absent = put(&mut database.task(&[("table.name.format", "nil"), ("name", "d")]));
    let Fault::Config(why) = &absent.stalled[0].fault else { panic!("{absent:?}") };
    assert_eq!(why.code, "no-such-table");
}
