//! The command line of what operators do with the metric store: `nephoscope metric stats`, `fsck`, `backup`, `restore`,
//! `import`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// What is to be done with the metric store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricCommand {
    pub(crate) what: MetricAction,
    /// The state directory, if the configuration is not to decide.
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MetricAction {
    Stats,
    /// The store, or the backup in a directory.
    Fsck(Option<PathBuf>),
    Backup(PathBuf),
    /// In the place of what there is, or only where nothing is.
    Restore {
        directory: PathBuf,
        replace: bool,
    },
    Import(ImportArguments),
}

/// Which Gnocchi is read, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImportArguments {
    pub(crate) url: String,
    pub(crate) auth: ImportAuth,
    pub(crate) user: String,
    pub(crate) project: String,
    pub(crate) roles: String,
    /// Items of a page.
    pub(crate) page: u16,
}

/// How Gnocchi is told who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportAuth {
    Basic,
    Noauth,
    Keystone,
}

const STATS: &str = "Say how much there is of resources, metrics and measures, and what it takes";
const STATS_HELP: &str =
    "A running server is asked over its control socket; without one, the files are read.";
const FSCK: &str = "Look through index and measures of a store that no server has open";
const FSCK_HELP: &str = "\
Reads the log, every state, every chunk and all of a SQLite index, and compares the metrics that both know. Nothing is \
changed.

Exit status: 0 nothing is damaged, 1 something is, 75 a server has the store open, 78 the configuration is wrong or names \
no store.";
const BACKUP: &str = "Copy index and measures of one moment to a directory";
const BACKUP_HELP: &str = "\
A running server makes the copy, and goes on meanwhile; everything that it had answered with success before is in it. \
Without a server the command makes it. DIR must be absent or empty, and is written by the server's user. An index in \
PostgreSQL is not copied: run pg_dump right after this command.";
const RESTORE: &str = "Put a backup where a server can open it";
const RESTORE_HELP: &str = "\
Every file is compared with the backup's manifest first. Nothing is restored over something: the store's directory \
below [nephoscope] state_dir, and the index's file, must be absent or empty.

With --replace the backup takes the place of the store that is there. A running server looks at the backup and copies it \
beside its store, goes on meanwhile, then ends what it has in hand and starts anew, as the same process, with the copy. \
Without a server the command does it. The old store stays beside it, as metric.replaced-TIME; there must be room for both. A \
backup that is damaged changes nothing. An index in PostgreSQL is not in the backup: pg_restore its dump before.

Exit status with --replace: 0 the server is back with the backup, 1 it is not, and the last line says what is there, 75 a \
server without a control socket has the store open, 78 the configuration is wrong.";

const IMPORT: &str = "Take over what a running Gnocchi has";
const IMPORT_HELP: &str = "\
Copies archive policies, rules, resource types, resources with their history, metrics, and every aggregate as Gnocchi has \
computed it, over its API, into the store of the configuration, which no server may have open. A run that was ended \
goes on where it was when the command is given again. At the end every series is compared by a checksum.

The user must see everything: an administrator. --auth keystone reads OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, \
OS_PROJECT_NAME and the other variables of OpenStack's clients.

Exit status: 0 everything is there and equal, 1 it is not, 64 the URL or a credential is missing, 75 the store is in use, 78 the \
configuration is wrong.";

/// Adds the commands to `nephoscope metric`.
pub(super) fn with_commands(command: Command, common: fn(Command) -> Command) -> Command {
    let with = |name: &'static str, about: &'static str, help: &'static str| {
        common(Command::new(name).about(about).after_help(help)).arg(
            Arg::new("state-dir")
                .long("state-dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("State directory instead of [nephoscope] state_dir"),
        )
    };
    let json = || Arg::new("json").long("json").action(ArgAction::SetTrue).help("As one JSON object");
    let directory = || {
        let argument = Arg::new("directory").value_name("DIR").required(true);
        argument.value_parser(value_parser!(PathBuf)).help("The backup's directory")
    };
    let backup = Arg::new("backup")
        .long("backup")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("Look at this backup instead: whether each file is what was written, and can be read");
    let replace = Arg::new("replace")
        .long("replace")
        .action(ArgAction::SetTrue)
        .help("In the place of the store that is there, also while a server has it open");
    command
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(with("stats", STATS, STATS_HELP).arg(json()))
        .subcommand(with("fsck", FSCK, FSCK_HELP).arg(json()).arg(backup))
        .subcommand(with("backup", BACKUP, BACKUP_HELP).arg(directory()).arg(json()))
        .subcommand(with("restore", RESTORE, RESTORE_HELP).arg(directory()).arg(replace).arg(json()))
        .subcommand(with_source(with("import", IMPORT, IMPORT_HELP)).arg(json()))
}

