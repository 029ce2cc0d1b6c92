//! Generated operations over several series.

use nephoscope_archive::Series;
use nephoscope_archive::operations::{
    Column, EvaluateError, Gaps, Node, Reference, Request, Table, Term, evaluate, parse,
};
use nephoscope_archive::time::SECOND;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::differences::{Differences, Exactness};
use crate::{generated, upstream};

const GRANULARITY: i64 = 60 * SECOND;

#[derive(Debug)]
struct Case {
    names: Vec<String>,
    series: Vec<Series>,
    operations: Value,
    fill: Option<&'static str>,
    needed_overlap: f64,
    start: Option<i64>,
    stop: Option<i64>,
}

/// Series of one granularity with holes: most have most of the rows.
fn series(columns: usize, rows: usize) -> impl Strategy<Value = Vec<Series>> {
    let density = prop::sample::select(vec![1.0, 1.0, 0.9, 0.5]);
    let random = generated::Random::strategy();
    let one = (density, random, generated::values(rows)).prop_map(|(density, mut random, (values, _))| {
        let rows = (29_433_333_i64..).zip(values).filter(|_| random.unit() < density);
        rows.map(|(row, value)| (row * GRANULARITY, value)).collect::<Series>()
    });
    prop::collection::vec(one, columns)
}

fn metric(names: &[String]) -> impl Strategy<Value = Value> + use<> {
    let one = prop::sample::select(names.to_owned()).prop_map(|name| json!(["metric", name, "mean"]));
    let all: Vec<Value> = names.iter().map(|name| json!([name, "mean"])).collect();
    let all = std::iter::once(json!("metric")).chain(all).collect::<Vec<_>>();
    let all_columns = || Just(Value::Array(all.clone()));
    prop_oneof![2 => one, 3 => all_columns()]
}

const REDUCERS: [&str; 8] = ["mean", "median", "std", "min", "max", "sum", "var", "count"];

fn reduction() -> impl Strategy<Value = String> {
    (prop::bool::weighted(0.2), prop::sample::select(REDUCERS.to_vec()))
        .prop_map(|(rate, name)| if rate { format!("rate:{name}") } else { name.to_owned() })
}

/// Trees whose every operator rounds as IEEE 754 says.
fn tree(names: &[String]) -> impl Strategy<Value = Value> + use<> {
    let number = prop_oneof![
        prop::sample::select(vec![0.0, 1.0, 2.0, -1.0, 0.5, 3.0, 60.0, -0.0])
            .prop_map(|number| json!(number)),
        (-1_000..1_000_i32).prop_map(|number| json!(f64::from(number) / 8.0)),
        Just(json!("1e3")),
    ];
    let leaf = metric(names);
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let binary = prop::sample::select(vec![
            "=", "==", "eq", "<", "lt", ">", "gt", "<=", "≤", "le", ">=", "≥", "ge", "!=", "≠", "ne", "%", "mod", "+",
            "add", "-", "sub", "*", "×", "mul", "/", "÷", "div", "clip_min", "clip_max", "max",
        ]);
        let unary = prop::sample::select(vec![
            "abs", "absolute", "neg", "negative", "floor", "ceil", "rateofchange", "rateofchangesec",
        ]);
        let resampled = ["mean", "median", "std", "min", "max", "sum", "count", "rate:sum", "rate:mean"];
        prop_oneof![
            4 => (reduction(), inner.clone()).prop_map(|(name, of)| json!(["aggregate", name, of])),
            2 => (reduction(), 1..12_usize, inner.clone()).prop_map(|(name, rows, of)| json!(["rolling", name, rows, of])),
            1 => (prop::sample::select(resampled.to_vec()), 1..6_i64, inner.clone())
                .prop_map(|(name, times, of)| json!(["resample", name, 60 * times, of])),
            3 => (binary.clone(), inner.clone(), number.clone()).prop_map(|(name, left, right)| json!([name, left, right])),
            1 => (binary.clone(), number.clone(), inner.clone()).prop_map(|(name, left, right)| json!([name, left, right])),
            3 => (binary, inner.clone(), inner.clone()).prop_map(|(name, left, right)| json!([name, left, right])),
            1 => (inner.clone(), number.clone(), prop::option::of(number.clone())).prop_map(|(of, low, high)| {
                high.map_or_else(|| json!(["clip", of, low]), |high| json!(["clip", of, low, high]))
            }),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(of, low, high)| json!(["clip", of, low, high])),
            3 => (unary, inner).prop_map(|(name, of)| json!([name, of])),
        ]
    })
}

