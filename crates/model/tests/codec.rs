//! What is written reads back the same, and nothing else makes trouble.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a failed test")]

use nephoscope_model::codec::{
    DecodeError, MAX_DEPTH, read_event, read_sample, read_value, write_event, write_sample, write_value,
};
use nephoscope_model::{Event, Map, MeterKind, Sample, Subject, Timestamp, Trait, TraitValue, Value, json};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn runner() -> TestRunner {
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]))
}

fn float() -> impl Strategy<Value = f64> {
    // Every pattern of bits: NaN with any payload, infinities, both zeros.
    prop_oneof![any::<u64>().prop_map(f64::from_bits), Just(f64::NAN), Just(f64::NEG_INFINITY), Just(-0.0)]
}

fn digits() -> impl Strategy<Value = String> {
    "-?[1-9][0-9]{19,60}"
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1), Just(0)].prop_map(Value::Int),
        digits().prop_map(|digits| Value::BigInt(digits.into())),
        float().prop_map(Value::Float),
        "\\PC{0,40}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            proptest::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
        ]
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    let kind = prop_oneof![Just(MeterKind::Gauge), Just(MeterKind::Delta), Just(MeterKind::Cumulative)];
    let values = proptest::collection::vec(value(), 10);
    (any::<String>(), kind, values, any::<String>(), proptest::option::of(float())).prop_map(
        |(name, kind, values, id, monotonic_time)| {
            let mut values = values.into_iter();
            let mut next = || values.next().unwrap();
            Sample {
                name: name.into(),
                kind,
                unit: next(),
                volume: next(),
                subject: Subject {
                    user_id: next(),
                    user_name: next(),
                    project_id: next(),
                    project_name: next(),
                    resource_id: next(),
                    resource_metadata: next().into(),
                }
                .into(),
                timestamp: next(),
                source: next(),
                id: id.into(),
                monotonic_time,
            }
        },
    )
}

fn time() -> impl Strategy<Value = Timestamp> {
    (-62_135_596_800_000_000..=253_402_300_799_999_999_i64)
        .prop_map(|microseconds| Timestamp::from_microseconds(microseconds).unwrap())
}

fn event() -> impl Strategy<Value = Event> {
    let trait_value = prop_oneof![
        any::<String>().prop_map(|text| TraitValue::Untyped(text.into())),
        any::<String>().prop_map(|text| TraitValue::Text(text.into())),
        any::<i64>().prop_map(TraitValue::Integer),
        digits().prop_map(|digits| TraitValue::BigInteger(digits.into())),
        float().prop_map(TraitValue::Float),
        time().prop_map(TraitValue::Datetime),
    ];
    let traits = (any::<String>(), trait_value).prop_map(|(name, value)| Trait { name: name.into(), value });
    (value(), any::<String>(), time(), proptest::collection::vec(traits, 0..9), value()).prop_map(
        |(message_id, event_type, generated, traits, raw)| Event {
            message_id,
            event_type: event_type.into(),
            generated,
            traits,
            raw,
        },
    )
}

/// NaN is not equal to itself; its printed form, and its bytes, are.
fn printed(record: &impl std::fmt::Debug) -> String {
    format!("{record:?}")
}

fn sample_bytes(sample: &Sample) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_sample(sample, &mut bytes);
    bytes
}

fn event_bytes(event: &Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_event(event, &mut bytes);
    bytes
}

