//! Definitions, lists of methods, timespans and the operations language.

use nephoscope_archive::operations::{OperationError, Term, parse};
use nephoscope_archive::policy::expand_methods;
use nephoscope_archive::time::SECOND;
use nephoscope_archive::{ArchivePolicy, Definition, Method, timespan};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::differences::Differences;
use crate::{generated, upstream};

/// One Python process for all of them: what it imports takes longer than its answers.
#[test]
fn policies_and_operations_are_read_alike() {
    let parts = [definitions(), methods(), timespans(), operations()];
    let questions: Vec<Value> = parts.iter().flat_map(|(questions, _)| questions.iter().cloned()).collect();
    let mut answers = upstream::ask(&questions).into_iter();
    for (questions, check) in parts {
        check(answers.by_ref().take(questions.len()).collect());
    }
}

/// Questions, and what becomes of their answers.
type Part = (Vec<Value>, Box<dyn FnOnce(Vec<Value>)>);

/// Definitions are completed and refused alike.
fn definitions() -> Part {
    let span = || {
        prop::option::of(prop_oneof![
            1..100_i64,
            prop::sample::select(vec![-5, 0, SECOND, 60 * SECOND, 333_333_333])
        ])
    };
    let points = prop::option::of(prop_oneof![0..20_u64, 1_000..1_000_000_u64]);
    let cases = generated::sample(
        1_500,
        (span(), points, span(), prop::bool::weighted(0.3)).prop_map(
            |(granularity, points, timespan, fitting)| {
                let product =
                    granularity.zip(points).map(|(granularity, points)| granularity * points.cast_signed());
                (granularity, points, if fitting { product.or(timespan) } else { timespan })
            },
        ),
    );
    let questions: Vec<_> = cases
        .iter()
        .map(|(granularity, points, timespan)| {
            json!({"kind": "definition", "granularity": granularity, "points": points, "timespan": timespan})
        })
        .collect();
    let check = move |answers: Vec<Value>| {
        let mut differences = Differences::of("definitions");
        for (case, theirs) in cases.iter().zip(answers) {
            differences.compared();
            let (granularity, points, span) = *case;
            let ours = match Definition::new(granularity, points, span) {
                Ok(made) => json!([made.granularity(), made.points(), made.timespan()]),
                Err(error) => json!({"error": error.to_string()}),
            };
            if ours == theirs {
                continue;
            }
            // A timespan by its points that is no whole nanosecond, or below zero.
            let no_time = granularity.is_none() && ours["error"] == "Granularity should be > 0";
            if no_time {
                differences.expected("no_granularity");
            } else {
                differences.fail(format!("{case:?}: ours {ours}, theirs {theirs}"));
            }
        }
        differences.finish(1_500);
    };
    (questions, Box::new(check))
}

/// Lists of methods mean the same.
fn methods() -> Part {
    let name = prop::sample::select(vec![
        "mean",
        "sum",
        "5pct",
        "99pct",
        "rate:mean",
        "rate:7pct",
        "last",
        "0pct",
        "foo",
        "*",
        "",
    ]);
    let entry =
        (prop::sample::select(vec!["", "", "-", "+"]), name).prop_map(|(sign, name)| format!("{sign}{name}"));
    let mut cases = generated::sample(1_000, prop::collection::vec(entry, 0..5));
    cases.extend(Method::all().map(|method| vec![method.to_string()]));
    let defaults: Vec<String> =
        ArchivePolicy::default_methods().iter().map(|method| method.to_string()).collect();
    let questions: Vec<_> = cases
        .iter()
        .map(|entries| json!({"kind": "methods", "entries": entries, "defaults": defaults}))
        .collect();
    let check = move |answers: Vec<Value>| {
        let mut differences = Differences::of("methods");
        for (entries, theirs) in cases.iter().zip(answers) {
            differences.compared();
            let ours = expand_methods(entries.iter().map(String::as_str), ArchivePolicy::default_methods());
            let ours = ours.ok().map(|methods| {
                let mut names: Vec<String> = methods.iter().map(|method| method.to_string()).collect();
                names.sort();
                names
            });
            let theirs: Option<Vec<String>> = theirs
                .as_array()
                .map(|names| names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect());
            if ours == theirs {
                continue;
            }
            let unsigned =
                theirs.map(|names| names.into_iter().filter(|name| !name.starts_with(['-', '+'])).collect());
            let both_signs = entries.iter().any(|entry| {
                let other = entry.strip_prefix('+').map(|name| format!("-{name}"));
                other.is_some_and(|other| entries.contains(&other))
            });
            if ours == unsigned {
                differences.expected("signs_among_names");
            } else if both_signs {
                differences.expected("both_signs");
            } else {
                differences.fail(format!("{entries:?}: ours {ours:?}, theirs {unsigned:?}"));
            }
        }
        differences.finish(1_200);
    };
    (questions, Box::new(check))
}

