use super::*;

fn pairs(text: &str) -> Vec<(String, String, String)> {
    let ini = parse(text).expect("valid");
    ini.entries
        .iter()
        .map(|entry| (ini.sections[entry.section].normalised(), entry.key.clone(), entry.value.clone()))
        .collect()
}

fn check(text: &str, expected: &[(&str, &str, &str)]) {
    let found = pairs(text);
    let found: Vec<_> =
        found.iter().map(|(section, key, value)| (section.as_str(), key.as_str(), value.as_str())).collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn values_as_oslo_config_reads_them() {
    check("[A]\nk = v # no comment\n", &[("a", "k", "v # no comment")]);
    check("[DEFAULT]\nk: v=w\n", &[("DEFAULT", "k", "v=w")]);
    check("[Default]\nk=\"quoted \"\n", &[("default", "k", "quoted ")]);
    check("[a]\nk = \"\n", &[("a", "k", "")]);
    check("[a]\nk = 'half\n", &[("a", "k", "'half")]);
    check("[a]\nk =\n  one\n\ttwo\n\nl=3\n", &[("a", "k", "\none\ntwo"), ("a", "l", "3")]);
    check("[a]\r\nk=1\rl=2", &[("a", "k", "1"), ("a", "l", "2")]);
    check("[ a ]\nk=1\n[b]c]\nk=2\n", &[(" a ", "k", "1"), ("b]c", "k", "2")]);
    check("", &[]);
}

#[test]
fn positions_point_at_key_and_value() {
    let ini = parse("[a]\n# é\nké  =  v\nl=\n").expect("valid");
    let at = |line, column| Position { line, column };
    assert_eq!((ini.entries[0].at, ini.entries[0].value_at), (at(3, 1), at(3, 8)));
    assert_eq!((ini.entries[1].at, ini.entries[1].value_at), (at(4, 1), at(4, 3)));
    assert_eq!(ini.sections[0].at, at(1, 1));
}

#[test]
fn every_fault_is_found_and_none_repeats_itself() {
    let text = "k = too early\nl = also\n[a]\n  dangling\n  dangling too\nno assignment\n  its tail\n= v\n[open\n[]\nk = v\n# c\n  after comment\n";
    let faults = parse(text).expect_err("faulty");
    let lines: Vec<u32> = faults.iter().map(|fault| fault.at.line).collect();
    assert_eq!(lines, [1, 4, 6, 8, 9, 10, 13]);
    assert!(faults.iter().all(|fault| !fault.hint.is_empty()));
}

/// A forgotten equals sign must not carry a password into the log.
#[test]
fn a_faulty_line_does_not_show_what_follows_its_first_word() {
    let faults = parse("[service_credentials]\npassword hunter2\n").expect_err("faulty");
    assert_eq!(faults[0].message, "no = or : after `password`");
}

#[test]
fn faults_are_bounded() {
    let faults = parse(&"x\n".repeat(100_000)).expect_err("faulty");
    assert_eq!(faults.len(), MAX_FAULTS);
}
