//! The arguments of `nephoscope metric`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

/// Gnocchi's name for the program, which decides which configuration files are searched and which options are known.
pub(crate) const GNOCCHI_API: &str = "gnocchi-api";

/// Where the API is to listen, if the configuration is not to decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MetricArguments {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// The state directory, if the configuration is not to decide.
    pub(crate) state_dir: Option<PathBuf>,
}

pub(super) fn command(common: fn(Command) -> Command) -> Command {
    let command = common(
        Command::new("metric")
            .about("Start the metric store behind Gnocchi's API, with nothing but a directory")
            .after_help(
                "Configuration is Gnocchi's: gnocchi.conf, searched in /etc/gnocchi unless --config-file names one. \
                 Without one, the API listens on 127.0.0.1:8041 and everything is kept below /var/lib/nephoscope.",
            ),
    )
    .arg(Arg::new("host").long("host").value_name("ADDRESS").help("Address to listen on instead of [api] host"))
    .arg(
        Arg::new("port")
            .long("port")
            .value_name("PORT")
            .value_parser(value_parser!(u16))
            .help("Port to listen on instead of [api] port; 0: any that is free"),
    );
    super::metric_commands::with_commands(command, common)
}

pub(super) fn arguments(matches: &ArgMatches) -> MetricArguments {
    let host = matches.get_one("host").cloned();
    MetricArguments { host, port: matches.get_one("port").copied(), state_dir: None }
}