/// Timespans are read alike.
fn timespans() -> Part {
    let number =
        || prop::sample::select(vec!["1", "2", "15", "1.5", "0", "4.1", "0.25", "100", "007", ".5", "1.2.3"]);
    let unit = prop::sample::select(vec![
        "w", "weeks", "d", "days", "h", "hrs", "hour", "m", "min", "minutes", "s", "sec", "seconds", "M",
        "H", "y", "ms", ":", ":30", "-", "",
    ]);
    let between = prop::sample::select(vec!["", " ", ", ", "/", ",", " , "]);
    let part = (number(), prop::sample::select(vec!["", " "]), unit, between);
    let texts = prop::collection::vec(part, 1..4).prop_map(|parts| {
        parts
            .into_iter()
            .fold(String::new(), |text, (number, blank, unit, after)| text + number + blank + unit + after)
    });
    let clocks = "[+-]?( )?([0-9]{1,3}[:-])?([0-9]{1,3}:){0,2}[0-9]{1,3}(\\.[0-9]{1,2})?";
    let mut cases = generated::sample(2_500, prop_oneof![texts, clocks]);
    let table = [
        "",
        " ",
        "-",
        "5",
        "0.5",
        "1e3",
        "1_000",
        "inf",
        "nan",
        "1e30",
        "-3",
        "1 day, 2:00:00",
        "1d2h",
        "1d,2h",
        "2h 1d",
        "1:62",
        "100:00",
        "5m30",
        "1:02:03:04",
        "1y",
        "1 month",
        "PT5M",
        "5 ms",
        "- 10 seconds",
        "+ 1 minute",
        "7 days, 0:00:00",
    ];
    cases.extend(table.map(str::to_owned));
    let questions: Vec<_> =
        cases.iter().map(|text| json!({"kind": "timespan", "text": text, "signed": true})).collect();
    let check = move |answers: Vec<Value>| {
        let mut differences = Differences::of("timespans");
        for (text, theirs) in cases.iter().zip(answers) {
            differences.compared();
            let ours = timespan::parse(text).ok();
            if ours != theirs.as_i64() {
                differences.fail(format!("{text:?}: ours {ours:?}, theirs {theirs}"));
            }
        }
        differences.finish(2_500);
    };
    (questions, Box::new(check))
}

fn term(value: &Value) -> Term {
    match value {
        Value::Number(number) if !number.is_f64() => Term::Whole(number.as_f64().expect("a number")),
        Value::Number(number) => Term::Number(number.as_f64().expect("a number")),
        Value::Bool(truth) => Term::Truth(*truth),
        Value::String(text) => Term::Text(text.clone()),
        Value::Array(items) => Term::List(items.iter().map(term).collect()),
        Value::Object(_) => Term::Other("dict"),
        Value::Null => Term::Other("NoneType"),
    }
}

