//! What is shown, in both formats, as Prometheus's own parsers read it, and beside Ceilometer's exporter.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use model::{MeterKind, Sample, Value, json, pytext};
use nephoscope_publishers::series::{Kind, Naming, Series};

use crate::house::{House, OPENMETRICS, made_of};
use crate::records::sample;

/// Name, labels that are not empty, and value.
type Shown = BTreeSet<(String, BTreeMap<String, String>, String)>;

/// A family as a parser reads it.
#[derive(Debug)]
struct Family {
    name: String,
    kind: String,
    series: Vec<(String, BTreeMap<String, String>, String)>,
}

/// What `exposition.py` makes of each question.
fn ask(questions: &[serde_json::Value]) -> Vec<Vec<Family>> {
    let mut child = Command::new(testkit::venv_python().unwrap())
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exposition.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<_> = questions.iter().map(serde_json::Value::to_string).collect();
    let text = lines.join("\n");
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(families).collect();
    assert_eq!(answers.len(), questions.len());
    answers
}

fn families(line: &str) -> Vec<Family> {
    let answer: serde_json::Value = serde_json::from_str(line).unwrap();
    let Some(families) = answer.as_array() else { panic!("{answer}") };
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let families = families.iter().map(|family| Family {
        name: text(&family[0]),
        kind: text(&family[1]),
        series: family[2]
            .as_array()
            .unwrap()
            .iter()
            .map(|series| {
                let labels = series[1].as_object().unwrap();
                let labels = labels.iter().map(|(name, value)| (name.clone(), text(value))).collect();
                (text(&series[0]), labels, text(&series[2]))
            })
            .collect(),
    });
    families.collect()
}

