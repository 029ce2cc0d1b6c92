use super::*;

#[test]
fn units_are_base_units() {
    for (text, name, value) in [
        ("ns", "seconds", 2e-9),
        ("µs", "seconds", 2e-6),
        ("ms", "seconds", 2e-3),
        ("second", "seconds", 2.0),
        ("hours", "seconds", 7200.0),
        ("B", "bytes", 2.0),
        ("KB", "bytes", 2000.0),
        ("MiB", "bytes", 2_097_152.0),
        ("GiB", "bytes", 2_147_483_648.0),
        ("B/s", "bytes_per_second", 2.0),
        ("%", "ratio", 0.02),
        ("percent", "ratio", 0.02),
        ("degrees C", "celsius", 2.0),
        ("Volts", "volts", 2.0),
        ("Amps", "amperes", 2.0),
        ("W", "watts", 2.0),
        ("kWh", "joules", 7_200_000.0),
        ("MHz", "hertz", 2e6),
        ("RPM", "rpm", 2.0),
    ] {
        let unit = unit(text).unwrap();
        assert_eq!(unit.name, name, "{text}");
        assert!((unit.scale.of(2.0) - value).abs() < value * 1e-12, "{text}");
    }
    for text in ["", "request", "packet", "vcpu", "status", "b", "furlong", "mib"] {
        assert_eq!(unit(text), None, "{text}");
    }
}
