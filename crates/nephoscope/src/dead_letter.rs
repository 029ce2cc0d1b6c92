//! `nephoscope dead-letter`: what operators do with messages that could not be processed, and with records that could not
//! be delivered.

mod list;
mod replay;
mod show;

use std::collections::BTreeSet;

use anyhow::{anyhow, bail};
use buffer::dead_letters::{Contents, DeadLetters, LetterId, Lock, Stored};
use oslo_config::Config;

use crate::cli::{DeadLetterAction, Invocation, Selection};
use crate::role::Roles;
use crate::surroundings::Surroundings;
use crate::{Ending, complain, say, settings};

/// Errors that are shown one by one; the others are counted.
const SHOWN_ERRORS: usize = 5;

/// Does what was asked for.
pub(crate) fn run(action: &DeadLetterAction, invocation: &Invocation, surroundings: &Surroundings) -> Ending {
    let config = match settings::load(invocation, surroundings) {
        Ok(loaded) => loaded.config,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let store = settings::dead_letters(&config);
    let done = match action {
        DeadLetterAction::List { cause, limit, json } => {
            list::list(&store, cause.as_deref(), limit.unwrap_or(usize::MAX), *json)
        }
        DeadLetterAction::Show { id, json, body } => show::show(&store, id, *json, *body),
        DeadLetterAction::Replay(selection) => {
            return replay(&store, selection, &config, roles(invocation), surroundings);
        }
        DeadLetterAction::Drop(selection) => drop_letters(&store, selection),
    };
    done.map_or_else(Ending::Failed, |()| Ending::Done)
}

/// The roles of the command whose configuration is read.
fn roles(invocation: &Invocation) -> Roles {
    if invocation.program == "nephoscope" { Roles::All } else { Roles::Notification }
}

fn replay(
    store: &DeadLetters,
    selection: &Selection,
    config: &Config,
    roles: Roles,
    surroundings: &Surroundings,
) -> Ending {
    let listeners = match settings::listeners(config) {
        Ok(listeners) => listeners,
        Err(error) => return Ending::Configuration(crate::check::with_sources(&error)),
    };
    replay::replay(store, selection, listeners, config, roles, surroundings)
        .map_or_else(Ending::Failed, |()| Ending::Done)
}

fn drop_letters(store: &DeadLetters, selection: &Selection) -> anyhow::Result<()> {
    let mut dropped = 0;
    let missing = each_selected(store, selection, |lock, file, letters| {
        let ids: BTreeSet<LetterId> = letters.into_iter().map(|stored| stored.id).collect();
        dropped += store.remove(lock, file, &ids)?;
        Ok(())
    })?;
    say(format_args!("dropped {}", count_of(dropped)));
    report_missing(&missing)
}

/// Calls `act` with the selected letters of each file, under the lock, and returns the ids that were nowhere. Files
/// that the agent adds meanwhile are not looked at.
fn each_selected(
    store: &DeadLetters,
    selection: &Selection,
    mut act: impl FnMut(&Lock, &str, Vec<Stored>) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<LetterId>> {
    let mut missing: BTreeSet<LetterId> = match selection {
        Selection::Ids(ids) => ids.iter().cloned().collect(),
        Selection::All | Selection::Cause(_) => BTreeSet::new(),
    };
    let wanted = missing.clone();
    // Without a file there is no directory either, perhaps, to have a lock in.
    if store.files()?.is_empty() {
        return Ok(missing.into_iter().collect());
    }
    let lock = store.lock_for_changes()?;
    for file in store.files()? {
        if matches!(selection, Selection::Ids(_)) && !wanted.iter().any(|id| may_be_in(id, &file)) {
            continue;
        }
        let Contents { mut letters, damaged } = store.read(&file)?;
        report_damage(&file, &damaged);
        letters.retain(|stored| match selection {
            Selection::All => true,
            Selection::Cause(cause) => stored.letter.cause == *cause,
            Selection::Ids(_) => wanted.contains(&stored.id),
        });
        for stored in &letters {
            missing.remove(&stored.id);
        }
        if !letters.is_empty() {
            act(&lock, &file, letters)?;
        }
    }
    Ok(missing.into_iter().collect())
}

/// Ids begin with the name of their file.
fn may_be_in(id: &LetterId, file: &str) -> bool {
    file.split_once('.').is_some_and(|(stem, _)| id.as_str().starts_with(stem))
}

fn report_missing(missing: &[LetterId]) -> anyhow::Result<()> {
    let [first, ..] = missing else { return Ok(()) };
    if missing.len() == 1 {
        bail!("there is no letter {first}; `nephoscope dead-letter list` shows those that are there");
    }
    let shown: Vec<&str> = missing.iter().take(SHOWN_ERRORS).map(LetterId::as_str).collect();
    let dots = if missing.len() > SHOWN_ERRORS { ", …" } else { "" };
    Err(anyhow!("{} of the letters are not there: {}{dots}", missing.len(), shown.join(", ")))
}

fn report_damage(file: &str, damaged: &[buffer::dead_letters::Damage]) {
    for damage in damaged.iter().take(SHOWN_ERRORS) {
        let reason = &damage.reason;
        match damage.line {
            Some(line) => complain(format_args!("warning: {file}:{line}: damaged, left as it is: {reason}")),
            None => complain(format_args!("warning: {file}: damaged, left as it is: {reason}")),
        }
    }
    if damaged.len() > SHOWN_ERRORS {
        complain(format_args!("warning: {file}: {} more damaged lines", damaged.len() - SHOWN_ERRORS));
    }
}

fn count_of(letters: usize) -> String {
    if letters == 1 { "1 letter".to_owned() } else { format!("{letters} letters") }
}

/// Text from a message for a terminal: what could steer it is escaped.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' && character != '\t' {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jü\n\u{9b}\0"), "a\\u{1b}[2Jü\n\\u{9b}\\u{0}");
    }
}
