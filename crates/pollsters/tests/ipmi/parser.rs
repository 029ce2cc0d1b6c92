//! Thousands of outputs, through Ceilometer's parser and ours.

use model::pytext;
use nephoscope_pollsters::ipmi::Sensors;
use serde_json::{Value, json};

use crate::differences::Judge;
use crate::original::{latin_1, original};
use crate::printed::{all, generate};

/// Outputs of each kind.
const COUNT: usize = 700;

/// What is put in the place of bytes.
const STRANGE: &[u8] = b"\n\n\n:: ()0x1-.\t\x00\x1f~aS\xe9\xff";

fn mutate(random: &mut fastrand::Rng, printed: &mut Vec<u8>) {
    for _ in 0..=random.usize(..3) {
        if printed.is_empty() {
            return;
        }
        let place = random.usize(..printed.len());
        let strange = STRANGE[random.usize(..STRANGE.len())];
        match random.u8(..4) {
            0 => printed[place] = strange,
            1 => printed.insert(place, strange),
            2 => {
                printed.remove(place);
            }
            _ => {
                let end = (place + random.usize(..40)).min(printed.len());
                printed.drain(place..end);
            }
        }
    }
}

fn outputs(random: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let mut outputs = vec![b"\n".to_vec(), b"Sensor ID : a".to_vec(), Vec::new()];
    for number in 0..COUNT * 6 {
        let kind = number % 6;
        let mut printed = all(&generate(random, kind == 1));
        match kind {
            2 | 3 => mutate(random, &mut printed),
            4 => printed.truncate(random.usize(..=printed.len())),
            5 if random.u8(..4) == 0 => {
                printed = latin_1(&printed)
                    .replace('\n', "\r\n")
                    .chars()
                    .map(|c| u8::try_from(c).unwrap())
                    .collect();
            }
            _ => {}
        }
        outputs.push(printed);
    }
    outputs
}

/// Our sensors in the form of the oracle's.
fn ours(printed: &[u8]) -> Option<Vec<Value>> {
    let sensors = Sensors::parse(printed, true)?;
    let mut rows: Vec<Value> = Vec::new();
    let mut classes: Vec<&str> = Vec::new();
    for sensor in sensors.iter() {
        if !classes.contains(&sensor.class.as_str()) {
            classes.push(&sensor.class);
        }
    }
    // A Python dictionary of classes has the sensors of each together.
    for class in classes {
        for sensor in sensors.iter().filter(|sensor| sensor.class == class) {
            let value = sensor.value().map(|(volume, unit)| json!([pytext::to_repr(&volume.into()), unit]));
            rows.push(json!([sensor.class, sensor.id, sensor.reading, sensor.normal_maximum, value]));
        }
    }
    Some(rows)
}

/// What of an output counts, by the rules that differ: without carriage returns, and up to the last empty line if it ends
/// in the middle of another.
fn what_counts(printed: &[u8]) -> Vec<u8> {
    let text = latin_1(printed).replace("\r\n", "\n");
    let whole =
        if text.ends_with('\n') { &text } else { text.rfind("\n\n").map_or("", |end| &text[..end + 2]) };
    whole.chars().map(|character| u8::try_from(character).unwrap()).collect()
}

/// The order of the classes is that of their first sensors, of which one may be left out.
fn by_class(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by(|one, other| one[0].as_str().cmp(&other[0].as_str()));
    rows
}

fn has_colon(row: &Value) -> bool {
    row[1].as_str().unwrap().contains(':')
}

#[test]
fn outputs_are_read_as_ceilometer_reads_them() {
    let mut random = fastrand::Rng::with_seed(20_261_126);
    let outputs = outputs(&mut random);
    let request = |printed: &[u8]| json!({ "parse": latin_1(printed) });
    let requests: Vec<_> =
        outputs.iter().flat_map(|printed| [request(printed), request(&what_counts(printed))]).collect();
    let answers = original(&requests);
    let mut judge = Judge::new("parser");
    let (mut equal, mut refused) = (0, 0);
    for (printed, theirs) in outputs.iter().zip(answers.chunks(2)) {
        let shown = String::from_utf8_lossy(printed);
        let mine = ours(printed);
        // Whatever the difference is: it is what Ceilometer reads in each block, and sensors with a colon in their names.
        let without_colons = mine.iter().flatten().filter(|row| !has_colon(row)).cloned().collect::<Vec<_>>();
        let blocks = theirs[1]["blocks"].as_array().unwrap().clone();
        assert_eq!(by_class(without_colons), by_class(blocks), "{shown}");
        let whole = &theirs[0]["whole"];
        let (error, sensors) = (whole["error"].as_str(), whole.get("sensors"));
        match &mine {
            None if error.is_some() => refused += 1,
            Some(rows) if sensors == Some(&json!(rows)) => equal += 1,
            _ => {
                let is_named_with_colon = mine.iter().flatten().any(has_colon);
                let case = match error {
                    Some(error) if error.starts_with("KeyError") && is_named_with_colon => "colon",
                    None if printed.contains(&b'\r') => "crlf",
                    None if what_counts(printed) != *printed => "cut",
                    Some(_) | None => "others",
                };
                judge
                    .differ(case, error.unwrap_or("other sensors"), || format!("{shown}\n{mine:?}\n{whole}"));
            }
        }
    }
    println!(
        "{} outputs: {equal} equal, {refused} refused by both, {} expected differences",
        outputs.len(),
        judge.expected
    );
    assert!(equal > COUNT * 3 && refused > 20, "{equal} {refused}");
    judge.end();
}
