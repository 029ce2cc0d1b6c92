//! `nephoscope status upgrade check` (upstream's `ceilometer-status upgrade check`): whether this version takes the
//! configuration.
//!
//! Form and exit statuses are upstream's. Its only check is a placeholder, which stays for those who look for it; the others
//! are `nephoscope check` in short.

use model::{Map, Value, json};
use observability::metrics::Metrics;
use oslo_messaging::AmqpMetrics;
use std::sync::Arc;

use crate::cli::Invocation;
use crate::role::Roles;
use crate::surroundings::Surroundings;
use crate::{check, role, say, settings};

/// The heading.
const TITLE: &str = "Upgrade Check Results";
/// Characters of a line of details, as upstream wraps it.
const WIDTH: usize = 60;

/// The result of a check; the number is the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Code {
    Success = 0,
    Failure = 2,
}

struct Outcome {
    name: &'static str,
    code: Code,
    details: String,
}

/// Prints the checks and returns the exit status: the worst of them.
pub(crate) fn run(json: bool, invocation: &Invocation, surroundings: &Surroundings) -> u8 {
    let outcomes = checks(invocation, surroundings);
    if json {
        say(format_args!("{}", json_text(&outcomes)));
    } else {
        say(format_args!("{}", table(&outcomes)));
    }
    outcomes.iter().map(|outcome| outcome.code as u8).max().unwrap_or(0)
}

fn checks(invocation: &Invocation, surroundings: &Surroundings) -> Vec<Outcome> {
    let mut outcomes =
        vec![Outcome { name: "Sample Check", code: Code::Success, details: "Sample detail".to_owned() }];
    let mut add = |name, problem: Option<String>, well: String| {
        let (code, details) = match problem {
            Some(problem) => (Code::Failure, problem),
            None => (Code::Success, well),
        };
        outcomes.push(Outcome { name, code, details });
    };
    let inspection = settings::inspect(invocation, surroundings);
    let warnings = inspection.warnings.len() + inspection.omitted_warnings;
    add(
        "Configuration",
        inspection.errors.first().map(ToString::to_string),
        format!("{warnings} warnings (nephoscope check lists them)"),
    );
    let config = inspection.config;
    let (definitions, problems) = settings::load_definitions(&config);
    let problem = problems.iter().find(|problem| problem.severity != definitions::Severity::Warning);
    add("Definition files", problem.map(ToString::to_string), "all of them can be read".to_owned());
    let listeners = settings::listeners(&config);
    let problem = listeners.as_ref().err().map(|error| check::with_sources(error));
    add(
        "Message bus",
        problem,
        "the transport can be used; whether a broker is there was not tried".to_owned(),
    );
    let sessions = Arc::new(settings::openstack::Sessions::new(&config, &surroundings.env));
    let cache = sessions.cache();
    add(
        "Cache",
        cache.as_ref().err().map(|error| check::with_sources(error)),
        cache.as_ref().map(|cache| format!("kept in {}", cache.backend())).unwrap_or_default(),
    );
    if let Some(definitions) = definitions {
        let (metrics, amqp) = (Metrics::new(), AmqpMetrics::default());
        let to_publishers = settings::publishers(&config, &surroundings.env, &metrics, &amqp, &sessions);
        let publishers = Arc::new(Roles::Notification.publishers(&config, to_publishers, None));
        let publishers: Arc<dyn pipeline::PublisherFactory> = publishers;
        let notification = role::Notification::new(
            &config,
            definitions,
            listeners.unwrap_or_default(),
            &publishers,
            None,
            &metrics,
            amqp,
        );
        let problem = notification.err().map(|error| check::with_sources(&error));
        add("Publishers", problem, "all of them can be made".to_owned());
    }
    outcomes
}

fn json_text(outcomes: &[Outcome]) -> String {
    let checks = outcomes.iter().map(|outcome| {
        let pairs = [
            ("check", Value::from(outcome.name)),
            ("result", Value::Int(outcome.code as i64)),
            ("details", outcome.details.as_str().into()),
        ];
        Value::from(pairs.into_iter().collect::<Map>())
    });
    let checks = Value::List(checks.collect());
    let all: Map = [("name", Value::from(TITLE)), ("checks", checks)].into_iter().collect();
    json::to_string(&all.into())
}

fn table(outcomes: &[Outcome]) -> String {
    let mut cells = vec![vec![TITLE.to_owned()]];
    for outcome in outcomes {
        let result = match outcome.code {
            Code::Success => "Success",
            Code::Failure => "Failure",
        };
        let mut cell = vec![format!("Check: {}", outcome.name), format!("Result: {result}")];
        for (place, line) in wrapped(&outcome.details).into_iter().enumerate() {
            cell.push(if place == 0 { format!("Details: {line}") } else { line });
        }
        cells.push(cell);
    }
    let width = cells.iter().flatten().map(|line| line.chars().count()).max().unwrap_or(0);
    let rule = format!("+{}+", "-".repeat(width + 2));
    let mut lines = vec![rule.clone()];
    for cell in cells {
        lines.extend(cell.iter().map(|line| format!("| {line:width$} |")));
        lines.push(rule.clone());
    }
    lines.join("\n")
}

/// Lines of at most [`WIDTH`] characters, the second and further ones indented; a longer word is divided.
fn wrapped(text: &str) -> Vec<String> {
    const INDENT: &str = "  ";
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        let is_first = line.trim().is_empty();
        // A word that needs more than a line of its own begins on this one, if there is room for any of it.
        let is_divided = rest.len() > WIDTH - INDENT.len() && length + 1 < WIDTH;
        if !is_first && !is_divided && length + 1 + rest.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, INDENT.to_owned()));
            length = INDENT.len();
        } else if !is_first {
            line.push(' ');
            length += 1;
        }
        while length + rest.len() > WIDTH {
            let left = rest.split_off(WIDTH - length);
            line.extend(rest);
            lines.push(std::mem::replace(&mut line, INDENT.to_owned()));
            (rest, length) = (left, INDENT.len());
        }
        length += rest.len();
        line.extend(rest);
    }
    if !line.trim().is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_table_and_json() {
        let outcome = Outcome { name: "Sample Check", code: Code::Success, details: "Sample detail".into() };
        assert_eq!(
            table(&[outcome]),
            "+------------------------+\n\
             | Upgrade Check Results  |\n\
             +------------------------+\n\
             | Check: Sample Check    |\n\
             | Result: Success        |\n\
             | Details: Sample detail |\n\
             +------------------------+"
        );
        let outcome = Outcome { name: "Sample Check", code: Code::Failure, details: "Sample detail".into() };
        assert_eq!(
            json_text(&[outcome]),
            r#"{"name": "Upgrade Check Results", "checks": [{"check": "Sample Check", "result": 2, "details": "Sample detail"}]}"#
        );
    }

    #[test]
    fn details_are_wrapped() {
        assert_eq!(wrapped("a b"), ["a b"]);
        let lines = wrapped(&format!("{} {} {}", "x".repeat(50), "y".repeat(20), "z".repeat(70)));
        assert_eq!(
            lines,
            [
                "x".repeat(50),
                format!("  {} {}", "y".repeat(20), "z".repeat(37)),
                format!("  {}", "z".repeat(33))
            ]
        );
    }
}
