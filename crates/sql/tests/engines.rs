//! Both engines keep the same promises.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nephoscope_sql::{Constraint, Database, Error, Migration, Options, Schema, Statement, Value};
use testkit::PostgreSql;
use tokio::task::JoinSet;
use uuid::Uuid;

const SCHEMA: Schema = Schema {
    name: "test",
    migrations: &[
        Migration {
            version: 1,
            name: "first",
            statements: "CREATE TABLE parent (id {integer} PRIMARY KEY NOT NULL, name {text} UNIQUE, size {real},
                key {uuid}, flag {bool}, CHECK (size >= 0)) {strict};
                CREATE TABLE child (number {serial}, parent {integer} NOT NULL REFERENCES parent (id)) {strict};",
        },
        Migration { version: 2, name: "second", statements: "INSERT INTO parent (id, size) VALUES (1, 0);" },
    ],
};

fn options() -> Options {
    Options { deadline: Duration::from_mins(1), ..Options::default() }
}

async fn values_come_back(database: &Database) {
    assert_eq!(database.migrate(&SCHEMA).await.unwrap(), 2);
    assert_eq!(database.migrate(&SCHEMA).await.unwrap(), 0);
    let key = Uuid::from_u128(7);
    let insert = "INSERT INTO parent (id, name, size, key, flag) VALUES ($1, $2, $3, $4, $5)";
    let rows = vec![
        vec![2_i64.into(), "it's $1 é".into(), 2.5.into(), key.into(), true.into()],
        vec![3_i64.into(), Value::Null, f64::INFINITY.into(), Value::Null, false.into()],
    ];
    let rows = &rows;
    let changed: Result<u64, Error> = database
        .write(|transaction| async move { transaction.execute_many(insert, rows.clone()).await })
        .await;
    assert_eq!(changed.unwrap(), 2);
    let found: Vec<_> = database
        .read(|transaction| async move {
            transaction
                .query("SELECT id, name, size, key, flag, '$9' FROM parent WHERE id > 1 ORDER BY id")
                .await
        })
        .await
        .unwrap();
    let [first, second] = &found[..] else { panic!("{found:?}") };
    assert_eq!(first.integer(0).unwrap(), 2);
    assert_eq!(first.text(1).unwrap(), "it's $1 é");
    assert_eq!(first.optional_real(2).unwrap(), Some(2.5));
    assert_eq!(first.uuid(3).unwrap(), key);
    assert!(first.bool(4).unwrap());
    assert_eq!(first.text(5).unwrap(), "$9");
    assert_eq!(second.optional_text(1).unwrap(), None);
    assert_eq!(second.optional_real(2).unwrap(), Some(f64::INFINITY));
    assert!(second.text(0).unwrap_err().to_string().contains("is integer and not text"));
    let changed: u64 = database
        .write(|transaction| async move {
            transaction
                .execute(Statement::new("UPDATE parent SET flag = $1 WHERE id > $2").bind(true).bind(1_i64))
                .await
        })
        .await
        .unwrap();
    assert_eq!(changed, 2);
}

