use proptest::prelude::*;

use super::*;

/// One block as ipmitool 1.8.19 prints it.
fn block(id: &str, kind: &str, reading: &str) -> String {
    format!(
        "Sensor ID              : {id}\n Entity ID             : 7.1 (System Board)\n Sensor Type ({kind}\n Sensor \
         Reading        : {reading}\n Status                : ok\n\n"
    )
}

fn parse(printed: &str) -> Option<Sensors> {
    Sensors::parse(printed.as_bytes(), true)
}

fn one(printed: &[u8]) -> Sensor {
    Sensors::parse(printed, true).unwrap().0.pop().unwrap()
}

#[test]
fn readings() {
    for (reading, expected) in [
        ("25 (+/- 0.500) degrees C", Some((25.0, "C"))),
        ("-10 (+/- 0.500) degrees C", Some((-10.0, "C"))),
        ("11.831 (+/- 0) Volts", Some((11.831, "V"))),
        ("4088 (+/- 58) RPM", Some((4088.0, "RPM"))),
        ("140 (+/- 3.500) Watts", Some((140.0, "W"))),
        ("0.400 (+/- 0.050) Amps", Some((0.4, "Amps"))),
        ("39 (+/- 0.500) percent", Some((39.0, "percent"))),
        ("31 (+/- 0.500) unspecified", Some((31.0, "unspecified"))),
        ("Disabled", None),
        ("No Reading", None),
        ("0h", None),
        ("1eh", None),
        ("0x1E", None),
        ("0x1E (+/- 0x00) unspecified", None),
        ("Unable to read sensor", None),
        ("25", None),
        ("", None),
    ] {
        let sensor = one(block("s (0x1)", "Threshold)  : Fan (0x04)", reading).as_bytes());
        assert_eq!(sensor.value(), expected, "{reading}");
    }
}

#[test]
fn names_numbers_and_types() {
    for (id, name) in [
        ("Inlet Temp (0x4)", "Inlet Temp"),
        ("BB P1 VR (hot) (0x20)", "BB P1 VR (hot)"),
        ("12V: PSU/1 (0x3)", "12V: PSU/1"),
        ("Fan (0xzz)", "Fan (0xzz)"),
        (" (0x3)", "(0x3)"),
        ("Fan", "Fan"),
    ] {
        let sensor = one(block(id, "Discrete): Cable / Interconnect (0x1b)", "0h").as_bytes());
        assert_eq!((sensor.name(), sensor.class.as_str()), (name, "Cable"), "{id}");
    }
    // The analogue type counts before the others, wherever it stands.
    let printed = "Sensor ID : a\n Sensor Type (Threshold) : Fan\n Sensor Type (Analog) : Current x\n Sensor Reading : 1 A\n";
    assert_eq!(one(printed.as_bytes()).class, "Current");
}

#[test]
fn a_name_that_is_not_utf8_is_latin_1() {
    let printed =
        block("Temp\u{e9}rature (0xf)", "Threshold)  : Temperature (0x01)", "31 (+/- 0.500) degrees C");
    let latin: Vec<u8> =
        printed.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
    assert_eq!(one(&latin).id, "Temp\u{e9}rature (0xf)");
    assert_eq!(one(printed.as_bytes()).id, "Temp\u{e9}rature (0xf)");
}

#[test]
fn what_is_no_sensor_is_left_out_and_the_others_stay() {
    let sensor = block("a (0x1)", "Threshold)  : Fan (0x04)", "1 (+/- 0) RPM");
    let event_only = "Sensor ID              : b (0x2)\nEntity ID              : 7.1\nSensor Type            : Fan (0x04)\n\n";
    let no_reading = " Sensor ID : c\n Sensor Type (Analog) : Fan\n\n";
    let no_id = " Sensor Reading : 5 RPM\n Sensor Type (Analog) : Fan\n\n";
    let printed = format!("Locating sensor record...\n{sensor}{event_only}\n\nnoise\n\n{no_reading}{no_id}");
    let sensors = parse(&printed).unwrap();
    assert_eq!(sensors.iter().map(Sensor::name).collect::<Vec<_>>(), ["a"]);
    assert_eq!(parse(""), Some(Sensors::default()));
    for nothing in ["\n", "garbage\n", event_only, no_reading, no_id] {
        assert_eq!(parse(nothing), None, "{nothing}");
    }
}

