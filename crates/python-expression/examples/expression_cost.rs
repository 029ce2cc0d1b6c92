//! What expressions cost: simple operations a second on one core, and those of real definitions.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::disallowed_methods, reason = "a measurement")]

use std::time::{Duration, Instant};

use nephoscope_python_expression::{Evaluation, Expression, Limits, Object};

/// How long each turn takes.
const TURN: Duration = Duration::from_millis(100);
/// Each expression has as many turns; the best counts, as the others had to share their core.
const TURNS: u32 = 5;

fn measure(text: &str, value: &str, operations: u32) {
    let expression = Expression::compile(text, &["value"]).expect("an expression");
    let value = model::json::parse(value).expect("JSON");
    let each = (0..TURNS).map(|_| turn(&expression, &value)).fold(f64::INFINITY, f64::min);
    let rate = f64::from(operations) / each / 1e6;
    println!("{:>9.0} ns  {rate:>6.2} M operations/s  {text}", each * 1e9);
}

/// The seconds of one evaluation.
fn turn(expression: &Expression, value: &model::Value) -> f64 {
    let started = Instant::now();
    let mut rounds = 0_u32;
    while started.elapsed() < TURN {
        for _ in 0..100 {
            let mut evaluation = Evaluation::new(Limits::default());
            let object = evaluation.object(value).expect("an object");
            let result: Object = evaluation.run(expression, &[object]).expect("a value");
            evaluation.value(&result).expect("a value");
        }
        rounds += 100;
    }
    started.elapsed().as_secs_f64() / f64::from(rounds)
}

fn main() {
    measure("value + 1", "5", 1);
    measure("value * 2 + value / 3 - 1 if value > 2 else 0", "5", 6);
    measure("value.split('$')[0].strip()", "\" ab$cd\"", 3);
    measure("sum(x * 2 + 1 for x in range(1000))", "5", 3000);
    measure("value['some_field'] if 'some_field' in value else ''", r#"{"some_field": 1, "b": 2}"#, 3);
    measure(
        "list(filter(lambda v: v.get('rel') == 'next', value))[0].get('href')",
        r#"[{"rel": "prev", "href": "p"}, {"rel": "next", "href": "n"}]"#,
        7,
    );
}
