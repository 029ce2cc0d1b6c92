//! `nephoscope dead-letter show`.

use std::io::Write as _;

use anyhow::Context as _;
use buffer::dead_letters::{DeadLetters, Letter, LetterId, Stored};
use pipeline::{Records, record_of};

use super::{may_be_in, printable, report_damage, report_missing};
use crate::say;

/// Prints one letter: for a person, as JSON, or its body alone.
pub(super) fn show(store: &DeadLetters, id: &LetterId, json: bool, body: bool) -> anyhow::Result<()> {
    let Some(letter) = find(store, id)? else { return report_missing(std::slice::from_ref(id)) };
    if body {
        let mut out = std::io::stdout().lock();
        return out.write_all(&letter.body).and_then(|()| out.flush()).context("cannot write the body");
    }
    if json {
        say(format_args!("{}", letter.to_json(id)));
    } else {
        describe(id, &letter);
    }
    Ok(())
}

fn find(store: &DeadLetters, id: &LetterId) -> anyhow::Result<Option<Letter>> {
    for file in store.files()?.into_iter().filter(|file| may_be_in(id, file)) {
        let contents = store.read(&file)?;
        report_damage(&file, &contents.damaged);
        if let Some(Stored { letter, .. }) = contents.letters.into_iter().find(|stored| stored.id == *id) {
            return Ok(Some(letter));
        }
    }
    Ok(None)
}

/// The record as the http and file publishers write it.
fn as_json(records: &Records) -> String {
    let mut text = Vec::new();
    match records {
        Records::Samples(samples) => samples.iter().for_each(|sample| sample.write_json(&mut text)),
        Records::Events(events) => events.iter().for_each(|event| event.write_json(&mut text)),
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn describe(id: &LetterId, letter: &Letter) {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let line = |name: &str, value: &str| {
        say(format_args!("{:<17} {}", format!("{name}:"), printable(value)));
    };
    line("id", &id.to_string());
    line("time", &letter.time.to_string());
    line("cause", &letter.cause);
    line("what is wrong", &letter.message);
    line("attempts", &letter.attempts.to_string());
    if let Some(refused) = &letter.refused {
        line("publisher", &refused.publisher);
        line("publisher's key", &refused.publisher_key);
        line(if refused.kind == "events" { "event type" } else { "meter" }, &refused.name);
        line("record's id", &or_dash(&letter.message_id));
        match record_of(refused, &letter.body) {
            Ok(records) => say(format_args!("record:\n{}", printable(&as_json(&records)))),
            Err(error) => say(format_args!("the record cannot be read: {error}")),
        }
        return;
    }
    for (name, value) in [
        ("redelivered", letter.redelivered.to_string()),
        ("event type", or_dash(&letter.event_type)),
        ("message id", or_dash(&letter.message_id)),
        ("listener", letter.listener.clone()),
        ("queue", letter.queue.clone()),
        ("exchange", letter.exchange.clone()),
        ("routing key", letter.routing_key.clone()),
        ("content type", or_dash(&letter.content_type)),
        ("content encoding", or_dash(&letter.content_encoding)),
        ("compression", or_dash(&letter.compression)),
    ] {
        line(name, &value);
    }
    let bytes = letter.body.len();
    match std::str::from_utf8(&letter.body) {
        Ok(text) => say(format_args!("body, {bytes} bytes:\n{}", printable(text))),
        Err(_) => say(format_args!("body, {bytes} bytes, is no text: `show --body {id}` writes it as it is")),
    }
}
