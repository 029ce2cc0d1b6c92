//! The same samples through Ceilometer's exporter and ours.
//!
//! `exporter.py` runs the original. Every difference is named in `tests/oracle/expected_differences.yaml` (the suite
//! `exporter`), where an entry that is not needed fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{MeterKind, Sample, Value, json};
use nephoscope_polling::ExporterMode;
use publishers::series::Format;
use serde_json::json;

use crate::differences::Judge;
use crate::house::{House, made};

/// What the original answers to each question.
fn original(questions: &[String]) -> Vec<serde_json::Value> {
    testkit::ask_python(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exporter/exporter.py"), questions)
        .unwrap()
}

/// Names and types of the families that Python's parser finds.
pub(crate) fn families_of(format: &str, text: &str) -> Vec<(String, String)> {
    let answers = original(&[json!(["read", format, text]).to_string()]);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    answers[0].as_array().unwrap().iter().map(|family| (text(&family[0]), text(&family[1]))).collect()
}

/// A sample as it is on its way to the message bus. NaN and infinities are Python's.
fn wire(sample: &Sample) -> String {
    json::to_string(&Value::Map(sample.to_wire("", None)))
}

/// The lines, those of series with their labels in the order of their names: Python sorts them before it replaces characters.
fn lines(text: &str) -> BTreeSet<String> {
    let sorted = |line: &str| -> Option<String> {
        let (name, rest) = line.split_once('{')?;
        let (labels, value) = rest.rsplit_once("} ")?;
        let (mut all, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
        for (place, byte) in labels.bytes().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_quoted = !is_quoted,
                b',' if !is_quoted => {
                    all.push(&labels[start..place]);
                    start = place + 1;
                }
                _ => {}
            }
        }
        all.push(&labels[start..]);
        all.sort_unstable();
        Some(format!("{name}{{{}}} {value}", all.join(",")))
    };
    text.lines()
        .map(|line| sorted(line).filter(|_| !line.starts_with('#')).unwrap_or(line.to_owned()))
        .collect()
}

const TEXTS: [&str; 12] = [
    "x",
    "",
    "quote\"",
    "back\\slash",
    "line\nend",
    "\\n",
    "é😀",
    "{a=\"b\"} 1",
    "# TYPE x gauge",
    "\u{0}\u{7f}",
    "\u{2028}\r",
    "r/1-vda",
];
const NAMES: [&str; 16] = [
    "cpu",
    "power.state",
    "disk.device.read.bytes",
    "network.incoming.bytes",
    "alarm.evaluation_result",
    "volume.service.health",
    "loadbalancer.operating",
    "loadbalancer",
    "type.x",
    "user.x.y",
    "counter.x",
    "publisher",
    "resource.a.b",
    "hardware.a-b",
    "a.total",
    "A.B.c.d",
];

/// A sample as there are: ids are texts or nothing, metadata is a map.
fn plain(random: &mut fastrand::Rng) -> Sample {
    let text = |random: &mut fastrand::Rng| *random.choice(&TEXTS).unwrap();
    let maybe = |random: &mut fastrand::Rng| if random.bool() { text(random).into() } else { Value::Null };
    let mut metadata = serde_json::Map::new();
    for key in [
        "host",
        "display_name",
        "name",
        "alarm_state",
        "availability_zone",
        "binary",
        "zone",
        "status",
        "other",
    ] {
        if random.u8(0..3) == 0 {
            metadata.insert(key.into(), text(random).into());
        }
    }
    if random.bool() {
        metadata.insert("user_metadata".into(), json!({ "server_group": text(random) }));
    }
    if random.bool() {
        metadata.insert("flavor".into(), json!({ "id": text(random), "name": text(random), "ram": 1 }));
    }
    let volume = match random.u8(0..4) {
        0 => Value::Int(random.i64(..)),
        1 => Value::Float(
            *random.choice(&[0.0, -0.0, 1e6, 123_456.789, 5e-324, 1e300, f64::NAN, f64::INFINITY]).unwrap(),
        ),
        2 => Value::Float(random.f64() * 1e9),
        _ => Value::Int(random.i64(0..10_000_000)),
    };
    let name = random.choice(&NAMES).unwrap();
    let kind = *random.choice(&[MeterKind::Gauge, MeterKind::Delta, MeterKind::Cumulative]).unwrap();
    let resource = format!("{}{}", text(random), random.u8(..));
    let metadata = serde_json::Value::Object(metadata).to_string();
    let made = made(name, kind, text(random), &resource, volume, &metadata);
    let mut sample = Sample::clone(&made);
    (sample.user_id, sample.project_id) = (maybe(random), maybe(random));
    (sample.user_name, sample.project_name) = (maybe(random), maybe(random));
    sample
}