/// What may stand in an operation, in and out of place.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => Just(json!(["metric", "a", "mean"])),
        1 => Just(json!(["metric", ["a", "mean"], ["b", "max"]])),
        1 => Just(json!(["metric", ["a", "mean"], "b"])),
        1 => Just(json!(["metric", "a"])),
        1 => Just(json!([])),
        2 => (-4..9_i32).prop_map(|number| json!(f64::from(number) / 2.0)),
        1 => prop::sample::select(vec![json!("5"), json!("x"), json!("1e3"), json!(true), json!(null), json!({})]),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop::sample::select(vec![
            "+", "≤", "max", "min", "clip", "clip_min", "abs", "rateofchange", "aggregate", "rolling", "resample", "metric", "foo",
        ]);
        let method = prop::sample::select(vec!["mean", "rate:sum", "last", "var", "95pct", "foo"]);
        let argument = prop::sample::select(vec![json!(2), json!("3"), json!(2.5), json!("1 hour"), json!(0), json!("-5"), json!("x")]);
        prop_oneof![
            3 => (name.clone(), prop::collection::vec(inner.clone(), 0..4)).prop_map(|(name, operands)| {
                Value::Array(std::iter::once(json!(name)).chain(operands).collect())
            }),
            1 => (method.clone(), inner.clone()).prop_map(|(method, of)| json!(["aggregate", method, of])),
            1 => (method.clone(), argument.clone(), inner.clone()).prop_map(|(method, by, of)| json!(["rolling", method, by, of])),
            1 => (method, argument, inner.clone()).prop_map(|(method, by, of)| json!(["resample", method, by, of])),
            3 => (name, inner.clone(), inner).prop_map(|(name, left, right)| json!([name, left, right])),
        ]
    })
}

/// Trees as s-expressions, and texts that are nearly such.
fn text() -> impl Strategy<Value = Value> {
    let soup = prop::sample::select(vec![
        "(",
        ")",
        "(metric a mean)",
        "(",
        ")",
        " ",
        "+",
        "abs",
        "aggregate",
        "mean",
        "\"",
        "'",
        "\"a b\"",
        "'x'",
        "\\",
        "5",
        "é",
        "\n",
    ]);
    let written = |tree: &Value| {
        let text = tree.to_string().replace(['"', ':', '{', '}'], "").replace('[', "(").replace(']', ")");
        json!(text.replace(',', " "))
    };
    prop_oneof![
        prop::collection::vec(soup, 0..9).prop_map(|parts| json!(parts.concat())),
        tree().prop_map(move |tree| written(&tree)),
    ]
}

/// Operations are read alike, as trees and as texts.
fn operations() -> Part {
    let cases = generated::sample(3_000, prop_oneof![2 => tree(), 1 => text()]);
    let questions: Vec<_> =
        cases.iter().map(|tree| json!({"kind": "operations", "operations": tree})).collect();
    let check = move |answers: Vec<Value>| {
        let mut differences = Differences::of("operations");
        for (case, theirs) in cases.iter().zip(answers) {
            differences.compared();
            let ours = match case {
                Value::String(text) => {
                    Term::from_text(text).map_err(|error| json!({"text": error.to_string()}))
                }
                tree => Ok(term(tree)),
            };
            let ours = ours.map(|term| parse(&term));
            let same = match (&ours, &theirs) {
                (Err(ours), theirs) => ours == theirs,
                (Ok(Ok(node)), theirs) => theirs["valid"].as_str() == Some(&node.to_string()),
                (Ok(Err(error)), theirs) => same_error(error, theirs),
            };
            if same {
                continue;
            }
            let has = |name: &str| case.to_string().contains(name);
            match (&ours, theirs.get("valid")) {
                (Ok(Ok(_)), None) if has("resample") => differences.expected("resample_by_every_method"),
                (Ok(Err(_)), Some(_)) if has("resample") && has("var") => {
                    differences.expected("resample_by_variance");
                }
                (Err(_), _) if theirs.get("text").is_some() => differences.expected("words_of_syntax_errors"),
                _ => differences.fail(format!("{case}: ours {ours:?}, theirs {theirs}")),
            }
        }
        differences.finish(3_000);
    };
    (questions, Box::new(check))
}

fn same_error(error: &OperationError, theirs: &Value) -> bool {
    let Some(theirs) = theirs["invalid"].as_str() else { return false };
    // What voluptuous says of a malformed metric has no words, or only a place.
    let metric = theirs.starts_with("None @ data[") || theirs.starts_with("expected str @ data[");
    theirs == error.to_string() || (metric && matches!(error, OperationError::Invalid { .. }))
}
