//! The command line: our own commands, and the names of upstream's programs.

mod dead_letter;
mod metric;
mod metric_commands;
mod polling;
mod publish;
mod tap;
mod upgrade;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::role::Roles;

pub(crate) use self::dead_letter::{DeadLetterAction, Selection};
pub(crate) use self::metric::{GNOCCHI_API, MetricArguments};
pub(crate) use self::metric_commands::{ImportArguments, ImportAuth, MetricAction, MetricCommand};
pub(crate) use self::polling::PollArguments;
pub(crate) use self::publish::PublishTest;
pub(crate) use self::tap::TapArguments;
pub(crate) use self::upgrade::UpgradeArguments;

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) action: Action,
    pub(crate) common: Common,
    pub(crate) exit_codes: ExitCodes,
    /// The name that decides which `<name>.conf` is read by default.
    pub(crate) program: String,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Run,
    Notification,
    Polling,
    Metric(MetricArguments),
    MetricCommand(MetricCommand),
    Poll(PollArguments),
    Pollsters,
    /// Without roles, for the metric role.
    Check {
        strict: bool,
        roles: Option<Roles>,
    },
    ConfigShow {
        all: bool,
    },
    Explain(Request),
    DeadLetter(DeadLetterAction),
    Tap(TapArguments),
    Upgrade(UpgradeArguments),
    SendSample,
    PublishTest(PublishTest),
    UpgradeCheck {
        json: bool,
    },
    Version,
}

/// What `nephoscope explain` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Where the notifications are; `-` is standard input.
    pub(crate) file: PathBuf,
    pub(crate) json: bool,
    /// List every definition that was asked.
    pub(crate) all: bool,
    /// The priority of notifications that do not name theirs.
    pub(crate) priority: String,
}

/// Exit statuses differ with the name under which the program was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCodes {
    /// 64 for usage, 78 for configuration (sysexits.h).
    Own,
    /// Upstream's: 2 for usage, 1 for everything else.
    Upstream,
}

/// The options that every command has; they are oslo.config's and oslo.log's.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// `--config-file` and `--config-dir` in the order given.
    pub(crate) sources: Vec<ConfigSource>,
    /// Options of the table that a flag sets: name in `[DEFAULT]`, value, the flag as written.
    pub(crate) settings: Vec<(&'static str, String, String)>,
    /// `--polling-namespaces`, or what means the same: the namespaces, and the flag as written.
    pub(crate) namespaces: Option<(Vec<String>, &'static str)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConfigSource {
    File(PathBuf),
    Directory(PathBuf),
}

/// The name under which Ceilometer's packages install the notification agent.
const AGENT_NOTIFICATION: &str = "ceilometer-agent-notification";

/// The flag that chooses namespaces.
const NAMESPACES_FLAG: &str = "--polling-namespaces";

/// Flags with a value: option name, help, and the spellings that oslo.log takes (the first is shown).
const VALUE_FLAGS: &[(&str, &str, &str, &[&str])] = &[
    (
        "log_config_append",
        "PATH",
        "Python logging configuration file",
        &["log-config-append", "log-config", "log_config"],
    ),
    ("log_date_format", "FORMAT", "Format of dates in log lines", &["log-date-format"]),
    ("log_dir", "DIR", "Directory of the log file", &["log-dir", "logdir"]),
    ("log_file", "FILE", "Log to this file instead of standard error", &["log-file", "logfile"]),
    ("syslog_log_facility", "FACILITY", "Facility of syslog messages", &["syslog-log-facility"]),
];

/// Flags that are on or off: option name, help, and the spellings for on and for off.
const SWITCHES: &[(&str, &str, &str, &str)] = &[
    ("debug", "Log at debug level", "debug", "nodebug"),
    ("use_syslog", "Log to syslog", "use-syslog", "nouse-syslog"),
    ("use_journal", "Log to the systemd journal", "use-journal", "nouse-journal"),
    ("use_json", "Log as JSON, one object a line", "use-json", "nouse-json"),
];

/// Why there is nothing to do: help was shown, or the usage was wrong.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) error: clap::Error,
    pub(crate) exit_codes: ExitCodes,
}

