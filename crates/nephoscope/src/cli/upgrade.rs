//! The command line of `nephoscope upgrade`, and of `ceilometer-upgrade`.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// What is to be done about Gnocchi's resource types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UpgradeArguments {
    /// Leave them alone.
    pub(crate) skip: bool,
    /// How often it is tried; `None`: without end.
    pub(crate) retry: Option<u64>,
    /// Say what would be done.
    pub(crate) dry_run: bool,
}

/// The name under which Ceilometer's packages install the command.
pub(super) const CEILOMETER_UPGRADE: &str = "ceilometer-upgrade";

const ABOUT: &str =
    "Create and change what Gnocchi needs: resource types, as ceilometer-upgrade does, and archive policies";

const HELP: &str = "\
Gnocchi is the one that [gnocchi] leads to, by auth_section and the catalogue. What is there already is left as it is, so \
that the command can be run at any time, also beside running agents. The archive policies are those of the resource \
definitions (gnocchi_resources.yaml) that the publishers of the pipelines name.";

const SKIP: &str = "skip-gnocchi-resource-types";
const NO_SKIP: &str = "noskip-gnocchi-resource-types";

pub(super) fn own() -> Command {
    arguments(Command::new("upgrade").about(ABOUT).after_help(HELP))
}

pub(super) fn upstreams() -> Command {
    arguments(
        Command::new(CEILOMETER_UPGRADE).version(env!("CARGO_PKG_VERSION")).about(ABOUT).after_help(HELP),
    )
}

fn arguments(command: Command) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    command
        .arg(flag(SKIP, "Leave Gnocchi alone").overrides_with(NO_SKIP))
        .arg(flag(NO_SKIP, "The opposite, which is the default").overrides_with(SKIP).hide(true))
        .arg(
            Arg::new("retry")
                .long("retry")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("Try so often while Gnocchi cannot be reached; without end unless given"),
        )
        .arg(flag("dry-run", "Say what would be done, and change nothing"))
}

pub(super) fn read(matches: &ArgMatches) -> UpgradeArguments {
    UpgradeArguments {
        skip: matches.get_flag(SKIP),
        retry: matches.get_one::<u64>("retry").copied(),
        dry_run: matches.get_flag("dry-run"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, ExitCodes, parse};
    use super::*;

    fn upgrade(line: &str) -> (UpgradeArguments, ExitCodes, String) {
        let invocation = parse(line.split(' ').map(Into::into).collect()).unwrap();
        match invocation.action {
            Action::Upgrade(arguments) => (arguments, invocation.exit_codes, invocation.program),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_names_take_upstreams_flags() {
        for (name, codes) in
            [("nephoscope upgrade", ExitCodes::Own), ("/usr/bin/ceilometer-upgrade", ExitCodes::Upstream)]
        {
            for (flags, skip, retry, dry_run) in [
                ("-d", false, None, false),
                ("--retry 0", false, Some(0), false),
                ("--retry 3 --skip-gnocchi-resource-types", true, Some(3), false),
                ("--skip-gnocchi-resource-types --noskip-gnocchi-resource-types", false, None, false),
                ("--dry-run --debug", false, None, true),
            ] {
                let read = upgrade(&format!("{name} {flags}"));
                assert_eq!(read.0, UpgradeArguments { skip, retry, dry_run }, "{name} {flags}");
                assert_eq!((read.1, read.2.as_str()), (codes, CEILOMETER_UPGRADE));
            }
        }
        for wrong in ["--retry -1", "--retry x", "--what"] {
            let argv = format!("ceilometer-upgrade {wrong}");
            assert!(parse(argv.split(' ').map(Into::into).collect()).is_err(), "{wrong}");
        }
    }
}