/// At the root, perhaps an operator that the C library computes, or a power.
fn root(names: &[String]) -> impl Strategy<Value = Value> + use<> {
    let exponent = prop::sample::select(vec![2.0, 0.5, -1.0, 3.0, 0.0, 1.0, 0.3, -2.5]);
    let power = prop::sample::select(vec!["**", "^", "pow"]);
    let library = prop::sample::select(vec!["cos", "sin", "tan"]);
    prop_oneof![
        12 => tree(names),
        1 => (power.clone(), tree(names), exponent).prop_map(|(name, of, by)| json!([name, of, by])),
        1 => (power, tree(names), tree(names)).prop_map(|(name, of, by)| json!([name, of, by])),
        1 => (library, tree(names)).prop_map(|(name, of)| json!([name, of])),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let columns = prop_oneof![10 => 1..6_usize, 2 => 8..20_usize, 1 => 120..170_usize];
    let rows = prop_oneof![10 => 2..40_usize, 3 => Just(1_usize), 1 => Just(0_usize), 1 => 150..300_usize];
    (columns, rows).prop_flat_map(|(columns, rows)| {
        let rows = if columns > 100 { rows.min(6) } else { rows };
        let names: Vec<String> = (0..columns).map(|index| format!("m{index}")).collect();
        let fill = prop_oneof![
            3 => Just(None),
            5 => prop::sample::select(vec![
                "dropna", "dropna", "null", "0", "-1.5", "nan", "inf", "ffill", "bfill", "full_ffill", "full_bfill",
            ])
            .prop_map(Some),
        ];
        let needed = prop::sample::select(vec![0.0, 0.0, 10.0, 50.0, 100.0]);
        let bound = || prop::option::of((-2 * GRANULARITY..42 * GRANULARITY).prop_map(|by| 29_433_333 * GRANULARITY + by));
        (series(columns, rows), root(&names), fill, needed, bound(), bound()).prop_map(
            move |(series, operations, fill, needed_overlap, start, stop)| Case {
                names: names.clone(),
                series,
                operations,
                fill,
                needed_overlap,
                start,
                stop,
            },
        )
    })
}

fn term(value: &Value) -> Term {
    match value {
        Value::Number(number) if !number.is_f64() => Term::Whole(number.as_f64().expect("a number")),
        Value::Number(number) => Term::Number(number.as_f64().expect("a number")),
        Value::String(text) => Term::Text(text.clone()),
        Value::Array(items) => Term::List(items.iter().map(term).collect()),
        other => panic!("{other} in an operation"),
    }
}

#[test]
fn operations_give_the_same_bits() {
    let cases = generated::sample(1_500, case());
    let mut operations = Vec::new();
    let mut questions = Vec::new();
    for case in &cases {
        let operation =
            parse(&term(&case.operations)).unwrap_or_else(|error| panic!("{error}: {}", case.operations));
        let named: Vec<usize> = operation.references().iter().map(|found| position(case, found)).collect();
        let series: Vec<Value> = named
            .iter()
            .map(|index| {
                let [timestamps, values] = upstream::columns_text(case.series[*index].points());
                json!([case.names[*index], "mean", timestamps, values])
            })
            .collect();
        questions.push(json!({
            "kind": "aggregates", "granularity": GRANULARITY, "operations": case.operations, "series": series,
            "fill": case.fill, "needed_overlap": case.needed_overlap, "start": case.start, "stop": case.stop,
        }));
        operations.push(operation);
    }
    let mut differences = Differences::of("aggregates");
    let mut crashed = 0;
    for ((case, operation), answer) in cases.iter().zip(&operations).zip(upstream::ask(&questions)) {
        let ours = compute(case, operation);
        if let Some(crash) = answer.get("crash") {
            crashed += 1;
            differences.expected("internal_errors");
            let crash = crash.as_str().expect("a text");
            // Only what numpy or Gnocchi stumble over, not what the questions get wrong.
            let known = ["TypeError", "ValueError", "IndexError", "RuntimeError", "AttributeError"];
            assert!(known.iter().any(|kind| crash.starts_with(kind)), "{crash} of {}", case.operations);
            continue;
        }
        compare(case, ours, &answer, &mut differences);
    }
    assert!(crashed * 4 < cases.len(), "{crashed} of {} crashed", cases.len());
    differences.finish(1_200);
}

fn position(case: &Case, reference: &Reference) -> usize {
    case.names.iter().position(|name| *name == reference.metric).expect("a name")
}

fn compute(case: &Case, operation: &Node) -> Result<Table, EvaluateError> {
    let columns: Vec<Column<'_>> = operation
        .references()
        .into_iter()
        .map(|key| Column { key, points: case.series[position(case, key)].points() })
        .collect();
    let gaps = match case.fill {
        None => Gaps::Overlap(case.needed_overlap),
        fill => Gaps::from_parameters(fill, None).expect("a fill"),
    };
    evaluate(
        GRANULARITY,
        &columns,
        Request { operation, gaps, start: case.start, stop: case.stop, given_up: None },
    )
}

fn compare(case: &Case, ours: Result<Table, EvaluateError>, answer: &Value, differences: &mut Differences) {
    let ours = match (ours, answer.get("error").and_then(Value::as_str)) {
        (Ok(table), None) => table,
        (Err(error), Some(theirs)) => {
            differences.compared();
            if error.to_string() != theirs {
                differences.fail(format!("{error}, theirs {theirs}: {}", case.operations));
            }
            return;
        }
        (Ok(_), Some(theirs)) => return differences.fail(format!("theirs {theirs}: {case:?}")),
        (Err(EvaluateError::Timestamps { .. }), None) if case.operations.to_string().contains("clip") => {
            return differences.expected("unchecked_bounds");
        }
        (Err(error), None) => return differences.fail(format!("{error}, theirs {answer}: {case:?}")),
    };
    let theirs: Vec<&Value> = match (ours.aggregated, answer.get("aggregated"), answer.get("columns")) {
        (true, Some(only), None) => vec![only],
        (false, None, Some(columns)) => columns.as_array().expect("columns").iter().collect(),
        _ => return differences.fail(format!("aggregated {}, theirs {answer}: {case:?}", ours.aggregated)),
    };
    let head = case.operations[0].as_str().expect("a name");
    let library = ["**", "^", "pow", "cos", "sin", "tan"].contains(&head);
    for (index, theirs) in theirs.into_iter().enumerate() {
        let points = ours.points(index);
        if let Some(granularity) = theirs[2].as_i64()
            && granularity != ours.granularity
        {
            differences.fail(format!("granularity {}, theirs {granularity}", ours.granularity));
        }
        let (theirs, what) = (upstream::series(theirs), || format!("column {index} of {case:?}"));
        if library && half_precision(&points, &theirs) {
            differences.expected("half_precision");
            continue;
        }
        let exactness = if library { Exactness::Library } else { Exactness::Zeros };
        differences.series(points.points(), theirs.points(), exactness, what);
    }
}

/// Whether theirs are ours in numpy's half precision, which it takes for the cosine of a truth.
fn half_precision(ours: &Series, theirs: &Series) -> bool {
    let [ours, theirs] = [ours.points(), theirs.points()];
    ours.timestamps() == theirs.timestamps()
        && ours.values() != theirs.values()
        && theirs.values().iter().all(|value| (value * 8_192.0).fract() == 0.0)
        && ours.values().iter().zip(theirs.values()).all(|(ours, theirs)| (ours - theirs).abs() < 1e-3)
}
