//! Prints how long paths take, in nanoseconds: `cargo run --release -p nephoscope-expression --example path_cost`.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use std::hint::black_box;
use std::time::Instant;

use model::{Map, Value};
use nephoscope_expression::{Glob, JsonPath, Pattern};

/// How often each expression is applied.
const ROUNDS: u32 = 2_000_000;

fn measure(name: &str, mut run: impl FnMut() -> bool) {
    let start = Instant::now();
    let mut hits = 0_u32;
    for _ in 0..ROUNDS {
        hits += u32::from(black_box(run()));
    }
    let nanoseconds = start.elapsed().as_nanos() / u128::from(ROUNDS);
    println!("{nanoseconds:>7} ns  {name}{}", if hits == 0 { "  (no match)" } else { "" });
}

fn main() {
    // A payload as large as Nova's, with what is looked for near its end.
    let mut payload: Vec<(String, Value)> =
        (0..45_i64).map(|number| (format!("field_{number}"), Value::from(number))).collect();
    let image = Map::from_iter([("base_image_ref", Value::from("0a2f")), ("min_disk", Value::from("1"))]);
    payload.insert(5, ("tenant_id".to_owned(), Value::from("t")));
    payload.push(("image_meta".to_owned(), Value::Map(image)));
    let metrics: Vec<Value> = ["frequency", "user.time", "kernel.time", "idle.time", "percent"]
        .iter()
        .map(|name| {
            Value::Map(Map::from_iter([
                ("name", Value::from(format!("cpu.{name}"))),
                ("value", Value::from(1.5)),
            ]))
        })
        .collect();
    payload.push(("metrics".to_owned(), Value::from(metrics)));
    let root = Value::Map(Map::from_iter([
        ("ctxt", Value::Map(Map::from_iter([("request_id", Value::from("req-1"))]))),
        ("publisher_id", Value::from("compute.host")),
        ("event_type", Value::from("compute.instance.exists")),
        ("payload", Value::Map(Map::from_iter(payload))),
    ]));
    for text in [
        "publisher_id",
        "$.ctxt.request_id",
        "payload.tenant_id",
        "payload.missing",
        "payload.image_meta.base_image_ref",
        "(payload.missing)|(payload.tenant_id)",
        "payload.metrics[0].value",
        "payload.metrics[?(@.name='cpu.percent')].value",
        "payload.metrics[*].name",
        "$.publisher_id + '_' + $.payload.tenant_id",
    ] {
        let path = JsonPath::parse(text).expect("a path");
        measure(text, || path.first_non_null(&root).is_some());
    }
    let path = JsonPath::parse("payload.tenant_id").expect("a path");
    measure("payload.tenant_id (general way, with its trail)", || !path.find(&root).is_empty());
    let event = "compute.instance.exists";
    for text in ["compute.instance.(?!create.start|update).*", "image.*", "volume.create.*"] {
        let pattern = Pattern::new(text).expect("a pattern");
        measure(&format!("pattern {text}"), || pattern.is_match(event));
    }
    for text in ["compute.instance.*", "*http.response", "image.upload"] {
        let glob = Glob::new(text);
        measure(&format!("glob {text}"), || glob.is_match(event));
    }
}