fn not_empty(labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// What shall be shown of a sample. Python's parser of the classic format calls every counter `…_total`.
fn expected(sample: &Sample, naming: Naming) -> (String, BTreeMap<String, String>, String) {
    let series = Series::of(sample, naming);
    let labels = series.labels().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let value = match &sample.volume {
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        other => pytext::float_of(other).unwrap(),
    };
    (
        series.name.trim_end_matches("_total").to_owned(),
        not_empty(labels),
        pytext::to_str(&Value::Float(value)),
    )
}

fn shown(families: Vec<Family>) -> Shown {
    let series = families.into_iter().flat_map(|family| family.series);
    series
        .map(|(name, labels, value)| (name.trim_end_matches("_total").to_owned(), not_empty(labels), value))
        .collect()
}

/// Texts that have broken one writer or another.
const HOSTILE: [&str; 12] = [
    "plain",
    "",
    "quote\"",
    "back\\slash",
    "line\nend",
    "\\n",
    "\u{0}\u{1f}\u{7f}",
    "é😀",
    "{a=\"b\"} 1",
    "# TYPE x counter",
    "\u{2028}\u{85}\r",
    "a,b=c",
];

fn hostile_samples(seed: u64) -> Vec<Arc<Sample>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let parts = [
        "cpu",
        "a-b",
        "1x",
        "__name__",
        "type",
        "user",
        "total",
        "created",
        "é",
        "",
        "x_total",
        "loadbalancer",
    ];
    let mut seen = BTreeSet::new();
    let mut samples = Vec::new();
    while samples.len() < 150 {
        let mut text = || random.choice(HOSTILE).unwrap().to_owned() + random.choice(HOSTILE).unwrap();
        let (resource, user, host) = (text(), text(), text());
        let count = random.usize(1..4);
        let name: Vec<_> = (0..count).map(|_| *random.choice(&parts).unwrap()).collect();
        let kind = *random.choice(&[MeterKind::Gauge, MeterKind::Delta, MeterKind::Cumulative]).unwrap();
        let metadata = serde_json::json!({"host": host, "flavor": {"name": "x"}, "zone": 7}).to_string();
        let volume = *random.choice(&[0.0, -1.5, 1e300, 5e-324, f64::NAN, f64::INFINITY, 1e16]).unwrap();
        let mut made = (*made_of(&name.join("."), kind, &resource, volume, &metadata)).clone();
        made.user_id = user.into();
        let (name, labels, _) = expected(&made, Naming::default());
        if seen.insert((name, labels)) {
            samples.push(Arc::new(made));
        }
    }
    samples
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_own_parsers_read_whatever_is_shown() {
    let mut questions = Vec::new();
    let mut all = Vec::new();
    for seed in 0..12 {
        let naming = Naming { total_suffix: seed % 2 == 1 };
        let mut house = House::new(&format!("?total_suffix={}", naming.total_suffix));
        let samples = hostile_samples(seed);
        house.accept(&samples).await;
        let wanted: Shown = samples.iter().map(|sample| expected(sample, naming)).collect();
        for (kind, accept) in [("classic", "*/*"), ("openmetrics", OPENMETRICS)] {
            let (status, content_type, text) = house.get("/", accept).await;
            assert_eq!(status, 200);
            assert!(content_type.contains(if kind == "classic" { "version=0.0.4" } else { "openmetrics" }));
            questions.push(serde_json::json!([kind, text]));
            all.push((seed, kind, wanted.clone()));
        }
    }
    let answers = tokio::task::spawn_blocking(move || ask(&questions)).await.unwrap();
    let mut types = BTreeSet::new();
    for (families, (seed, kind, wanted)) in answers.into_iter().zip(all) {
        types.extend(families.iter().map(|family| (kind, family.kind.clone())));
        assert_eq!(shown(families), wanted, "seed {seed}, {kind}");
    }
    let types: Vec<_> = types.iter().map(|(kind, of)| format!("{kind} {of}")).collect();
    assert_eq!(
        types,
        [
            "classic counter",
            "classic gauge",
            "classic unknown",
            "openmetrics counter",
            "openmetrics gauge",
            "openmetrics unknown"
        ]
    );
}

/// Ceilometer's exporter, sample by sample. Its own faults are left out: it raises for names that labels cannot have.
#[test]
fn names_and_labels_are_those_of_ceilometers_exporter() {
    let metadata = [
        "{}",
        r#"{"host": "h"}"#,
        r#"{"display_name": "d", "name": "n", "host": "h", "flavor": {"id": "F", "name": "tiny"}, "x": 1}"#,
        r#"{"display_name": "d", "flavor": {"id": 7}}"#,
        r#"{"name": "n", "user_metadata": {"server_group": "g"}, "alarm_state": "ok"}"#,
        r#"{"user_metadata": {"other": "g"}, "flavor": {}, "binary": "b", "zone": "z", "status": "enabled", "availability_zone": "az"}"#,
        r#"{"binary": null, "availability_zone": null, "alarm_state": "", "host": "", "name": "", "flavor": null}"#,
    ];
    let names = [
        "cpu",
        "disk.root.size",
        "disk.device.read.latency",
        "network.incoming.bytes.rate",
        "alarm.evaluation_result",
        "volume.service.health",
        "loadbalancer.operating",
        "loadbalancer",
        "power.state",
        "type.x",
        "user.x.y",
        "hardware.a-b",
    ];
    let mut questions = Vec::new();
    let mut samples = Vec::new();
    for name in names {
        for (place, metadata) in metadata.iter().enumerate() {
            let mut made = (*made_of(name, MeterKind::Cumulative, "r", 1.5, metadata)).clone();
            if place % 2 == 1 {
                (made.user_id, made.project_id, made.unit) = (Value::Null, "".into(), Value::Null);
                (made.user_name, made.project_name) = ("un".into(), "pn".into());
            }
            let wire = Value::Map(made.to_wire("", None));
            let wire: serde_json::Value = serde_json::from_str(&json::to_string(&wire)).unwrap();
            questions.push(serde_json::json!(["upstream", wire]));
            samples.push(made);
        }
    }
    for (theirs, sample) in ask(&questions).into_iter().zip(samples) {
        assert_eq!(shown(theirs), [expected(&sample, Naming::default())].into(), "{sample:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_has_one_set_of_labels_and_one_type() {
    let mut house = House::new("");
    house
        .accept(&[
            made_of("a.b", MeterKind::Gauge, "bare", 1, "{}"),
            made_of(
                "a.b",
                MeterKind::Gauge,
                "full",
                1,
                r#"{"host": "h", "flavor": {"id": 1}, "alarm_state": "ok"}"#,
            ),
            made_of("m.x", MeterKind::Gauge, "r", 1, "{}"),
            made_of("m-x", MeterKind::Cumulative, "r", 1, "{}"),
            made_of("c", MeterKind::Cumulative, "r", 1, "{}"),
            made_of("d", MeterKind::Delta, "r", 1, "{}"),
        ])
        .await;
    let (_, _, classic) = house.get("/metrics", "text/plain").await;
    let (_, _, openmetrics) = house.get("/metrics", OPENMETRICS).await;
    let questions =
        [serde_json::json!(["classic", classic]), serde_json::json!(["openmetrics", openmetrics])];
    let answers = tokio::task::spawn_blocking(move || ask(&questions)).await.unwrap();
    for (families, types) in answers.iter().zip([
        ["ceilometer_a_b gauge", "ceilometer_c counter", "ceilometer_d gauge", "ceilometer_m_x unknown"],
        ["ceilometer_a_b gauge", "ceilometer_c unknown", "ceilometer_d gauge", "ceilometer_m_x unknown"],
    ]) {
        let seen: Vec<_> = families.iter().map(|family| format!("{} {}", family.name, family.kind)).collect();
        assert_eq!(seen, types);
        let names: Vec<_> =
            families[0].series.iter().map(|(_, labels, _)| labels.keys().collect::<Vec<_>>()).collect();
        assert_eq!(names[0], names[1]);
    }
    assert_eq!(Series::of(&sample("m", "r", 1), Naming::default()).kind, Kind::Gauge);
}
