//! The arguments of `nephoscope tap`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use pipeline::TapQuery;

use crate::role::Roles;

/// What to look at, how to show it, and when to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TapArguments {
    pub(crate) query: TapQuery,
    /// Whole records, as the file publisher writes them.
    pub(crate) json: bool,
    /// End after so many records.
    pub(crate) count: Option<u64>,
    /// End after so many seconds.
    pub(crate) seconds: Option<u64>,
    /// The socket, if it is not to be found through the configuration.
    pub(crate) socket: Option<PathBuf>,
    /// Whose socket; without it, that of whoever runs.
    pub(crate) roles: Option<Roles>,
}

/// The longest that `--for` takes: a year.
const MAX_SECONDS: u64 = 365 * 24 * 3600;

pub(super) fn command() -> Command {
    let glob = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("GLOB").action(ArgAction::Append).help(help)
    };
    Command::new("tap")
        .about("Show samples and events of a running agent as they come in")
        .after_help(
            "Globs are those of the pipeline files; a name without wildcards is one, too. With --meter alone no events \
             are shown, with --event-type alone no samples.\n\nTry: nephoscope tap --meter 'image.*' --count 10",
        )
        .arg(glob("meter", "Only samples of these meters; may be repeated"))
        .arg(glob("event-type", "Only events of these types; may be repeated"))
        .arg(
            Arg::new("resource")
                .long("resource")
                .value_name("ID")
                .help("Only records of this resource (or glob); of an event, any trait that ends in _id"),
        )
        .arg(
            Arg::new("project")
                .long("project")
                .value_name("ID")
                .help("Only records of this project (or glob)"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Whole records, one JSON object a line, as the file publisher writes them"),
        )
        .arg(
            Arg::new("count")
                .long("count")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("End after so many records"),
        )
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("SECONDS")
                .value_parser(value_parser!(u64).range(1..=MAX_SECONDS))
                .help("End after so many seconds"),
        )
        .arg(
            Arg::new("role")
                .long("role")
                .value_name("ROLE")
                .value_parser(["run", "notification", "polling"])
                .help("The command that the agent was started with, where several run"),
        )
        .arg(
            Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("The agent's control socket, instead of the one in [nephoscope] state_dir"),
        )
}

pub(super) fn arguments(matches: &ArgMatches) -> TapArguments {
    let texts = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    TapArguments {
        query: TapQuery {
            meters: texts("meter"),
            event_types: texts("event-type"),
            resource: text("resource"),
            project: text("project"),
        },
        json: matches.get_flag("json"),
        count: matches.get_one("count").copied(),
        seconds: matches.get_one("for").copied(),
        socket: matches.get_one("socket").cloned(),
        roles: text("role").and_then(|role| Roles::named(&role)),
    }
}