/// The Gnocchi of `import`.
fn with_source(command: Command) -> Command {
    let option = |name: &'static str, value: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).default_value(default).help(help)
    };
    command
        .arg(
            Arg::new("url")
                .value_name("URL")
                .required(true)
                .help("Gnocchi's address, such as http://host:8041"),
        )
        .arg(
            option("auth", "HOW", "basic", "How Gnocchi is told who asks: its [api] auth_mode")
                .value_parser(["basic", "noauth", "keystone"]),
        )
        .arg(option("user", "USER", "admin", "User, with basic and noauth"))
        .arg(option("project", "PROJECT", "admin", "Project, with noauth"))
        .arg(option("roles", "ROLES", "admin", "Roles, with noauth"))
        .arg(
            option("page", "N", "1000", "Items of a page; Gnocchi's [api] max_limit may be smaller")
                .value_parser(value_parser!(u16).range(1..)),
        )
}

fn import_arguments(matches: &ArgMatches) -> ImportArguments {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let auth = match text("auth").as_str() {
        "noauth" => ImportAuth::Noauth,
        "keystone" => ImportAuth::Keystone,
        _ => ImportAuth::Basic,
    };
    ImportArguments {
        page: matches.get_one("page").copied().unwrap_or(1_000),
        url: text("url"),
        auth,
        user: text("user"),
        project: text("project"),
        roles: text("roles"),
    }
}

/// The command that was given, with its own arguments; none where the server is to start.
pub(super) fn read(matches: &ArgMatches) -> Option<(MetricCommand, &ArgMatches)> {
    let (name, matches) = matches.subcommand()?;
    let directory = || matches.get_one::<PathBuf>("directory").cloned().unwrap_or_default();
    let what = match name {
        "stats" => MetricAction::Stats,
        "fsck" => MetricAction::Fsck(matches.get_one::<PathBuf>("backup").cloned()),
        "backup" => MetricAction::Backup(directory()),
        "import" => MetricAction::Import(import_arguments(matches)),
        _ => MetricAction::Restore { directory: directory(), replace: matches.get_flag("replace") },
    };
    let state_dir = matches.get_one::<PathBuf>("state-dir").cloned();
    Some((MetricCommand { what, state_dir, json: matches.get_flag("json") }, matches))
}

#[cfg(test)]
mod tests {
    use super::super::{Action, parse};
    use super::*;

    fn read(line: &str) -> Result<Action, String> {
        let parsed = parse(line.split(' ').map(Into::into).collect());
        parsed.map(|invocation| invocation.action).map_err(|stop| stop.error.to_string())
    }

    #[test]
    fn commands_stand_beside_the_server() {
        let command = |what, state_dir: Option<&str>, json| {
            Action::MetricCommand(MetricCommand { what, state_dir: state_dir.map(PathBuf::from), json })
        };
        let restore = |replace| MetricAction::Restore { directory: "/b".into(), replace };
        for (line, expected) in [
            ("stats --json", command(MetricAction::Stats, None, true)),
            ("fsck --state-dir /s --config-file c", command(MetricAction::Fsck(None), Some("/s"), false)),
            ("fsck --backup /b", command(MetricAction::Fsck(Some("/b".into())), None, false)),
            ("backup /b", command(MetricAction::Backup("/b".into()), None, false)),
            ("restore /b --state-dir s", command(restore(false), Some("s"), false)),
            ("restore --replace /b --json", command(restore(true), None, true)),
        ] {
            assert_eq!(read(&format!("nephoscope metric {line}")).unwrap(), expected, "{line}");
        }
        assert!(matches!(read("nephoscope metric --port 1").unwrap(), Action::Metric(_)));
        for line in ["backup", "restore", "repair", "--port 1 fsck"] {
            assert!(read(&format!("nephoscope metric {line}")).is_err(), "{line}");
        }
    }
}