#[test]
fn a_sensor_that_comes_again_replaces_the_first() {
    let printed =
        ["1 (+/- 0) RPM", "2 (+/- 0) RPM"].map(|reading| block("a (0x1)", "Analog) : Fan", reading));
    let sensors = parse(&printed.join(&block("b (0x2)", "Analog) : Fan", "3 (+/- 0) RPM"))).unwrap();
    let values: Vec<_> = sensors.iter().map(|sensor| sensor.value().unwrap().0).collect();
    assert_eq!(values, [2.0, 3.0]);
}

#[test]
fn what_is_cut_off_is_not_read() {
    let printed = block("a (0x1)", "Analog) : Fan", "1 (+/- 0) RPM")
        + &block("b (0x2)", "Analog) : Fan", "4088 (+/- 58) RPM");
    let whole = parse(&printed).unwrap();
    for end in 0..=printed.len() {
        let cut = &printed.as_bytes()[..end];
        for is_whole in [true, false] {
            for sensor in Sensors::parse(cut, is_whole).unwrap_or_default().iter() {
                // A block without its last lines may be whole as far as one can see, if the program says so.
                assert!(whole.iter().any(|known| known == sensor), "{end} {is_whole}: {sensor:?}");
            }
        }
        assert!(Sensors::parse(cut, false).unwrap_or_default().len() <= usize::from(end > 150) + 1);
    }
    // The program failed: what is not followed by an empty line does not count.
    assert_eq!(Sensors::parse(printed.trim_end().as_bytes(), false).unwrap().len(), 1);
    assert_eq!(Sensors::parse(printed.as_bytes(), false).unwrap().len(), 2);
}

proptest! {
    #[test]
    fn nothing_that_is_printed_makes_it_stumble(printed in proptest::collection::vec(any::<u8>(), 0..600), is_whole: bool) {
        let _ = Sensors::parse(&printed, is_whole);
    }

    #[test]
    fn neither_do_lines_that_look_like_sensors(
        lines in proptest::collection::vec(
            ("(| )(Sensor ID|Sensor Reading|Sensor Type \\((Analog|Discrete|Threshold)\\)|Normal Maximum| *|x)( *):", "(|\r|[ -~]{0,20}|\\PC{0,6}|[0-9.-]{1,8} (RPM|degrees C|\\PC*))", "(\n|\n|\n\n|\r\n)"),
            0..40,
        ),
        is_whole: bool,
    ) {
        let printed = lines.iter().flat_map(|(key, value, end)| [key.as_str(), value.as_str(), end.as_str()]).collect::<String>();
        if let Some(sensors) = Sensors::parse(printed.as_bytes(), is_whole) {
            for sensor in sensors.iter() {
                let _ = (sensor.name(), sensor.value());
            }
        }
    }

    /// What was printed is read, whatever it is called.
    #[test]
    fn every_sensor_is_found(
        sensors in proptest::collection::btree_map("[!-~][ -~]{0,14}[!-~]", (-9999i32..9999, "Temperature|Voltage|Fan|Current"), 0..30)
    ) {
        let printed: String = sensors.iter().enumerate().map(|(number, (name, (value, class)))| {
            block(&format!("{name} (0x{number:x})"), &format!("Threshold)  : {class} (0x01)"), &format!("{value} (+/- 0) units"))
        }).collect();
        let parsed = parse(&printed).unwrap();
        prop_assert_eq!(parsed.len(), sensors.len());
        for (sensor, (name, (value, class))) in parsed.iter().zip(&sensors) {
            prop_assert_eq!((sensor.name(), &sensor.class), (name.as_str(), class));
            prop_assert_eq!(sensor.value(), Some((f64::from(*value), "units")));
        }
    }
}
