//! Dynamic pollsters: those that an operator has defined in `pollsters.d/`.
//!
//! [`add`] puts them, and the discoveries that they need, behind those of the tables. What a definition says is compiled by
//! [`definitions::dynamic`]; here it is asked for: of OpenStack's services, of other APIs, of commands on this host. A program of the site makes its samples
//! itself.

mod answer;
mod ask;
mod authentication;
mod cache;
mod command;
mod cost;
mod discovery;
mod pollster;
mod program;
mod xml;

use std::fmt;
use std::sync::Arc;

use definitions::dynamic::Request;
use definitions::{DynamicPollster, DynamicPollsters, Place, Problem, Severity};
use nephoscope_http::{ClientOptions, client};

use crate::{LoadedDiscovery, LoadedPollster, MakeError, Pollster, Registry, Tools};

pub use self::cache::Responses;
pub use self::cost::{DynamicLine, lines};

use self::ask::Asker;
use self::authentication::Scheme;
use self::command::Environment;
use self::pollster::Dynamic;
use self::program::Program;

/// What dynamic pollsters need of the host, besides [`Tools`].
#[derive(Clone, Default)]
pub struct Surroundings {
    /// How APIs outside of OpenStack are spoken to.
    pub http: ClientOptions,
    /// The environment that commands have. Programs have a small part of it.
    pub environment: Vec<(String, String)>,
    /// What was answered for extra metadata.
    pub responses: Responses,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        f.debug_struct("Surroundings").field("http", &self.http).finish_non_exhaustive()
    }
}

/// Adds the pollsters of `definitions` to the registry, where no other has the name. Those that cannot be made are left out,
/// and reported.
#[must_use]
pub fn add(
    registry: &mut Registry,
    definitions: &DynamicPollsters,
    tools: &Tools,
    surroundings: Surroundings,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if definitions.pollsters.is_empty() && definitions.programs.is_empty() {
        return problems;
    }
    for (name, discovery) in discovery::all(tools) {
        registry.add_discovery(
            name,
            discovery.map(|discovery| LoadedDiscovery { name: name.to_owned(), discovery }),
        );
    }
    let http = client(&surroundings.http).map_err(|error| error.to_string());
    let environment = Environment::new(surroundings.environment);
    problems.append(&mut check(definitions));
    for definition in definitions.pollsters.iter().filter(|definition| unknown_scheme(definition).is_none()) {
        let responses = surroundings.responses.clone();
        let asker = Asker::new(&definition.name, tools, http.clone(), environment.clone(), responses);
        let pollster: Box<dyn Pollster> = Box::new(Dynamic::new(Arc::clone(definition), asker));
        let made = match definition.request {
            // The message of the plan says why it cannot run without credentials.
            Request::OpenStack { .. } => tools.service("identity").map(|_| pollster),
            Request::External { .. } | Request::Command(_) => Ok(pollster),
        };
        put(registry, &definition.name, &definition.place, definition.discovery(), made, &mut problems);
    }
    for definition in &definitions.programs {
        let program = Program::new(Arc::clone(definition), &environment, tools.clock.clone());
        let discovery = "local_node".to_owned();
        put(registry, &definition.name, &definition.place, discovery, Ok(Box::new(program)), &mut problems);
    }
    problems
}

/// What is wrong with definitions beyond their form: such pollsters are left out.
#[must_use]
pub fn check(definitions: &DynamicPollsters) -> Vec<Problem> {
    let unknown = definitions.pollsters.iter().filter_map(|definition| {
        let (module, object) = unknown_scheme(definition)?;
        let message = format!("there is no authentication {object} of the module {module}");
        let hint = format!("those that there are: {}", Scheme::NAMES);
        Some(problem(Severity::Error, &definition.place, message, hint))
    });
    unknown.collect()
}

fn put(
    registry: &mut Registry,
    name: &str,
    place: &Place,
    discovery: String,
    made: Result<Box<dyn Pollster>, MakeError>,
    problems: &mut Vec<Problem>,
) {
    let made =
        made.map(|pollster| LoadedPollster { name: name.to_owned(), discovery: Some(discovery), pollster });
    if !registry.add(name, made) {
        let message = format!("a pollster {name:?} is built in");
        let hint = "this one is left out; give it another name".to_owned();
        problems.push(problem(Severity::Warning, place, message, hint));
    }
}

/// The module and class of an authentication that there is not, of the pollster or of a field of its metadata.
fn unknown_scheme(definition: &DynamicPollster) -> Option<(&str, &str)> {
    let own = match &definition.request {
        Request::External { module, object, .. } if Scheme::named(module, object).is_none() => {
            Some((module.as_str(), object.as_str()))
        }
        _ => None,
    };
    own.or_else(|| definition.extra.iter().find_map(|field| unknown_scheme(&field.pollster)))
}

fn problem(severity: Severity, place: &Place, message: String, hint: String) -> Problem {
    Problem {
        severity,
        path: place.path.to_string(),
        line: place.line,
        column: place.column,
        message,
        hint: Some(hint),
    }
}