/// Reads the command line, `argv[0]` included.
pub(crate) fn parse(argv: Vec<OsString>) -> Result<Invocation, Stop> {
    let called = argv.first().and_then(|name| Path::new(name).file_name()).and_then(|name| name.to_str());
    if let Some((name, implied)) = called.and_then(polling_agent) {
        return upstreams_polling(name, implied, argv);
    }
    match called {
        Some(publish::SEND_SAMPLE) => return upstreams_send_sample(argv),
        Some(publish::STATUS) => return upstreams_status(argv),
        Some(GNOCCHI_API) => return gnocchis_api(argv),
        _ => {}
    }
    if called == Some(AGENT_NOTIFICATION) {
        let exit_codes = ExitCodes::Upstream;
        let command = with_common(Command::new(AGENT_NOTIFICATION).version(env!("CARGO_PKG_VERSION")).about(
            "Consumes OpenStack notifications and publishes samples and events (Nephoscope under upstream's name)",
        ));
        let matches = command.try_get_matches_from(argv).map_err(|error| Stop { error, exit_codes })?;
        let common = common(&matches);
        return Ok(Invocation {
            action: Action::Notification,
            common,
            exit_codes,
            program: AGENT_NOTIFICATION.into(),
        });
    }
    if called == Some(upgrade::CEILOMETER_UPGRADE) {
        let exit_codes = ExitCodes::Upstream;
        let matches = with_common(upgrade::upstreams()).try_get_matches_from(argv);
        let matches = matches.map_err(|error| Stop { error, exit_codes })?;
        let action = Action::Upgrade(upgrade::read(&matches));
        let program = upgrade::CEILOMETER_UPGRADE.into();
        return Ok(Invocation { action, common: common(&matches), exit_codes, program });
    }
    let exit_codes = ExitCodes::Own;
    let matches = own_command().try_get_matches_from(argv).map_err(|error| Stop { error, exit_codes })?;
    let invocation = |action, matches: &ArgMatches, program: &str| Invocation {
        action,
        common: common(matches),
        exit_codes,
        program: program.into(),
    };
    Ok(match matches.subcommand() {
        Some(("run", matches)) => invocation(Action::Run, matches, "nephoscope"),
        Some(("notification", matches)) => invocation(Action::Notification, matches, AGENT_NOTIFICATION),
        Some(("polling", matches)) => {
            let mut invocation = invocation(Action::Polling, matches, polling::POLLING);
            invocation.common.namespaces = polling::namespaces(matches).map(|given| (given, NAMESPACES_FLAG));
            invocation
        }
        Some(("metric", matches)) => match metric_commands::read(matches) {
            Some((command, matches)) => invocation(Action::MetricCommand(command), matches, GNOCCHI_API),
            None => invocation(Action::Metric(metric::arguments(matches)), matches, GNOCCHI_API),
        },
        Some(("poll", matches)) => {
            let (arguments, namespaces) = polling::poll_arguments(matches);
            let mut invocation = invocation(Action::Poll(arguments), matches, polling::POLLING);
            invocation.common.namespaces = namespaces.map(|given| (given, "--namespace"));
            invocation
        }
        Some(("pollsters", matches)) => invocation(Action::Pollsters, matches, polling::POLLING),
        Some(("check", matches)) => {
            let strict = matches.get_flag("strict");
            let (roles, program) = meant(matches);
            let mut invocation = invocation(Action::Check { strict, roles }, matches, program);
            invocation.common.namespaces = polling::namespaces(matches).map(|given| (given, NAMESPACES_FLAG));
            invocation
        }
        Some(("explain", matches)) => {
            let text = |id: &str| matches.get_one::<String>(id).cloned().unwrap_or_default();
            let request = Request {
                file: matches.get_one::<PathBuf>("file").cloned().unwrap_or_default(),
                json: matches.get_flag("json"),
                all: matches.get_flag("all"),
                priority: text("priority"),
            };
            invocation(Action::Explain(request), matches, AGENT_NOTIFICATION)
        }
        Some(("dead-letter", matches)) => match matches.subcommand() {
            Some((name, matches)) => {
                let action = Action::DeadLetter(dead_letter::action(name, matches));
                invocation(action, matches, dead_letter::program(matches))
            }
            None => invocation(Action::Version, matches, "nephoscope"),
        },
        Some(("tap", matches)) => {
            let arguments = tap::arguments(matches);
            let program = match arguments.roles {
                Some(Roles::All) => "nephoscope",
                Some(Roles::Polling) => polling::POLLING,
                Some(Roles::Notification) | None => AGENT_NOTIFICATION,
            };
            invocation(Action::Tap(arguments), matches, program)
        }
        Some(("upgrade", matches)) => {
            invocation(Action::Upgrade(upgrade::read(matches)), matches, upgrade::CEILOMETER_UPGRADE)
        }
        Some(("send-sample", matches)) => {
            let mut invocation = invocation(Action::SendSample, matches, publish::SEND_SAMPLE);
            invocation.common.settings.extend(publish::sample_settings(matches));
            invocation
        }
        Some(("publish-test", matches)) => {
            let action = Action::PublishTest(publish::publish_test_arguments(matches));
            invocation(action, matches, AGENT_NOTIFICATION)
        }
        Some(("status", matches)) => match publish::status_arguments(matches) {
            Some((matches, json)) => invocation(Action::UpgradeCheck { json }, matches, AGENT_NOTIFICATION),
            None => invocation(Action::Version, matches, "nephoscope"),
        },
        Some(("config", matches)) => match matches.subcommand() {
            Some((_, matches)) => {
                let all = !matches.get_flag("changed");
                invocation(Action::ConfigShow { all }, matches, meant(matches).1)
            }
            None => invocation(Action::Version, matches, "nephoscope"),
        },
        _ => Invocation {
            action: Action::Version,
            common: Common::default(),
            exit_codes,
            program: "nephoscope".into(),
        },
    })
}

