//! `nephoscope config show`: the effective value of every option and where it comes from.

use oslo_config::Origin;

use crate::cli::Invocation;
use crate::surroundings::Surroundings;
use crate::{Ending, complain, say, settings};

/// Prints an ini file that says the same as the configuration, each line with its origin.
pub(crate) fn show(invocation: &Invocation, surroundings: &Surroundings, all: bool) -> Ending {
    let loaded = match settings::load(invocation, surroundings) {
        Ok(loaded) => loaded,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    for warning in &loaded.warnings {
        complain(format_args!("warning: {warning}"));
    }
    let mut group = "";
    for shown in loaded.config.show() {
        if !all && matches!(shown.origin, Origin::Default) {
            continue;
        }
        if shown.group != group {
            say(format_args!("{}[{}]", if group.is_empty() { "" } else { "\n" }, shown.group));
            group = shown.group;
        }
        // A comment of its own: the dialect has none behind a value.
        let unset = if shown.value.is_none() { ": unset" } else { "" };
        say(format_args!("# {}{unset}", shown.origin));
        for line in &shown.assignments {
            say(format_args!("{line}"));
        }
    }
    Ending::Done
}
