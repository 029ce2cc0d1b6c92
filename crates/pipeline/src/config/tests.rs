use super::*;

const GOOD: &str = "
sources:
  - {name: all, meters: ['*'], sinks: [a, b]}
  - {name: a, meters: ['!disk.*'], sinks: [a]}
sinks:
  - {name: a, publishers: ['file:///x?json', gnocchi]}
  - {name: b, publishers: ['udp://h:1'], transformers: []}
";

fn parse(text: &str, kind: RecordsKind) -> Result<PipelineConfig, Vec<Problem>> {
    PipelineConfig::parse(Source { path: "p.yaml", text }, kind)
}

fn problems(text: &str) -> Vec<String> {
    parse(text, RecordsKind::Samples).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn every_source_is_coupled_with_each_of_its_sinks() {
    let config = parse(GOOD, RecordsKind::Samples).unwrap();
    let seen: Vec<_> = config
        .pipelines()
        .map(|pipeline| (pipeline.name.clone(), pipeline.publishers.len(), pipeline.filter.matches("disk.x")))
        .collect();
    assert_eq!(seen, [("all:a".into(), 2, true), ("all:b".into(), 1, true), ("a".into(), 2, false)]);
}

#[test]
fn the_built_in_pipelines_take_everything() {
    for (text, kind, publisher) in [
        (builtin::PIPELINE, RecordsKind::Samples, "gnocchi"),
        (builtin::EVENT_PIPELINE, RecordsKind::Events, "notifier"),
    ] {
        let config = parse(text, kind).unwrap();
        let pipelines: Vec<_> = config.pipelines().collect();
        assert_eq!(pipelines.len(), 1);
        assert!(pipelines[0].filter.is_everything());
        assert_eq!(
            pipelines[0].publishers.iter().map(|publisher| publisher.url.scheme()).collect::<Vec<_>>(),
            [publisher]
        );
    }
}

#[test]
fn all_problems_are_named_with_line_and_column_at_once() {
    let text = "\
sources:
  - name: one
    meters: [cpu, '!disk']
    sinks: [nowhere]
  - name: one
    meters: ['*']
    sinks: []
  - meters: ['*']
sinks:
  - name: a
    publishers: []
  - name: b
    publishers: [{x: 1}]
";
    assert_eq!(
        problems(text),
        [
            "p.yaml:3:13: meters of source \"one\": both \"cpu\" and the negated \"!disk\" are listed; \
             list \"cpu\" in a source of its own, or write \"*\" for it",
            "p.yaml:4:13: source \"one\" names the sink \"nowhere\", which does not exist; name one of: a, b",
            "p.yaml:5:11: a second source is named \"one\"; give each a name of its own",
            "p.yaml:7:12: source \"one\" has no sink; name at least one of the sinks below",
            "p.yaml:8:5: this source has no name; add name: and a text",
            "p.yaml:11:17: sink \"a\" has no publisher; name at least one, \
             for example file:///var/log/samples.json?json",
            "p.yaml:13:18: a publisher must be a URL, not a map; \
             write, for example, file:///var/log/samples.json?json",
        ]
    );
}

#[test]
fn a_file_of_another_shape_is_refused() {
    assert_eq!(problems(""), ["p.yaml:1:1: the file must be a map; begin with the keys sources: and sinks:"]);
    assert_eq!(
        problems("sinks: 3"),
        [
            "p.yaml:1:1: sources is missing; add a list sources:",
            "p.yaml:1:8: sinks must be a list, not 3; write each entry of sinks behind a dash",
        ]
    );
}
