//! The command line of `nephoscope dead-letter`.

use buffer::dead_letters::LetterId;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use super::{AGENT_NOTIFICATION, with_common};

/// What is to be done with dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeadLetterAction {
    List { cause: Option<String>, limit: Option<usize>, json: bool },
    Show { id: LetterId, json: bool, body: bool },
    Replay(Selection),
    Drop(Selection),
}

/// Which letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    Cause(String),
    Ids(Vec<LetterId>),
}

const ABOUT: &str = "Look at the messages that could not be processed, and send them again or drop them";

const HELP: &str = "\
A message that cannot be processed (it is not JSON, a definition fails on it, …) must not stop those behind it, and \
must not get lost: the notification agent takes it off the queue and keeps it as a dead letter, in a file under \
[nephoscope] state_dir. So it does with a sample or event that a publisher's peer refuses for good. These commands work whether the agent runs or not; run them as the agent's user.

Usual course:
  nephoscope dead-letter list                    what is there, and why
  nephoscope dead-letter show ID                 one letter with its body
  (mend the definition, let the agent read it: SIGHUP)
  nephoscope dead-letter replay --cause CAUSE    send them again
  nephoscope dead-letter drop ID                 or throw them away, for good";

pub(super) fn command() -> Command {
    Command::new("dead-letter")
        .about(ABOUT)
        .after_help(HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(
            with_role(Command::new("list").about("List letters, oldest first: id, time, cause, and what they are"))
                .arg(cause().help("Only letters with this cause, such as not_json"))
                .arg(
                    Arg::new("limit")
                        .long("limit")
                        .value_name("N")
                        .value_parser(value_parser!(usize))
                        .help("Only the newest N"),
                )
                .arg(flag("json", "One JSON object a line, without the bodies")),
        )
        .subcommand(
            with_role(Command::new("show").about("Show one letter"))
                .arg(
                    Arg::new("id")
                        .value_name("ID")
                        .required(true)
                        .value_parser(value_parser!(LetterId))
                        .help("The letter, as `list` shows it"),
                )
                .arg(flag("json", "As JSON, the body included").conflicts_with("body"))
                .arg(flag("body", "Only the body, byte for byte")),
        )
        .subcommand(selecting(
            "replay",
            "Send letters again, as they were; each leaves the dead letters once the broker has confirmed it, or the \
             publisher accepted it",
            "A message goes to the exchange and with the routing key that it had, to the broker of [notification] \
             messaging_urls or transport_url; if that exchange leads nowhere any more, to its queue. What can be made \
             of a message today was delivered when it became a letter, and is delivered again: samples and events \
             repeat their ids. A refused sample or event goes to the publisher of the pipelines that refused it, and to nobody \
             else.",
        ))
        .subcommand(selecting("drop", "Throw letters away, for good", "There is no way back."))
}

/// A command on letters that the user names.
fn selecting(name: &'static str, about: &'static str, more: &'static str) -> Command {
    with_role(Command::new(name).about(about).after_help(more))
        .arg(
            Arg::new("id")
                .value_name("ID")
                .num_args(1..)
                .value_parser(value_parser!(LetterId))
                .help("The letters, as `list` shows them"),
        )
        .arg(flag("all", "All letters"))
        .arg(cause().help("All letters with this cause"))
        .group(ArgGroup::new("which").args(["id", "all", "cause"]).required(true))
}

fn cause() -> Arg {
    Arg::new("cause").long("cause").value_name("CAUSE")
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn with_role(command: Command) -> Command {
    with_common(command).arg(
        Arg::new("role")
            .long("role")
            .value_name("ROLE")
            .value_parser(["run", "notification"])
            .default_value("notification")
            .help("The command whose configuration files are read"),
    )
}

/// The program whose configuration is read.
pub(super) fn program(matches: &ArgMatches) -> &'static str {
    match matches.get_one::<String>("role").map(String::as_str) {
        Some("run") => "nephoscope",
        _ => AGENT_NOTIFICATION,
    }
}

/// What was asked for by the command `name`.
pub(super) fn action(name: &str, matches: &ArgMatches) -> DeadLetterAction {
    let cause = |matches: &ArgMatches| matches.get_one::<String>("cause").cloned();
    match name {
        "show" => match matches.get_one::<LetterId>("id") {
            Some(id) => DeadLetterAction::Show {
                id: id.clone(),
                json: matches.get_flag("json"),
                body: matches.get_flag("body"),
            },
            // It is required; clap has answered already.
            None => DeadLetterAction::List { cause: None, limit: None, json: false },
        },
        "replay" => DeadLetterAction::Replay(selection(matches)),
        "drop" => DeadLetterAction::Drop(selection(matches)),
        _ => DeadLetterAction::List {
            cause: cause(matches),
            limit: matches.get_one::<usize>("limit").copied(),
            json: matches.get_flag("json"),
        },
    }
}

fn selection(matches: &ArgMatches) -> Selection {
    if matches.get_flag("all") {
        return Selection::All;
    }
    match matches.get_one::<String>("cause") {
        Some(cause) => Selection::Cause(cause.clone()),
        None => Selection::Ids(matches.get_many::<LetterId>("id").into_iter().flatten().cloned().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, parse};
    use super::*;

    fn read(line: &str) -> Result<DeadLetterAction, String> {
        match parse(line.split(' ').map(Into::into).collect()) {
            Ok(invocation) => match invocation.action {
                Action::DeadLetter(action) => Ok(action),
                other => panic!("{other:?}"),
            },
            Err(stop) => Err(stop.error.to_string()),
        }
    }

    #[test]
    fn what_is_typed_is_what_is_meant() {
        let ids = |ids: &[&str]| Selection::Ids(ids.iter().map(|id| id.parse().unwrap()).collect());
        for (line, expected) in [
            ("list", DeadLetterAction::List { cause: None, limit: None, json: false }),
            (
                "list --cause not_json --limit 3 --json",
                DeadLetterAction::List { cause: Some("not_json".into()), limit: Some(3), json: true },
            ),
            ("show a-1", DeadLetterAction::Show { id: "a-1".parse().unwrap(), json: false, body: false }),
            ("replay a-1 a-2 --debug", DeadLetterAction::Replay(ids(&["a-1", "a-2"]))),
            ("replay --all", DeadLetterAction::Replay(Selection::All)),
            ("drop --cause panic", DeadLetterAction::Drop(Selection::Cause("panic".into()))),
        ] {
            assert_eq!(read(&format!("nephoscope dead-letter {line}")).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn nothing_is_replayed_or_dropped_that_was_not_named() {
        for line in [
            "drop",
            "replay",
            "drop --all a-1",
            "replay --all --cause x",
            "show",
            "show a/b",
            "list --limit x",
        ] {
            assert!(read(&format!("nephoscope dead-letter {line}")).is_err(), "{line}");
        }
    }
}