async fn what_fails_leaves_nothing(database: &Database) {
    for (statement, kind) in [
        ("INSERT INTO parent (id) VALUES (1)", Constraint::Unique),
        ("INSERT INTO child (parent) VALUES (99)", Constraint::ForeignKey),
        ("INSERT INTO parent (id, size) VALUES (50, -1)", Constraint::Check),
        ("INSERT INTO child (parent) VALUES (NULL)", Constraint::NotNull),
    ] {
        let tries = AtomicU32::new(0);
        let tries = &tries;
        let done: Result<(), Error> = database
            .write(|transaction| async move {
                tries.fetch_add(1, Ordering::Relaxed);
                transaction.execute("INSERT INTO parent (id, name) VALUES (40, 'lost')").await?;
                transaction.execute(statement).await.map(drop)
            })
            .await;
        let error = done.unwrap_err();
        assert!(
            matches!(&error, Error::Constraint { kind: found, .. } if *found == kind),
            "{statement}: {error}"
        );
        assert!(tries.load(Ordering::Relaxed) > 1, "somebody may have taken the key meanwhile");
    }
    let tries = AtomicU32::new(0);
    let tries = &tries;
    let done: Result<(), Error> = database
        .write(|transaction| async move {
            tries.fetch_add(1, Ordering::Relaxed);
            transaction.execute("INSERT INTO parent (id, name) VALUES (40, 'lost')").await?;
            transaction.execute("NONSENSE").await.map(drop)
        })
        .await;
    assert!(matches!(&done, Err(Error::Statement { statement, .. }) if statement == "NONSENSE"), "{done:?}");
    assert_eq!(tries.load(Ordering::Relaxed), 1);
    // A transaction that is dropped in the middle.
    let (middle, reached) = tokio::sync::oneshot::channel();
    let mut middle = Some(middle);
    let hanging = database.write(|transaction| {
        let middle = middle.take();
        async move {
            transaction.execute("INSERT INTO parent (id, name) VALUES (41, 'lost')").await?;
            middle.unwrap().send(()).unwrap();
            std::future::pending::<Result<(), Error>>().await
        }
    });
    tokio::select! {
        _ = hanging => panic!("it hangs"),
        done = reached => done.unwrap(),
    }
    let found: Vec<_> = database
        .read(
            |transaction| async move { transaction.query("SELECT id FROM parent WHERE name = 'lost'").await },
        )
        .await
        .unwrap();
    assert_eq!(found.len(), 0);
}

async fn nobody_loses_an_update(database: &Database) {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let database = database.clone();
        tasks.spawn(async move {
            for _ in 0..5 {
                let done: Result<(), Error> = database
                    .write(|transaction| async move {
                        let row =
                            transaction.query_one("SELECT size FROM parent WHERE id = 1").await?.unwrap();
                        let size = row.optional_real(0)?.unwrap() + 1.0;
                        let statement = Statement::new("UPDATE parent SET size = $1 WHERE id = 1").bind(size);
                        transaction.execute(statement).await.map(drop)
                    })
                    .await;
                // When all attempts meet others it may be told so; it must not be lost in silence.
                if let Err(error) = done {
                    assert!(error.is_conflict(), "{error}");
                    return 1;
                }
            }
            0
        });
    }
    let given_up: i32 = tasks.join_all().await.into_iter().sum();
    let rows: Vec<_> = database
        .read(|transaction| async move { transaction.query("SELECT size FROM parent WHERE id = 1").await })
        .await
        .unwrap();
    let size = rows[0].optional_real(0).unwrap().unwrap();
    if given_up == 0 {
        assert!((size - 40.0).abs() < f64::EPSILON, "{size}");
    }
}

/// A reader sees one state, however long it looks.
async fn readers_see_one_state(database: &Database) {
    let writer = database.clone();
    let writer = &writer;
    let counts: (i64, i64) = database
        .read(|transaction| async move {
            let count = "SELECT COUNT(*) FROM child";
            let before = transaction.query_one(count).await?.unwrap().integer(0)?;
            let made: Result<u64, Error> = writer
                .write(|transaction| async move {
                    transaction.execute("INSERT INTO child (parent) VALUES (1)").await
                })
                .await;
            made?;
            let after = transaction.query_one(count).await?.unwrap().integer(0)?;
            Ok::<_, Error>((before, after))
        })
        .await
        .unwrap();
    assert_eq!(counts.0, counts.1);
    let refused: Result<u64, Error> =
        database.read(|transaction| async move { transaction.execute("DELETE FROM child").await }).await;
    assert!(refused.is_err());
}