/// The roles that `--role` names, none for the metric role, and the program whose configuration they have.
fn meant(matches: &ArgMatches) -> (Option<Roles>, &'static str) {
    match matches.get_one::<String>("role").map(String::as_str) {
        Some("metric") => (None, GNOCCHI_API),
        Some("polling") => (Some(Roles::Polling), polling::POLLING),
        Some("run") => (Some(Roles::All), AGENT_NOTIFICATION),
        _ => (Some(Roles::Notification), AGENT_NOTIFICATION),
    }
}

/// The command that a configuration is meant for.
fn role_argument() -> Arg {
    Arg::new("role")
        .long("role")
        .value_name("ROLE")
        .value_parser(["run", "notification", "polling", "metric"])
        .default_value("notification")
        .help("The command that the files are meant for")
}

/// Which of upstream's names of the polling agent this is, with the namespace that it implies.
fn polling_agent(called: &str) -> Option<(&'static str, Option<&'static str>)> {
    if called == polling::POLLING {
        return Some((polling::POLLING, None));
    }
    let agent = polling::AGENTS.into_iter().find(|(name, _)| *name == called);
    agent.map(|(name, namespace)| (name, Some(namespace)))
}

/// The polling agent under one of upstream's names.
fn upstreams_polling(
    name: &'static str,
    implied: Option<&'static str>,
    argv: Vec<OsString>,
) -> Result<Invocation, Stop> {
    let exit_codes = ExitCodes::Upstream;
    let command = Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Polls the cloud and sends samples (Nephoscope under upstream's name)");
    let command = polling::with_namespaces(with_common(command));
    let matches = command.try_get_matches_from(argv).map_err(|error| Stop { error, exit_codes })?;
    let mut common = common(&matches);
    common.namespaces = match (polling::namespaces(&matches), implied) {
        (Some(given), _) => Some((given, NAMESPACES_FLAG)),
        (None, Some(implied)) => Some((vec![implied.to_owned()], name)),
        (None, None) => None,
    };
    // As `ceilometer-polling --polling-namespaces …`, which it stands for.
    Ok(Invocation { action: Action::Polling, common, exit_codes, program: polling::POLLING.into() })
}

/// `send-sample` under upstream's name.
fn upstreams_send_sample(argv: Vec<OsString>) -> Result<Invocation, Stop> {
    let exit_codes = ExitCodes::Upstream;
    let command = Command::new(publish::SEND_SAMPLE).version(env!("CARGO_PKG_VERSION"));
    let command = with_common(publish::send_sample(command));
    let matches = command.try_get_matches_from(argv).map_err(|error| Stop { error, exit_codes })?;
    let mut common = common(&matches);
    common.settings.extend(publish::sample_settings(&matches));
    Ok(Invocation { action: Action::SendSample, common, exit_codes, program: publish::SEND_SAMPLE.into() })
}

/// `status` under upstream's name. It has no configuration file of its own that matters; what is checked is the agent's.
fn upstreams_status(argv: Vec<OsString>) -> Result<Invocation, Stop> {
    let exit_codes = ExitCodes::Upstream;
    let command = publish::status(publish::STATUS, with_common).version(env!("CARGO_PKG_VERSION"));
    let matches = command.try_get_matches_from(argv).map_err(|error| Stop { error, exit_codes })?;
    let (action, common) = match publish::status_arguments(&matches) {
        Some((matches, json)) => (Action::UpgradeCheck { json }, common(matches)),
        None => (Action::Version, Common::default()),
    };
    Ok(Invocation { action, common, exit_codes, program: AGENT_NOTIFICATION.into() })
}

/// The metric store under Gnocchi's name.
fn gnocchis_api(argv: Vec<OsString>) -> Result<Invocation, Stop> {
    let exit_codes = ExitCodes::Upstream;
    let matches = metric::upstreams(with_common).try_get_matches_from(metric::without_dashes(argv));
    let matches = matches.map_err(|error| Stop { error, exit_codes })?;
    let action = Action::Metric(metric::arguments(&matches));
    Ok(Invocation { action, common: common(&matches), exit_codes, program: GNOCCHI_API.into() })
}

fn own_command() -> Command {
    Command::new("nephoscope")
        .version(env!("CARGO_PKG_VERSION"))
        .about("OpenStack Telemetry in one binary: collects, normalises and publishes samples and events")
        .after_help(
            "Configuration is Ceilometer's: ceilometer.conf, pipeline.yaml, event_pipeline.yaml, \
             event_definitions.yaml and meters.d/, searched in /etc/ceilometer unless --config-file names one.\n\n\
             Try first: nephoscope check --config-file /etc/ceilometer/ceilometer.conf",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(with_common(
            Command::new("run").about("Start every role in one process, on files under the state directory"),
        ))
        .subcommand(with_common(
            Command::new("notification")
                .about("Start the notification agent (upstream's ceilometer-agent-notification)"),
        ))
        .subcommand(with_common(polling::polling()))
        .subcommand(metric::command(with_common))
        .subcommand(with_common(polling::poll()))
        .subcommand(with_common(polling::pollsters()))
        .subcommand(
            polling::with_namespaces(with_common(
                Command::new("check").about(
                    "Read every configuration file and say what is wrong: file, line, column, and what to write",
                ),
            ))
            .arg(role_argument())
            .arg(
                Arg::new("strict")
                    .long("strict")
                    .action(ArgAction::SetTrue)
                    .help("Take warnings, such as unknown options, as errors"),
            ),
        )
        .subcommand(explain_command())
        .subcommand(
            Command::new("config").about("Look at the configuration").subcommand_required(true).subcommand(
                with_common(
                    Command::new("show")
                        .about("Print the effective value of every option and where it comes from; secrets are hidden"),
                )
                .arg(role_argument())
                .arg(
                    Arg::new("changed")
                        .long("changed")
                        .action(ArgAction::SetTrue)
                        .help("Only options that do not have their default"),
                ),
            ),
        )
        .subcommand(dead_letter::command())
        .subcommand(with_common(tap::command()))
        .subcommand(with_common(upgrade::own()))
        .subcommand(with_common(publish::send_sample(Command::new("send-sample"))))
        .subcommand(with_common(publish::publish_test()))
        .subcommand(publish::status("status", with_common))
        .subcommand(Command::new("version").about("Print the version"))
}

fn explain_command() -> Command {
    with_common(
        Command::new("explain")
            .about(
                "Say what becomes of a notification: definitions, samples, event, Gnocchi resources, pipelines, and \
                 the reason for everything that is left out",
            )
            .after_help(
                "FILE holds one JSON document, a list of them, or one a line: a message as it is on the bus, what \
                 rabbitmqadmin gives, a recording with routing key and body, or a notification with ctxt, payload and \
                 metadata. No broker is needed, and nothing is published.\n\n\
                 Exit status: 0 if a sample or event reaches a publisher, 1 if nothing does.",
            ),
    )
    .arg(
        Arg::new("file")
            .value_name("FILE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("File with notifications, or - for standard input"),
    )
    .arg(
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .help("Print one JSON object for each notification"),
    )
    .arg(
        Arg::new("all")
            .long("all")
            .action(ArgAction::SetTrue)
            .help("List every definition that was asked, and every field that it looked for"),
    )
    .arg(
        Arg::new("priority")
            .long("priority")
            .value_name("PRIORITY")
            .value_parser(model::Priority::ALL.map(model::Priority::as_str))
            .default_value("info")
            .help("Priority of notifications that do not name theirs"),
    )
}

fn with_common(mut command: Command) -> Command {
    command = command
        .arg(
            Arg::new("config-file")
                .long("config-file")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .action(ArgAction::Append)
                .help(
                    "Configuration file to read instead of the default ones; may be repeated, later ones win",
                ),
        )
        .arg(
            Arg::new("config-dir")
                .long("config-dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .action(ArgAction::Append)
                .help("Directory whose *.conf are read in order of their names; may be repeated"),
        );
    for (option, value_name, help, spellings) in VALUE_FLAGS {
        let mut spellings = spellings.iter();
        let mut arg = Arg::new(*option).value_name(*value_name).help(*help).help_heading("Logging");
        if let Some(first) = spellings.next() {
            arg = arg.long(*first);
        }
        command = command.arg(arg.aliases(spellings.copied()));
    }
    for (option, help, spelling, off) in SWITCHES {
        let mut on = Arg::new(*option)
            .long(*spelling)
            .action(ArgAction::SetTrue)
            .overrides_with(*off)
            .help(*help)
            .help_heading("Logging");
        if *option == "debug" {
            on = on.short('d');
        }
        command = command
            .arg(on)
            .arg(Arg::new(*off).long(*off).action(ArgAction::SetTrue).overrides_with(*option).hide(true));
    }
    command
}

fn common(matches: &ArgMatches) -> Common {
    let mut sources = Vec::new();
    for (id, make) in [
        ("config-file", ConfigSource::File as fn(PathBuf) -> ConfigSource),
        ("config-dir", ConfigSource::Directory as fn(PathBuf) -> ConfigSource),
    ] {
        let paths = matches.get_many::<PathBuf>(id).into_iter().flatten();
        let places = matches.indices_of(id).into_iter().flatten();
        sources.extend(places.zip(paths).map(|(place, path)| (place, make(path.clone()))));
    }
    sources.sort_by_key(|(place, _)| *place);
    let mut settings = Vec::new();
    for (option, _, _, spellings) in VALUE_FLAGS {
        if let Some(value) = matches.get_one::<String>(option) {
            let flag = format!("--{}", spellings.first().unwrap_or(option));
            settings.push((*option, value.clone(), flag));
        }
    }
    for (option, _, spelling, off) in SWITCHES {
        if matches.get_flag(option) {
            settings.push((*option, "true".into(), format!("--{spelling}")));
        } else if matches.get_flag(off) {
            settings.push((*option, "false".into(), format!("--{off}")));
        }
    }
    let sources = sources.into_iter().map(|(_, source)| source).collect();
    Common { sources, settings, namespaces: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Invocation {
        parse(line.split(' ').map(OsString::from).collect()).unwrap()
    }

    fn usage(line: &str) -> (ExitCodes, String) {
        let stop = parse(line.split(' ').map(OsString::from).collect()).unwrap_err();
        (stop.exit_codes, stop.error.to_string())
    }

    #[test]
    fn the_commands_are_well_formed() {
        own_command().debug_assert();
    }

    #[test]
    fn files_and_directories_keep_their_order() {
        let invocation =
            read("nephoscope notification --config-file a --config-dir d --config-file b --debug");
        assert_eq!(invocation.action, Action::Notification);
        assert_eq!(
            invocation.common.sources,
            [
                ConfigSource::File("a".into()),
                ConfigSource::Directory("d".into()),
                ConfigSource::File("b".into()),
            ]
        );
        assert_eq!(invocation.common.settings, [("debug", "true".into(), "--debug".into())]);
    }

    #[test]
    fn upstreams_name_takes_upstreams_flags_and_exit_statuses() {
        let invocation =
            read("/usr/bin/ceilometer-agent-notification -d --nodebug --logfile x --log_config y");
        assert_eq!((invocation.action, invocation.exit_codes), (Action::Notification, ExitCodes::Upstream));
        let settings: Vec<_> =
            invocation.common.settings.iter().map(|(option, value, _)| (*option, value.as_str())).collect();
        assert_eq!(settings, [("log_config_append", "y"), ("log_file", "x"), ("debug", "false")]);
        assert_eq!(usage("ceilometer-agent-notification --wrong").0, ExitCodes::Upstream);
    }

    #[test]
    fn the_polling_agent_has_several_names() {
        let namespaces = |line: &str| {
            let invocation = read(line);
            assert_eq!(
                (&invocation.action, invocation.program.as_str()),
                (&Action::Polling, "ceilometer-polling")
            );
            (invocation.exit_codes, invocation.common.namespaces.map(|(given, _)| given.join("+")))
        };
        let some = |text: &str| Some(text.to_owned());
        for (line, expected) in [
            ("nephoscope polling", (ExitCodes::Own, None)),
            (
                "nephoscope polling --polling-namespaces central ipmi -d",
                (ExitCodes::Own, some("central+ipmi")),
            ),
            ("ceilometer-polling", (ExitCodes::Upstream, None)),
            // A comma does not separate here, as with Ceilometer.
            ("ceilometer-polling --polling-namespaces a,b", (ExitCodes::Upstream, some("a,b"))),
            ("ceilometer-agent-central", (ExitCodes::Upstream, some("central"))),
            ("/usr/bin/ceilometer-agent-compute --config-file x", (ExitCodes::Upstream, some("compute"))),
            ("ceilometer-agent-ipmi --polling-namespaces central", (ExitCodes::Upstream, some("central"))),
        ] {
            assert_eq!(namespaces(line), expected, "{line}");
        }
        let invocation = read("nephoscope poll --once --namespace central --meter a --meter b --json");
        let expected = PollArguments { meters: vec!["a".into(), "b".into()], json: true };
        assert_eq!(invocation.action, Action::Poll(expected));
        assert_eq!(invocation.common.namespaces, Some((vec!["central".into()], "--namespace")));
        assert_eq!(read("nephoscope check --role polling").program, "ceilometer-polling");
        assert_eq!(usage("ceilometer-polling --polling-namespaces").0, ExitCodes::Upstream);
    }

    #[test]
    fn a_samples_flags_are_options() {
        let expected = [
            ("sample_name", "m", "--sample-name"),
            ("sample_volume", "-3", "--sample-volume"),
            ("sample_resource", "r", "--sample-resource"),
        ];
        let line = "-n m -l -3 --sample_resource r --config-file c";
        for (program, exit_codes) in
            [("ceilometer-send-sample", ExitCodes::Upstream), ("nephoscope send-sample", ExitCodes::Own)]
        {
            let invocation = read(&format!("{program} {line}"));
            assert_eq!((&invocation.action, invocation.exit_codes), (&Action::SendSample, exit_codes));
            assert_eq!(invocation.program, "ceilometer-send-sample");
            let settings = &invocation.common.settings;
            let settings: Vec<_> =
                settings.iter().map(|(name, value, flag)| (*name, value.as_str(), flag.as_str())).collect();
            assert_eq!(settings, expected);
        }
    }

    #[test]
    fn status_has_upstreams_words() {
        for (line, json) in [
            ("ceilometer-status upgrade check", false),
            ("ceilometer-status upgrade check --json", true),
            ("nephoscope status upgrade check", false),
        ] {
            assert_eq!(read(line).action, Action::UpgradeCheck { json });
        }
        assert_eq!(usage("ceilometer-status").0, ExitCodes::Upstream);
    }

    #[test]
    fn a_publisher_to_be_tested_is_named() {
        let invocation = read("nephoscope publish-test udp://h --event");
        let expected = PublishTest { url: "udp://h".into(), event: true, name: None };
        assert_eq!(invocation.action, Action::PublishTest(expected));
        assert_eq!(usage("nephoscope publish-test").0, ExitCodes::Own);
    }

    #[test]
    fn a_wrong_command_is_answered_with_the_nearest() {
        let (codes, text) = usage("nephoscope notifcation");
        assert_eq!(codes, ExitCodes::Own);
        assert!(text.contains("'notification'"), "{text}");
    }
}
