//! `nephoscope pollsters`: what there is to be polled.

use pollsters::{Cost, NAMESPACES, Namespace, cost};

use crate::say;

/// Prints the tables.
pub(crate) fn show() {
    for (place, namespace) in NAMESPACES.into_iter().enumerate() {
        if place > 0 {
            say(format_args!(""));
        }
        show_namespace(namespace);
    }
}

fn show_namespace(namespace: &Namespace) {
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
    if !namespace.later.is_empty() {
        say(format_args!("  of Ceilometer, not in this version: {}", namespace.later.join(", ")));
    }
}