async fn deadlines_hold(url: &str) {
    // It bounds the connecting as well, which takes its time on a loaded machine.
    let options =
        Options { deadline: Duration::from_secs(3), connections: 1, readers: 1, ..Options::default() };
    let database = Database::open(url, options).await.unwrap();
    let slow = match database.dialect() {
        nephoscope_sql::Dialect::PostgreSql => "SELECT CAST(pg_sleep(100) AS TEXT)",
        nephoscope_sql::Dialect::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
        }
    };
    let answer: Result<Vec<_>, Error> =
        database.read(|transaction| async move { transaction.query(slow).await }).await;
    assert!(matches!(answer, Err(Error::Deadline { .. } | Error::Conflict { .. })), "{answer:?}");
    // The connection, or another one, is free again.
    let mut answer = Err(Error::Closed);
    for _ in 0..20 {
        answer = database.read(|transaction| async move { transaction.query("SELECT 1").await }).await;
        if answer.is_ok() {
            break;
        }
    }
    assert_eq!(answer.unwrap().len(), 1);
}

async fn all(url: &str) {
    let database = Database::open(url, options()).await.unwrap();
    values_come_back(&database).await;
    what_fails_leaves_nothing(&database).await;
    nobody_loses_an_update(&database).await;
    readers_see_one_state(&database).await;
    deadlines_hold(url).await;
    database.close().await;
    let after: Result<Vec<_>, Error> =
        database.read(|transaction| async move { transaction.query("SELECT 1").await }).await;
    assert!(matches!(after, Err(Error::Closed)), "{after:?}");
    let again = Database::open(url, options()).await.unwrap();
    assert_eq!(again.migrate(&SCHEMA).await.unwrap(), 0);
    let older = Schema { migrations: &SCHEMA.migrations[..1], ..SCHEMA };
    let error = again.migrate(&older).await.unwrap_err();
    assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    let directory = tempfile::tempdir().unwrap();
    all(&format!("sqlite:///{}", directory.path().join("test.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql() {
    let server = PostgreSql::start().unwrap();
    all(&server.url()).await;
    several_start_together(&server).await;
    a_server_that_goes_and_comes(&server).await;
    refusals_are_told(&server).await;
}

async fn several_start_together(server: &PostgreSql) {
    server.psql("CREATE DATABASE together").unwrap();
    let url = server.url();
    let url = format!("{}/together", url.rsplit_once('/').unwrap().0);
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        tasks.spawn(async move {
            let database = Database::open(&url, options()).await.unwrap();
            database.migrate(&SCHEMA).await.unwrap()
        });
    }
    let steps: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(steps, 2);
}

/// Connections that broke are replaced; what was not committed is done again or told.
async fn a_server_that_goes_and_comes(server: &PostgreSql) {
    let database = Database::open(&server.url(), options()).await.unwrap();
    let count = || async {
        let found: Result<Vec<_>, Error> = database
            .read(|transaction| async move { transaction.query("SELECT id FROM parent").await })
            .await;
        found.map(|rows| rows.len())
    };
    let before = count().await.unwrap();
    server.restart().unwrap();
    assert_eq!(count().await.unwrap(), before);
    server.kill().unwrap();
    let error = count().await.unwrap_err();
    assert!(error.is_outage(), "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    server.start_again().unwrap();
    assert_eq!(count().await.unwrap(), before);
}

async fn refusals_are_told(server: &PostgreSql) {
    let url = server.url();
    let wrong = url.replacen("nephoscope:", "nobody:", 1);
    let error = Database::open(&wrong, options()).await.unwrap_err().to_string();
    assert!(error.contains("nobody@127.0.0.1") && error.contains("authentication failed"), "{error}");
    let error = Database::open(&format!("{url}_absent"), options()).await.unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
    let error = Database::open(&format!("{url}?sslmode=require"), options()).await.unwrap_err().to_string();
    assert!(error.contains("TLS"), "{error}");
    let short = Options { deadline: Duration::from_secs(5), ..Options::default() };
    let error = Database::open("postgresql://u:secret@127.0.0.1:1/d", short).await.unwrap_err().to_string();
    assert!(error.contains("cannot connect") && !error.contains("secret"), "{error}");
}
