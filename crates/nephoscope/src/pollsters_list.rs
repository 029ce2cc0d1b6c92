//! `nephoscope pollsters`: what there is to be polled, the dynamic pollsters of the configuration included.

use definitions::Problem;
use oslo_config::Config;
use pollsters::dynamic::{DynamicLine, lines};
use pollsters::{Cost, NAMESPACES, Namespace, cost};

use crate::cli::Invocation;
use crate::settings::polling::dynamic;
use crate::surroundings::Surroundings;
use crate::{Ending, complain, say, settings};

/// Prints the tables.
pub(crate) fn show(invocation: &Invocation, surroundings: &Surroundings) -> Ending {
    let loaded = settings::load(invocation, surroundings);
    let config = loaded.as_ref().ok().map(|loaded| &loaded.config);
    let mut problems = Vec::new();
    for (place, namespace) in NAMESPACES.into_iter().enumerate() {
        if place > 0 {
            say(format_args!(""));
        }
        let defined = config.map(|config| defined(config, namespace, &mut problems)).unwrap_or_default();
        show_namespace(namespace, &defined);
    }
    for problem in &problems {
        complain(format_args!("{problem}"));
    }
    match loaded {
        Ok(_) => Ending::Done,
        // What is built in does not depend on it.
        Err(error) => Ending::Configuration(format!("dynamic pollsters are not listed: {error}")),
    }
}

/// The dynamic pollsters of a namespace. Problems that another namespace has as well are noted once.
fn defined(config: &Config, namespace: &'static Namespace, problems: &mut Vec<Problem>) -> Vec<DynamicLine> {
    let (definitions, mut found) = dynamic::read(config, &[namespace]);
    found.extend(pollsters::dynamic::check(&definitions));
    let mut defined = lines(&definitions);
    // Those of the tables come first, as in the agent.
    defined.retain(|line| namespace.pollsters.iter().all(|own| own.name != line.name));
    for problem in found {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    defined
}

fn show_namespace(namespace: &Namespace, defined: &[DynamicLine]) {
    say(format_args!("namespace {}", namespace.name));
    let discoveries: Vec<&str> = namespace.discoveries.iter().map(|line| line.name).collect();
    say(format_args!("  discoveries: {}", discoveries.join(", ")));
    let row = |pollster: &str, meter: &str, kind: &str, unit: &str, discovery: &str, requests: &str| {
        say(format_args!("  {pollster:<41} {meter:<41} {kind:<11} {unit:<23} {discovery:<17} {requests}"));
    };
    row("POLLSTER", "METER", "TYPE", "UNIT", "DISCOVERY", "REQUESTS A CYCLE: TO DISCOVER; TO READ");
    for line in namespace.pollsters {
        for meter in line.meters {
            let Cost { discovery: finding, reading } = cost(namespace, line);
            let discovery = line.discovery.unwrap_or("-");
            let requests = format!("{finding}; {reading}");
            row(line.name, meter.name, meter.kind.as_str(), meter.unit, discovery, &requests);
        }
    }
    for line in defined {
        let or_dash = |text: &'static str| if text.is_empty() { "-" } else { text };
        let unit = if line.unit.is_empty() { "-" } else { &line.unit };
        // Endpoints are in the catalogue, which comes with the token; a host and a secret's name need no request.
        let requests = format!("0; {}", line.reading);
        row(&line.name, &line.name, or_dash(line.kind), unit, &line.discovery, &requests);
    }
}
