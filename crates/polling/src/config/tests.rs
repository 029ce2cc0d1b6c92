use definitions::Source;

use super::*;

fn parse(text: &str) -> Result<(PollingConfig, Vec<Problem>), Vec<Problem>> {
    PollingConfig::parse(Source { path: "polling.yaml", text })
}

/// The problems of a file, each a line.
fn problems(text: &str) -> String {
    let problems = match parse(text) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The file with one source of these further keys.
fn with(keys: &str) -> String {
    format!("sources:\n  - name: s\n    {keys}\n")
}

#[test]
fn the_packaged_file_is_read() {
    let text = "---\nsources:\n    - name: some_pollsters\n      interval: 300\n      meters:\n        - power.state\n        - \
                cpu\n        - volume.size\n";
    let (config, problems) = parse(text).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let [source] = &config.sources[..] else { panic!("{config:?}") };
    assert_eq!((source.name.as_str(), source.interval_seconds), ("some_pollsters", 300));
    assert!(source.filter.matches("cpu") && !source.filter.matches("cpu.delta"));
    assert_eq!(source.meters[1].place.span, Span { line: 7, column: 11 });
    assert!(source.resources.is_empty() && source.discovery.is_empty());
}

#[test]
fn every_key_has_its_effect() {
    let text = with(
        "interval: '60'\n    meters: ['!disk.*']\n    resources: [one, 2]\n    discovery: ['endpoint:compute']\n    \
         group_id_coordination_expression: \"'a'\"",
    );
    let (config, _) = parse(&text).unwrap();
    let source = &config.sources[0];
    assert!(source.filter.matches("cpu") && !source.filter.matches("disk.read"));
    assert_eq!(source.resources, ["one", "2"]);
    assert_eq!(source.discovery[0].text, "endpoint:compute");
    assert_eq!(source.group_id_coordination_expression.as_deref(), Some("'a'"));
    // Python's truth: what is empty is absent.
    let (config, _) =
        parse(&with("interval: 1\n    meters: [a]\n    resources:\n    discovery: ''")).unwrap();
    assert!(config.sources[0].resources.is_empty() && config.sources[0].discovery.is_empty());
}

#[test]
fn an_interval_is_what_pythons_int_makes_of_it() {
    for (written, expected) in [
        ("300", Some(300)),
        ("'300'", Some(300)),
        ("' 1_000 '", Some(1000)),
        ("+5", Some(5)),
        ("1.9", Some(1)),
        ("1:30", Some(90)),
        ("true", Some(1)),
        ("0x10", Some(16)),
        ("0.9", None),
        ("0", None),
        ("-1", None),
        ("'1.5'", None),
        ("1e3", None),
        ("'1__0'", None),
        ("'_1'", None),
        ("five", None),
        ("", None),
        ("[1]", None),
        (".inf", None),
        (".nan", None),
        ("99999999999999999999", None),
        ("-99999999999999999999", None),
    ] {
        let read = parse(&with(&format!("interval: {written}\n    meters: [a]")));
        let seconds = read.ok().map(|(config, _)| config.sources[0].interval_seconds);
        assert_eq!(seconds, expected, "{written}");
    }
}

#[test]
fn everything_that_is_wrong_is_named_with_its_place_and_what_to_write() {
    for (text, expected) in [
        ("", "polling.yaml:1:1: the file must be a map, not nothing; begin with the key sources:"),
        ("[a]", "polling.yaml:1:1: the file must be a map, not a list; begin with the key sources:"),
        ("a: [", "polling.yaml:1:5: this is not YAML: "),
        ("other: 1", "polling.yaml:1:1: sources is missing; add a list sources:"),
        (
            "sources:",
            "polling.yaml:1:9: sources must be a list, not nothing; write each source behind a dash",
        ),
        (
            "sources: {a: b}",
            "polling.yaml:1:10: sources must be a list, not a map; write each source behind a dash",
        ),
        (
            "sources: []",
            "polling.yaml:1:10: there is no source: nothing is polled; add a source with name, interval, meters",
        ),
        ("sources: [a]", "polling.yaml:1:11: a source must be a map, not \"a\"; write name: first"),
        (
            "sources: [{interval: 1, meters: [a]}]",
            "polling.yaml:1:11: this source has no name; add name: and a text",
        ),
        (
            "sources: [{name: [], interval: 1, meters: [a]}]",
            "a source's name must be a text, not a list; quote it",
        ),
        (
            "sources: [{name: s, meters: [a]}]",
            "this source has no interval; add interval: and seconds, for example 300",
        ),
        (
            "sources: [{name: s, interval: 0, meters: [a]}]",
            "polling.yaml:1:31: interval is 0, which is not more than 0; write whole seconds, more than 0, for example 300",
        ),
        (
            "sources: [{name: s, interval: soon, meters: [a]}]",
            "interval is \"soon\", which is no whole number; write whole seconds, more than 0, for example 300",
        ),
        ("sources: [{name: s, interval: 1}]", "this source has no meters; add a list meters:, \"*\" for all"),
        (
            "sources: [{name: s, interval: 1, meters: []}]",
            "meters is empty; list at least one name, or \"*\" for all",
        ),
        (
            "sources: [{name: s, interval: 1, meters: cpu}]",
            "meters must be a list, not \"cpu\"; write each name behind a dash",
        ),
        (
            "sources: [{name: s, interval: 1, meters: [a, 5]}]",
            "an entry of meters must be a name, not 5; write a name",
        ),
        (
            "sources: [{name: s, interval: 1, meters: ['']}]",
            "an entry of meters must be a name, not \"\"; write a name",
        ),
        (
            "sources: [{name: s, interval: 1, meters: [a, '!b']}]",
            "meters: both \"a\" and the negated \"!b\" are listed; list \"a\" in a source of its own, or write \"*\" for it",
        ),
        (
            "sources: [{name: s, interval: 1, meters: ['*', a]}]",
            "meters: both \"*\" and \"a\" are listed, which \"*\" contains already; remove \"a\", or remove \"*\"",
        ),
        (
            "sources: [{name: s, interval: 1, meters: [a], resources: x}]",
            "resources must be a list, not \"x\"; write each entry of resources behind a dash",
        ),
        (
            "sources: [{name: s, interval: 1, meters: [a], resources: [{a: b}]}]",
            "an entry of resources must be a text, not a map; write the resource's id or address, in quotes",
        ),
        (
            "sources: [{name: s, interval: 1, meters: [a], discovery: {a: b}}]",
            "discovery must be a list, not a map; write each entry of discovery behind a dash",
        ),
        (
            "sources: [{name: s, interval: 1, meters: [a], group_id_coordination_expression: [1]}]",
            "group_id_coordination_expression must be a text, not a list; quote it",
        ),
    ] {
        let found = problems(text);
        assert!(found.contains(expected), "{text}\n{found}");
        assert_eq!(found.lines().count(), 1, "{text}\n{found}");
    }
}

#[test]
fn several_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = "sources:\n  - interval: x\n  - name: s\n    meters: []\n";
    let lines: Vec<u32> = parse(text).unwrap_err().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 2, 2, 3, 4]);
}

#[test]
fn what_python_takes_by_chance_is_taken_with_a_warning() {
    let (config, problems) = parse("sources: [{name: s, interval: 1, meters: '*'}]").unwrap();
    assert!(config.sources[0].filter.is_everything());
    assert_eq!(problems.len(), 1);
    let (config, problems) =
        parse("sources: [{name: s, interval: 1, meters: {cpu: , 'disk.*': 1}}]").unwrap();
    assert!(config.sources[0].filter.matches("cpu") && config.sources[0].filter.matches("disk.read"));
    assert_eq!(problems.len(), 1);
}

#[test]
fn unknown_keys_and_repeated_names_are_warnings() {
    let text = "sources:\n  - {name: s, interval: 1, meters: [a], sinks: [x]}\n  - {name: s, interval: 1, meters: [b]}\n";
    let (config, problems) = parse(text).unwrap();
    assert_eq!(config.sources.len(), 2);
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("there is no key \"sinks\" in a source: it is ignored"), "{texts:?}");
    assert!(texts[1].contains("a second source is named \"s\""), "{texts:?}");
    assert!(problems.iter().all(|problem| problem.severity == Severity::Warning));
}
