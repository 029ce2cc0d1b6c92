//! Gnocchi's own indexer and ours do the same operations and give the same answers: rows, their order, words of errors.
//! Ours runs on SQLite and on PostgreSQL, Gnocchi's on PostgreSQL.
//!
//! What differs on purpose stands in `tests/oracle/expected_differences.json`, where an entry that does not occur is a
//! failure.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod cases;
mod differences;
#[path = "../support/engines.rs"]
#[expect(dead_code, reason = "shared with other suites")]
mod engines;
mod generate;
mod perform;

use std::path::Path;

use differences::Judge;
use engines::{Engine, START_MICROSECONDS, new_database};
use generate::Generator;
use model::Timestamp;
use perform::perform;
use serde_json::{Value, json};
use testkit::{PostgreSql, ask_python};

/// Random operations that `make test` compares; a soak multiplies them.
const OPERATIONS: usize = 400;
/// Operations of one world; later ones would mostly meet what is full.
const WORLD: usize = 200;

fn factor() -> usize {
    std::env::var("NEPHOSCOPE_ORACLE_FACTOR").map_or(1, |text| text.parse().expect("a number"))
}

/// One world: what is asked, under which label, and what ours answered on SQLite.
struct World {
    name: String,
    questions: Vec<(String, Value)>,
    answers: Vec<Value>,
}

async fn answer(engine: &Engine, question: &Value) -> Value {
    let now = question["now"].as_i64().unwrap();
    engine.clock.set_wall(jiff::Timestamp::from_microsecond(now).unwrap());
    perform(&engine.index, Timestamp::from_microseconds(now).unwrap(), question).await
}

/// Random operations; each is chosen knowing what those before it did.
async fn random_world(seed: u64) -> World {
    let engine = Engine::sqlite().await;
    let mut generator = Generator::new(seed, START_MICROSECONDS);
    let mut world = World { name: format!("seed{seed}"), questions: Vec::new(), answers: Vec::new() };
    for number in 0..WORLD {
        let question = generator.next();
        let answer = answer(&engine, &question).await;
        generator.learn(&question, &answer);
        world.questions.push((format!("random {seed}/{number}"), question));
        world.answers.push(answer);
    }
    assert_eq!(engine.index.check().await.unwrap(), Vec::<String>::new());
    world
}

/// The table of operations whose answers are of interest one by one.
async fn table() -> World {
    let engine = Engine::sqlite().await;
    let mut world = World { name: "cases".to_owned(), questions: cases::all(), answers: Vec::new() };
    for (number, (_, question)) in (1..).zip(&mut world.questions) {
        question["now"] = (START_MICROSECONDS + number * 1_000_000).into();
        world.answers.push(answer(&engine, question).await);
    }
    world
}

/// Numbers of revisions count up over all resources, and skip what was undone: only their order means something.
fn normalised(question: &Value, mut answer: Value) -> Value {
    let Some(rows) = answer.get_mut("ok").and_then(Value::as_array_mut) else { return answer };
    let mut revisions: Vec<i64> = rows.iter().filter_map(|row| row.get("revision")?.as_i64()).collect();
    revisions.sort_unstable();
    revisions.dedup();
    for row in rows.iter_mut() {
        if let Some(revision) = row.get("revision").and_then(Value::as_i64).filter(|revision| *revision != -1)
        {
            row["revision"] = revisions.iter().position(|known| *known == revision).into();
        }
    }
    if question["op"] == "list_resources" && question["details"] == true {
        // Gnocchi fetches the rows again, in any order.
        rows.sort_by_key(|row| {
            (row["id"].to_string(), row["revision_start"].as_i64(), row["revision"].as_i64())
        });
    }
    answer
}

#[test]
fn gnocchis_indexer_gives_the_same_answers() {
    let start = tokio::time::Instant::now();
    let server = PostgreSql::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut judge = Judge::new();
    let mut worlds = vec![runtime.block_on(table())];
    let seeds = OPERATIONS / WORLD * factor();
    let first_seed = if factor() == 1 { 0 } else { u64::from(fastrand::u32(..)) };
    for seed in 0..seeds as u64 {
        worlds.push(runtime.block_on(random_world(first_seed + seed)));
    }
    let ours = start.elapsed();
    for world in &worlds {
        let engine = runtime.block_on(Engine::postgresql(&server, &format!("ours_{}", world.name)));
        for ((label, question), expected) in world.questions.iter().zip(&world.answers) {
            let found = normalised(question, runtime.block_on(answer(&engine, question)));
            assert_eq!(
                found,
                normalised(question, expected.clone()),
                "PostgreSQL and SQLite differ: {label} {question}"
            );
        }
        runtime.block_on(engine.index.close());
    }
    let both = start.elapsed();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/upstream.py");
    for world in &worlds {
        let url = new_database(&server, &format!("theirs_{}", world.name));
        let mut lines = vec![json!({ "url": url })];
        lines.extend(world.questions.iter().map(|(_, question)| question.clone()));
        let theirs = ask_python(&script, &lines).unwrap();
        // The first line says that it is ready.
        for (((label, question), ours), theirs) in
            world.questions.iter().zip(&world.answers).zip(&theirs[1..])
        {
            let (ours, theirs) = (normalised(question, ours.clone()), normalised(question, theirs.clone()));
            judge.compare(label, question, &theirs, &ours);
        }
    }
    println!("{} answers; SQLite {ours:?}, PostgreSQL {both:?}, all {:?}", judge.compared, start.elapsed());
    judge.finish();
}