type Oddity = (&'static str, fn(&mut Sample));

fn with_metadata(sample: &mut Sample, metadata: &str) {
    sample.resource_metadata = json::parse(metadata).unwrap().into();
}

const ODDITIES: [Oddity; 28] = [
    ("resource is null", |sample| {
        sample.name = "cpu".into();
        sample.resource_id = Value::Null;
    }),
    ("resource is empty", |sample| {
        sample.name = "cpu".into();
        sample.resource_id = "".into();
    }),
    ("resource is a number", |sample| sample.resource_id = 17.into()),
    ("project is a number", |sample| sample.project_id = 1.5.into()),
    ("user is false", |sample| sample.user_id = false.into()),
    ("unit is null", |sample| sample.unit = Value::Null),
    ("volume is null", |sample| sample.volume = Value::Null),
    ("volume is text", |sample| sample.volume = "many".into()),
    ("volume is infinite", |sample| sample.volume = "infinite".into()),
    ("volume is a number's text", |sample| sample.volume = " 1.5e3\n".into()),
    ("volume is a list", |sample| sample.volume = json::parse("[1]").unwrap()),
    ("volume is true", |sample| sample.volume = true.into()),
    ("volume is huge", |sample| sample.volume = json::parse("123456789012345678901234567890").unwrap()),
    ("metadata is text", |sample| with_metadata(sample, "\"x\"")),
    ("metadata is null", |sample| with_metadata(sample, "null")),
    ("alarm_state is null", |sample| with_metadata(sample, "{\"alarm_state\": null}")),
    ("user_metadata is null", |sample| with_metadata(sample, "{\"user_metadata\": null}")),
    ("flavor is text", |sample| with_metadata(sample, "{\"flavor\": \"tiny\"}")),
    ("flavor id is a number", |sample| with_metadata(sample, "{\"flavor\": {\"id\": 7, \"name\": null}}")),
    ("display_name is a number", |sample| with_metadata(sample, "{\"display_name\": 7, \"name\": \"n\"}")),
    ("host is a list", |sample| with_metadata(sample, "{\"host\": [\"a\", 1], \"name\": 3}")),
    ("zone is a number", |sample| {
        sample.name = "volume.service.health".into();
        with_metadata(sample, "{\"zone\": 3, \"binary\": null}");
    }),
    ("meter with a dash", |sample| sample.name = "a-b.c".into()),
    ("meter with a digit first", |sample| sample.name = "1x.y".into()),
    ("meter beyond ASCII", |sample| sample.name = "é.ü".into()),
    ("meter with a reserved word", |sample| sample.name = "__name__.x".into()),
    ("meter with a colon", |sample| sample.name = "a:b.c".into()),
    ("meter without a name", |sample| sample.name = "".into()),
];

#[test]
fn each_sample_is_shown_as_ceilometer_shows_it() {
    let mut random = fastrand::Rng::with_seed(20_261_126);
    let mut cases: Vec<(&str, Sample)> = (0..3000).map(|_| ("plain", plain(&mut random))).collect();
    for (case, change) in ODDITIES {
        for _ in 0..8 {
            let mut sample = plain(&mut random);
            change(&mut sample);
            cases.push((case, sample));
        }
    }
    let questions: Vec<_> =
        cases.iter().map(|(_, sample)| format!("[\"sample\", {}]", wire(sample))).collect();
    let mut judge = Judge::new("exporter");
    for ((case, sample), theirs) in cases.into_iter().zip(original(&questions)) {
        judge.compared += 1;
        let house = House::new(ExporterMode::Compatible);
        house.run("p", &[Arc::new(sample)]);
        let raised = theirs["raised"].as_str().unwrap();
        for (name, format) in [("classic", Format::Classic), ("openmetrics", Format::OpenMetrics)] {
            let (ours, theirs) = (house.text(format), theirs[name].as_str().unwrap());
            if raised.is_empty() && lines(&ours) == lines(theirs) {
                continue;
            }
            let upstream = if raised.is_empty() { "other labels" } else { raised };
            let outcome = if house.lines().is_empty() { "not shown" } else { "shown" };
            judge.differ("shown", case, upstream, outcome, || format!("{name}\n{ours}\n{theirs}"));
        }
    }
    runs(&mut judge);
    println!("{} compared, {} expected differences", judge.compared, judge.expected);
    judge.end();
}

/// What a pollster gives in a cycle: its name, its source, and samples.
type Run = (&'static str, &'static str, Vec<Arc<Sample>>);

/// Runs of several cycles. Each case shows one weakness of the original, the first none.
fn scenario(case: &str, random: &mut fastrand::Rng) -> Vec<Vec<Run>> {
    let resources = |random: &mut fastrand::Rng, meter: &str, is_mixed: bool| -> Vec<Arc<Sample>> {
        let mut all: Vec<u8> = (0..12).collect();
        random.shuffle(&mut all);
        all.truncate(random.usize(0..10));
        let sample = |number: u8| {
            // As many labels in the second and the third, and other ones.
            let metadata = match random.u8(0..3) {
                0 if is_mixed => "{}",
                1 if is_mixed => r#"{"name": "n", "flavor": {"id": "f"}}"#,
                _ => r#"{"name": "n", "host": "h"}"#,
            };
            made(meter, MeterKind::Gauge, "u", &format!("r{number}"), random.i64(0..100), metadata)
        };
        all.into_iter().map(sample).collect()
    };
    let cycle = |_| -> Vec<Run> {
        match case {
            "same labels" => vec![
                ("cpu", "s", resources(random, "cpu", false)),
                ("disk.root.size", "s", resources(random, "disk.root.size", false)),
            ],
            "other names" => {
                let both = [resources(random, "x.a", false), resources(random, "x.b", false)];
                vec![
                    ("radosgw.usage", "s", resources(random, "radosgw.api.request", false)),
                    ("x", "s", both.concat()),
                ]
            }
            "mixed labels" => vec![("cpu", "s", resources(random, "cpu", true))],
            _ => vec![
                ("cpu", "s", resources(random, "cpu", false)),
                ("cpu", "t", resources(random, "cpu", false)),
            ],
        }
    };
    (0..8).map(cycle).collect()
}

fn runs(judge: &mut Judge) {
    const CASES: [&str; 4] = ["same labels", "other names", "mixed labels", "two sources"];
    let mut random = fastrand::Rng::with_seed(7);
    let (mut questions, mut cycles) = (Vec::new(), Vec::new());
    for case in CASES {
        for _ in 0..12 {
            for (number, runs) in scenario(case, &mut random).into_iter().enumerate() {
                let batches = runs.iter().map(|(pollster, _, samples)| {
                    let batches = samples.chunks(4).map(|batch| {
                        let batch: Vec<_> = batch.iter().map(|sample| wire(sample)).collect();
                        format!("[{}]", batch.join(","))
                    });
                    format!("[{pollster:?}, [{}]]", batches.collect::<Vec<_>>().join(","))
                });
                let batches = batches.collect::<Vec<_>>().join(",");
                questions.push(format!("[\"cycle\", [{batches}], {}]", number == 0));
                cycles.push((case, number, runs));
            }
        }
    }
    let mut house = House::new(ExporterMode::Compatible);
    for ((case, number, runs), theirs) in cycles.into_iter().zip(original(&questions)) {
        judge.compared += 1;
        if number == 0 {
            house = House::new(ExporterMode::Compatible);
        }
        let mut truth: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (pollster, source, samples) in &runs {
            house.run_of(pollster, source, 60, samples, true);
            for sample in samples {
                let meters = truth.entry(sample.name.to_string()).or_default();
                meters.insert(sample.resource_id.as_str().unwrap().to_owned());
            }
        }
        let given: usize = truth.values().map(BTreeSet::len).sum();
        assert_eq!(house.lines().len(), given, "everything, and nothing else: {:?}", house.lines());
        let (ours, theirs) =
            (lines(&house.text(Format::Classic)), lines(theirs["classic"].as_str().unwrap()));
        if case == "same labels" {
            // With a declaration for each family that there is.
            let series = |line: &&String| !line.starts_with('#');
            let [ours, theirs] =
                [&ours, &theirs].map(|all| all.iter().filter(series).collect::<BTreeSet<_>>());
            assert_eq!(ours, theirs);
            continue;
        }
        let text = || format!("{ours:#?}\n{theirs:#?}");
        for line in ours.difference(&theirs).filter(|line| !line.starts_with('#')) {
            judge.differ("runs", case, "missing", "shown", || format!("{line}\n{}", text()));
        }
        for line in theirs.difference(&ours).filter(|line| !line.starts_with('#')) {
            let label = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap_or_default();
                rest.split('"').next().unwrap_or_default().to_owned()
            };
            let is_given = truth.get(&label("counter")).is_some_and(|all| all.contains(&label("resource")));
            let upstream = if is_given { "other labels" } else { "stale" };
            judge.differ("runs", case, upstream, "not shown", || format!("{line}\n{}", text()));
        }
    }
}

/// Media types that scrapers take, and what Python's client answers them with.
#[test]
fn scrapers_get_the_format_that_the_python_client_gives_them() {
    let headers = [
        "",
        "*/*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/plain",
        "text/plain;version=0.0.4",
        "text/plain;version=1.0.0",
        "text/plain; version=1.0.0; charset=utf-8",
        "application/openmetrics-text",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text; version=1.0.0",
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text; version=1.0.0,application/openmetrics-text; version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "text/plain;version=1.0.0,application/openmetrics-text;version=1.0.0",
    ];
    let questions: Vec<_> = headers.iter().map(|header| json!(["accept", header]).to_string()).collect();
    let theirs = original(&questions);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let house = House::new(ExporterMode::Compatible);
        let scraped = crate::scrape::Scraped::start(&house, &["127.0.0.1:0"], None);
        for (header, theirs) in headers.iter().zip(theirs) {
            let (_, kind, _) = scraped.get(0, "/metrics", header).await;
            assert_eq!(kind, theirs.as_str().unwrap(), "{header}");
        }
    });
}
