//! What `polling.yaml` comes to with the pollsters that there are.

use definitions::{Severity, Source};
use nephoscope_polling::Plan;
use nephoscope_polling::config::PollingConfig;
use observability::clock::Clock;
use observability::metrics::Metrics;
use pollsters::compute::{ComputeMetrics, ComputeSettings};
use pollsters::{Namespace, Registry, Tools};

use crate::world::{Script, World};

fn plan(definition: &str, registry: &Registry) -> (Plan, Vec<String>) {
    let (config, _) = PollingConfig::parse(Source { path: "polling.yaml", text: definition }).unwrap();
    let (plan, problems) = Plan::new(&config, registry);
    let word = |severity| if severity == Severity::Fatal { "fatal" } else { "warning" };
    (plan, problems.iter().map(|problem| format!("{} {problem}", word(problem.severity))).collect())
}

/// Tasks as `interval: source(pollster[resources|discovery] …) …`.
fn shown(plan: &Plan) -> Vec<String> {
    let tasks = plan.tasks.iter().map(|task| {
        let sources = task.sources.iter().map(|source| {
            let assigned = source.assignments.iter().map(|one| {
                let resources: Vec<&str> = one.resources.iter().map(pollsters::Resource::id).collect();
                format!("{}[{}|{}]", one.pollster.name, resources.join(","), one.discovery.join(","))
            });
            format!("{}({})", source.name, assigned.collect::<Vec<_>>().join(" "))
        });
        format!("{}: {}", task.interval_seconds, sources.collect::<Vec<_>>().join(" "))
    });
    tasks.collect()
}

#[test]
fn sources_of_an_interval_are_one_task_and_those_of_a_name_one_source() {
    let world = World::new().pollster("a", Script::default()).pollster("b", Script::default());
    let (plan, problems) = plan(
        "sources:\n- {name: s, interval: 60, meters: [a, b], resources: [x]}\n- {name: t, interval: 5, meters: ['*']}\n\
         - {name: s, interval: 60, meters: [b], discovery: [d]}\n- {name: s, interval: 5, meters: [a]}\n\
         - {name: none, interval: 7, meters: ['!*']}\n",
        &world.finds("d", &[]).registry,
    );
    assert_eq!(shown(&plan), ["60: s(a[x|] b[|d])", "5: t(a[|] b[|]) s(a[|])"]);
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn what_there_is_not_is_told_with_its_place() {
    let cloud = Err("[service_credentials] auth_url is not set".to_owned());
    let metrics = ComputeMetrics::register(&Metrics::new().component("compute"));
    let tools = Tools::new(cloud, Clock::machine(), ComputeSettings::new("h"), metrics);
    let registry = Registry::load(&[Namespace::named("central").unwrap()], &tools);
    let (_, problems) = plan(
        "sources:\n- {name: s, interval: 60, meters: [cpu, imag.size, 'x.*'], discovery: [image, 'images:x']}\n",
        &registry,
    );
    assert_eq!(problems.len(), 3, "{problems:#?}");
    for (problem, words) in problems.iter().zip([
        // That of another namespace is another agent's.
        "warning polling.yaml:2:41: no pollster is named \"imag.size\"; `nephoscope pollsters` lists",
        "warning polling.yaml:2:72: there is no discovery \"image\" in the namespaces of this agent; it finds nothing; the \
         discoveries are alarm, ",
        "fatal polling.yaml:2:79: the discovery images cannot run: [service_credentials] auth_url is not set; ",
    ]) {
        assert!(problem.starts_with(words), "{problem}");
    }
    // What is selected must be able to run.
    let (plan_of_all, problems) = plan("sources: [{name: all, interval: 60, meters: ['*']}]", &registry);
    let fatal: Vec<_> = problems.iter().filter(|problem| problem.starts_with("fatal")).collect();
    assert!(plan_of_all.is_empty() && fatal.len() == 1, "{problems:#?}");
    // All in one, as they have one reason.
    assert!(fatal[0].contains("the source \"all\" selects alarm.evaluation_result, "), "{fatal:?}");
    let words = "more, which cannot run: [service_credentials] auth_url is not set; ";
    assert!(fatal[0].contains(words), "{fatal:?}");
}
