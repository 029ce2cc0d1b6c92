//! The arguments of `send-sample`, `publish-test` and `status upgrade check`.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// The name under which Ceilometer installs `send-sample`.
pub(super) const SEND_SAMPLE: &str = "ceilometer-send-sample";
/// The name under which Ceilometer installs `status`.
pub(super) const STATUS: &str = "ceilometer-status";

/// What `nephoscope publish-test` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublishTest {
    /// The publisher, as a pipeline names it.
    pub(crate) url: String,
    /// An event instead of a sample.
    pub(crate) event: bool,
    /// The meter, or the type of the event.
    pub(crate) name: Option<String>,
}

/// The flags of `send-sample`: option in `[DEFAULT]`, short form, flag, placeholder and help.
const SAMPLE_FLAGS: &[(&str, char, &str, &str, &str)] = &[
    ("sample_name", 'n', "sample-name", "NAME", "Name of the meter (required)"),
    ("sample_type", 'y', "sample-type", "TYPE", "gauge, delta or cumulative (default: gauge)"),
    ("sample_unit", 'U', "sample-unit", "UNIT", "Unit of the meter"),
    ("sample_volume", 'l', "sample-volume", "NUMBER", "Volume, a whole number (default: 1)"),
    ("sample_resource", 'r', "sample-resource", "ID", "Id of the resource (required)"),
    ("sample_user", 'u', "sample-user", "ID", "Id of the user"),
    ("sample_project", 'p', "sample-project", "ID", "Id of the project"),
    ("sample_timestamp", 'i', "sample-timestamp", "TIME", "Time, ISO 8601 in UTC (default: now)"),
    ("sample_metadata", 'm', "sample-metadata", "DICT", "Metadata, as a Python dictionary or as JSON"),
];

/// Adds the flags of `send-sample`.
pub(super) fn send_sample(mut command: Command) -> Command {
    command = command.about("Give one sample to the publishers of the sample pipeline").after_help(
        "Each flag can also stand in [DEFAULT] of the configuration file, as in sample_name = NAME.\n\n\
         Try: nephoscope send-sample -n my.meter -r my-resource -m \"{'key': 'value'}\"",
    );
    for (option, short, flag, placeholder, help) in SAMPLE_FLAGS {
        let arg = Arg::new(*option)
            .short(*short)
            .long(*flag)
            // oslo.config takes both spellings.
            .alias(*option)
            .value_name(*placeholder)
            .allow_hyphen_values(true)
            .help(*help);
        command = command.arg(arg);
    }
    command
}

/// The options that the flags set: name in `[DEFAULT]`, value, the flag as written.
pub(super) fn sample_settings(matches: &ArgMatches) -> Vec<(&'static str, String, String)> {
    let given = SAMPLE_FLAGS.iter().filter_map(|(option, _, flag, ..)| {
        let value = matches.get_one::<String>(option)?;
        Some((*option, value.clone(), format!("--{flag}")))
    });
    given.collect()
}

pub(super) fn publish_test() -> Command {
    Command::new("publish-test")
        .about("Send one sample to a publisher, and show what it says and what it is told; secrets are hidden")
        .after_help(
            "Exit status 0: the publisher has accepted. 1: it has not, or has refused the record. 64: the URL can \
             never work.\n\nTry: nephoscope publish-test 'http://127.0.0.1:8080/samples?timeout=2'",
        )
        .arg(
            Arg::new("url")
                .value_name("URL")
                .required(true)
                .help("The publisher, as it stands under publishers: of a pipeline"),
        )
        .arg(
            Arg::new("event")
                .long("event")
                .action(ArgAction::SetTrue)
                .help("Send an event instead of a sample"),
        )
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("NAME")
                .help(
                    "Name of the meter, or type of the event: Gnocchi gets only what its resource definitions name \
                     (default: nephoscope.publish_test; for gnocchi:// identity.authenticate.success)",
                ),
        )
}

pub(super) fn publish_test_arguments(matches: &ArgMatches) -> PublishTest {
    PublishTest {
        url: matches.get_one::<String>("url").cloned().unwrap_or_default(),
        event: matches.get_flag("event"),
        name: matches.get_one::<String>("name").cloned(),
    }
}

/// `upgrade check`, under `name`.
pub(super) fn status(name: &'static str, with_common: fn(Command) -> Command) -> Command {
    let check =
        with_common(Command::new("check").about("Whether the configuration is one that this version takes"))
            .after_help("Exit status 0: all is well. 1: a warning. 2: a failure. 255: something unexpected.")
            .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON"));
    let upgrade = Command::new("upgrade").about("Upgrades").subcommand_required(true).subcommand(check);
    Command::new(name)
        .about("Checks before an upgrade (upstream's ceilometer-status)")
        .subcommand_required(true)
        .subcommand(upgrade)
}

/// The matches of `check`, and whether JSON is asked for.
pub(super) fn status_arguments(matches: &ArgMatches) -> Option<(&ArgMatches, bool)> {
    let (_, upgrade) = matches.subcommand()?;
    let (_, check) = upgrade.subcommand()?;
    Some((check, check.get_flag("json")))
}
