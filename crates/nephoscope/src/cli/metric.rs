//! The arguments of `nephoscope metric`, and of `gnocchi-api`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

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
    let command = with_address(common(
        Command::new("metric")
            .about("Start the metric store behind Gnocchi's API, with nothing but a directory")
            .after_help(
                "Configuration is Gnocchi's: gnocchi.conf, searched in /etc/gnocchi unless --config-file names one. \
                 Without one, the API listens on 127.0.0.1:8041 and everything is kept below /var/lib/nephoscope.",
            ),
    ));
    super::metric_commands::with_commands(command, common)
}

fn with_address(command: Command) -> Command {
    let host = Arg::new("host").long("host").value_name("ADDRESS");
    let port = Arg::new("port").long("port").value_name("PORT").value_parser(value_parser!(u16));
    command
        .arg(host.help("Address to listen on instead of [api] host"))
        .arg(port.help("Port to listen on instead of [api] port; 0: any that is free"))
}

/// The command under Gnocchi's name, with the flags that it has there.
pub(super) fn upstreams(common: fn(Command) -> Command) -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).hide(true);
    let command = Command::new(GNOCCHI_API).version(env!("CARGO_PKG_VERSION")).about(
        "Serves Gnocchi's API, and keeps and aggregates measures by itself (Nephoscope under upstream's name)",
    );
    with_address(common(command))
        // What uWSGI would speak; nothing here needs it.
        .arg(
            Arg::new("uwsgi-mode")
                .long("uwsgi-mode")
                .value_name("MODE")
                .value_parser(["http", "http-socket", "socket"])
                .hide(true),
        )
        // What it would log without.
        .arg(flag("verbose").short('v').overrides_with("noverbose"))
        .arg(flag("noverbose").overrides_with("verbose"))
}

/// Upstream's program passes over `--`, for the sake of scripts of former versions.
pub(super) fn without_dashes(mut argv: Vec<OsString>) -> Vec<OsString> {
    if let Some(place) = argv.iter().position(|argument| argument == "--") {
        argv.remove(place);
    }
    argv
}

pub(super) fn arguments(matches: &ArgMatches) -> MetricArguments {
    let host = matches.get_one("host").cloned();
    MetricArguments { host, port: matches.get_one("port").copied(), state_dir: None }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, ConfigSource, ExitCodes, parse};
    use super::*;

    fn argv(line: &str) -> Vec<OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[test]
    fn gnocchis_name_starts_the_server_with_gnocchis_flags() {
        for (line, host, port, codes) in [
            ("/usr/bin/gnocchi-api", None, None, ExitCodes::Upstream),
            ("gnocchi-api --host ::1 --port 0 -v -d", Some("::1"), Some(0), ExitCodes::Upstream),
            ("gnocchi-api --port 8041 -- --uwsgi-mode http-socket", None, Some(8041), ExitCodes::Upstream),
            ("gnocchi-api --noverbose --logfile x", None, None, ExitCodes::Upstream),
            ("nephoscope metric --host h", Some("h"), None, ExitCodes::Own),
        ] {
            let invocation = parse(argv(line)).unwrap();
            let expected = MetricArguments { host: host.map(str::to_owned), port, state_dir: None };
            assert_eq!(invocation.action, Action::Metric(expected), "{line}");
            assert_eq!((invocation.exit_codes, invocation.program.as_str()), (codes, GNOCCHI_API), "{line}");
        }
        let invocation = parse(argv("gnocchi-api -- --config-file a --config-dir b")).unwrap();
        let sources = [ConfigSource::File("a".into()), ConfigSource::Directory("b".into())];
        assert_eq!(invocation.common.sources, sources);
        for wrong in ["gnocchi-api stats", "gnocchi-api --port 65536", "gnocchi-api --uwsgi-mode x"] {
            assert_eq!(parse(argv(wrong)).unwrap_err().exit_codes, ExitCodes::Upstream, "{wrong}");
        }
    }
}
