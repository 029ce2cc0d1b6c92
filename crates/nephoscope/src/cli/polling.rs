//! The arguments of `polling`, `poll` and `pollsters`, and upstream's names of the polling agent.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// The name under which Ceilometer installs the polling agent; also whose `<name>.conf` is read.
pub(super) const POLLING: &str = "ceilometer-polling";

/// Names under which distributions install it, with the namespace that each means.
pub(super) const AGENTS: [(&str, &str); 3] = [
    ("ceilometer-agent-central", "central"),
    ("ceilometer-agent-compute", "compute"),
    ("ceilometer-agent-ipmi", "ipmi"),
];

const NAMESPACES: &str = "polling-namespaces";

/// What `nephoscope poll` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PollArguments {
    /// Globs of pollsters; empty: all.
    pub(crate) meters: Vec<String>,
    /// Whole samples, one JSON object a line.
    pub(crate) json: bool,
}

/// Adds `--polling-namespaces`.
pub(super) fn with_namespaces(command: Command) -> Command {
    command.arg(
        Arg::new(NAMESPACES)
            .long(NAMESPACES)
            // oslo.config takes both spellings.
            .alias("polling_namespaces")
            .value_name("NAMESPACE")
            .num_args(1..)
            .help("Namespaces of pollsters to run: compute, central, ipmi (default: compute central)"),
    )
}

pub(super) fn polling() -> Command {
    with_namespaces(Command::new("polling").about("Start the polling agent (upstream's ceilometer-polling)"))
        .after_help(
            "What is polled stands in polling.yaml, beside ceilometer.conf or in /etc/ceilometer.\n\nTry first: nephoscope \
             check --role polling, then nephoscope poll --once",
        )
}

/// `--polling-namespaces` as the option that it sets.
pub(super) fn namespaces(matches: &ArgMatches) -> Option<Vec<String>> {
    let given = matches.get_many::<String>(NAMESPACES)?;
    Some(given.cloned().collect())
}

pub(super) fn poll() -> Command {
    Command::new("poll")
        .about("Poll once and print the samples; nothing is sent")
        .after_help(
            "Exit status 0: every pollster did what it should. 1: one did not, or nothing was polled. 78: the \
             configuration is wrong.\n\nTry: nephoscope poll --once --namespace central --meter 'image.*'",
        )
        .arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("Poll once; it is what this command does in any case"),
        )
        .arg(
            Arg::new("namespace")
                .long("namespace")
                .value_name("NAMESPACE")
                .action(ArgAction::Append)
                .help("Namespace of the pollsters; may be repeated (default: those of the configuration that have any)"),
        )
        .arg(
            Arg::new("meter")
                .long("meter")
                .value_name("GLOB")
                .action(ArgAction::Append)
                .help("Only pollsters of these names; may be repeated (default: all)"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Whole samples, one JSON object a line, as the file publisher writes them"),
        )
}

pub(super) fn poll_arguments(matches: &ArgMatches) -> (PollArguments, Option<Vec<String>>) {
    let texts = |id: &str| matches.get_many::<String>(id).map(|texts| texts.cloned().collect::<Vec<_>>());
    let arguments =
        PollArguments { meters: texts("meter").unwrap_or_default(), json: matches.get_flag("json") };
    (arguments, texts("namespace"))
}

pub(super) fn pollsters() -> Command {
    Command::new("pollsters").about(
        "List namespaces and pollsters, the dynamic ones of the configuration too: meters, units, discoveries, requests",
    )
}
