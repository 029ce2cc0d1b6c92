//! Bodies of fuzz targets: plain functions over bytes that must return, and that check what holds for any input.
//! Property tests drive them with committed seeds; a fuzzer can do so as well.

use crate::pytext::{casefold, crop, float_of, integer_of, strip, to_repr, to_str};
use crate::time::IsoTime;
use crate::{Map, Value, json, signature};

/// Parses any bytes as JSON; what parses prints to texts that parse to the same again. Reads them as text that stands in
/// another one, too, and by entries.
///
/// # Panics
/// When a printed text does not parse, or prints differently then; when another way of reading gives something else.
pub fn json(bytes: &[u8]) {
    escaped(bytes);
    let Ok(value) = json::parse(bytes) else { return };
    let dumped = json::to_string(&value);
    for again in [json::parse(&dumped), json::parse(json::to_compact_string(&value))] {
        // Printed texts are compared, because NaN is not equal to itself.
        assert_eq!(again.map(|again| json::to_string(&again)).as_ref(), Ok(&dumped));
    }
    assert!(value.approximate_bytes() > 0);
    if let Value::Map(map) = &value {
        let inner = String::from_utf8_lossy(bytes);
        let every = entries(json::Entries::of(&inner), |_| true);
        assert_eq!(every.map(|every| json::to_string(&every)), Some(dumped));
        let outer = format!(r#"{{"outer": {inner}}}"#);
        // A map one level down may be too deep there.
        if let Some(some) = entries(json::Entries::of(&outer), |key| key.len() % 2 == 0) {
            let kept = map.iter().filter(|(key, _)| key.len() % 2 == 0);
            let kept: Map = kept.map(|(key, value)| (key, value.clone())).collect();
            assert_eq!(some.get("outer").map(json::to_string), Some(json::to_string(&kept.into())));
        }
        assert_eq!(signature::compute(map, "secret").len(), 64);
    }
    drop((to_str(&value), integer_of(&value), float_of(&value)));
}

/// What an escaped text reads as is what it reads as without its escapes.
fn escaped(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(read) = entries(json::Entries::of_escaped(text), |_| true) else { return };
    let plain = json::parse(format!("\"{text}\"")).ok();
    let plain = plain.as_ref().and_then(Value::as_str).and_then(|plain| json::parse(plain).ok());
    assert_eq!(plain.map(|plain| json::to_string(&plain)), Some(json::to_string(&read)));
}

/// The map that entries make, with those of its maps that `keeps` wants; `None` if they are wrong somewhere.
fn entries<const ESCAPED: bool>(
    entries: Option<json::Entries<'_, ESCAPED>>,
    keeps: impl Fn(&str) -> bool,
) -> Option<Value> {
    let mut entries = entries?;
    let mut pairs = Vec::new();
    while let Some(key) = entries.next_key().ok()? {
        let key = key.into_owned();
        pairs.push((key.into(), entries.value_of(&keeps).ok()?));
    }
    Some(Map::from_pairs(pairs).into())
}

/// Reads any text as a time; what reads prints to a text that reads to the same.
///
/// # Panics
/// When a printed time does not read back, or lies apart from itself.
pub fn time(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(time) = IsoTime::parse(&text) else { return };
    assert_eq!(IsoTime::parse(&time.to_iso()), Ok(time));
    if let Ok(instant) = time.timestamp() {
        assert_eq!(crate::Timestamp::parse(&instant.to_iso()), Ok(instant));
    }
    assert!(time.seconds_until(time).abs() < f64::EPSILON);
}

/// Gives any text to what Python does with texts.
///
/// # Panics
/// When a cropped text is too long, or a stripped or folded one changes once more.
pub fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let length = bytes.first().map_or(0, |byte| usize::from(*byte));
    assert!(crop(&text, length).chars().count() <= length);
    assert_eq!(strip(strip(&text)), strip(&text));
    let folded = casefold(&text);
    assert_eq!(casefold(&folded), folded);
    let value = Value::from(text);
    drop((to_repr(&value), integer_of(&value), float_of(&value)));
}