#[test]
fn samples_and_events_come_back_the_same() {
    runner()
        .run(&sample(), |sample| {
            let bytes = sample_bytes(&sample);
            let again = read_sample(&bytes).unwrap();
            prop_assert_eq!(printed(&again), printed(&sample));
            prop_assert_eq!(sample_bytes(&again), bytes);
            Ok(())
        })
        .unwrap();
    runner()
        .run(&event(), |event| {
            let bytes = event_bytes(&event);
            let again = read_event(&bytes).unwrap();
            prop_assert_eq!(printed(&again), printed(&event));
            prop_assert_eq!(event_bytes(&again), bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn values_come_back_one_by_one() {
    runner()
        .run(&proptest::collection::vec(value(), 0..5), |values| {
            let mut bytes = Vec::new();
            for value in &values {
                write_value(value, &mut bytes);
            }
            let mut rest = &*bytes;
            for value in &values {
                prop_assert_eq!(printed(&read_value(&mut rest).unwrap()), printed(value));
            }
            prop_assert_eq!(read_value(&mut rest), Err(DecodeError::Short));
            Ok(())
        })
        .unwrap();
    let mut bytes = [7, 2, 0, 99].as_slice();
    assert_eq!(read_value(&mut bytes), Err(DecodeError::Tag { what: "a value", found: 99 }));
    assert_eq!(bytes, [7, 2, 0, 99]);
}

#[test]
fn damaged_records_are_refused_or_read_as_something_else_but_never_more() {
    runner()
        .run(
            &(sample(), event(), any::<prop::sample::Index>(), any::<u8>()),
            |(sample, event, place, byte)| {
                for mut bytes in [sample_bytes(&sample), event_bytes(&event)] {
                    let at = place.index(bytes.len());
                    for cut in [0, 1, at] {
                        prop_assert!(
                            read_sample(&bytes[..cut]).is_err() && read_event(&bytes[..cut]).is_err()
                        );
                    }
                    bytes[at] = byte;
                    drop((read_sample(&bytes), read_event(&bytes)));
                    bytes.push(byte);
                    drop((read_sample(&bytes), read_event(&bytes)));
                }
                Ok(())
            },
        )
        .unwrap();
    runner()
        .run(&proptest::collection::vec(any::<u8>(), 0..300), |mut bytes| {
            drop((read_sample(&bytes), read_event(&bytes)));
            for kind in [1, 2] {
                bytes.splice(..2.min(bytes.len()), [1, kind]);
                drop((read_sample(&bytes), read_event(&bytes)));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn errors_say_what_is_wrong() {
    let event = Event {
        message_id: Value::Null,
        event_type: "e".into(),
        generated: Timestamp::from_microseconds(0).unwrap(),
        traits: Vec::new(),
        raw: Value::Null,
    };
    let bytes = event_bytes(&event);
    assert_eq!(bytes, [1, 2, 0, 1, b'e', 0, 0, 0]);
    let with = |place: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[place] = byte;
        read_event(&bytes).unwrap_err()
    };
    assert_eq!(read_sample(&bytes), Err(DecodeError::Kind { expected: 1, found: 2 }));
    assert_eq!(with(0, 7).to_string(), "the record has version 7, and this release reads version 1");
    assert_eq!(with(2, 77).to_string(), "a value of the record begins with 77");
    assert_eq!(with(4, 0xff), DecodeError::Malformed("a text"));
    assert_eq!(with(6, 200), DecodeError::Short, "a count of more than the bytes that are left");
    assert_eq!(read_event(&[&bytes[..], &[0]].concat()), Err(DecodeError::Long(1)));
    // Numbers of more than 64 bits, times beyond the year 9999, integers that are none.
    for (field, error) in [
        (vec![0x80; 11], DecodeError::Malformed("a number")),
        ([vec![0xff; 9], vec![2]].concat(), DecodeError::Malformed("a number")),
        ([vec![0xff; 9], vec![1]].concat(), DecodeError::Malformed("a time")),
    ] {
        let bytes = [&bytes[..5], &field, &bytes[6..]].concat();
        assert_eq!(read_event(&bytes), Err(error), "{field:x?}");
    }
    for digits in ["", "-", "007", "1x", "--1"] {
        let length = u8::try_from(digits.len()).unwrap();
        let bytes = [&[1, 2, 4, length], digits.as_bytes(), &bytes[3..]].concat();
        assert_eq!(read_event(&bytes), Err(DecodeError::Malformed("an integer")), "{digits:?}");
    }
}

#[test]
fn nesting_is_bounded_and_everything_that_json_gives_stays_within() {
    let nested = |levels: usize| (0..levels).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    let event = |raw| Event {
        message_id: Value::Null,
        event_type: "e".into(),
        generated: Timestamp::from_microseconds(0).unwrap(),
        traits: Vec::new(),
        raw,
    };
    let fine = event(nested(MAX_DEPTH));
    assert_eq!(read_event(&event_bytes(&fine)).unwrap(), fine);
    assert_eq!(read_event(&event_bytes(&event(nested(MAX_DEPTH + 1)))), Err(DecodeError::Depth));
    let text = format!("{}{}", "[".repeat(json::MAX_DEPTH), "]".repeat(json::MAX_DEPTH));
    let deepest: Map = [("a", Value::List(vec![json::parse(&text).unwrap()]))].into_iter().collect();
    read_event(&event_bytes(&event(deepest.into()))).unwrap();
}
