//! `nephoscope dead-letter list`.

use std::collections::{BTreeMap, VecDeque};

use buffer::dead_letters::{DeadLetters, Letter, LetterId};

use super::{count_of, printable, report_damage};
use crate::{complain, say};

/// Characters of a letter's words that the table shows; `show` has them all.
const WORDS_CHARACTERS: usize = 80;

const HEAD: [&str; 7] =
    ["ID", "TIME", "CAUSE", "EVENT TYPE, METER", "QUEUE, PUBLISHER", "BYTES", "WHAT IS WRONG"];

/// What the table shows of a letter; the body is not kept in memory.
struct Row([String; 7]);

impl Row {
    fn new(id: &LetterId, letter: &Letter) -> Self {
        let one_line = |text: &str| printable(text).replace(['\n', '\t'], " ");
        let or_dash = |text: Option<&String>| text.map_or_else(|| "-".to_owned(), |text| one_line(text));
        Self([
            id.to_string(),
            letter.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            one_line(&letter.cause),
            or_dash(letter.refused.as_ref().map(|refused| &refused.name).or(letter.event_type.as_ref())),
            one_line(letter.refused.as_ref().map_or(&letter.queue, |refused| &refused.publisher)),
            letter.body.len().to_string(),
            one_line(&letter.message).chars().take(WORDS_CHARACTERS).collect(),
        ])
    }
}

/// Prints letters to stdout, and what they come to on stderr.
pub(super) fn list(store: &DeadLetters, cause: Option<&str>, limit: usize, json: bool) -> anyhow::Result<()> {
    let mut rows: VecDeque<Row> = VecDeque::new();
    let mut lines: VecDeque<String> = VecDeque::new();
    let mut causes: BTreeMap<String, usize> = BTreeMap::new();
    let mut bytes = 0_u64;
    for file in store.files()? {
        let contents = store.read(&file)?;
        report_damage(&file, &contents.damaged);
        for stored in contents.letters {
            if cause.is_some_and(|cause| cause != stored.letter.cause) {
                continue;
            }
            if json {
                lines.push_back(stored.letter.summary_json(&stored.id));
            } else {
                rows.push_back(Row::new(&stored.id, &stored.letter));
            }
            if rows.len().max(lines.len()) > limit {
                rows.pop_front();
                lines.pop_front();
            }
            bytes += stored.letter.body.len() as u64;
            *causes.entry(stored.letter.cause).or_default() += 1;
        }
    }
    for line in lines {
        say(format_args!("{line}"));
    }
    print_table(&rows);
    for file in store.damaged_files()? {
        let path = store.directory().join(file);
        complain(format_args!(
            "warning: nothing in {} can be read: look at it, and remove it",
            path.display()
        ));
    }
    let directory = store.directory().display();
    let all: usize = causes.values().sum();
    if all == 0 {
        complain(format_args!("no dead letters in {directory}"));
        return Ok(());
    }
    let causes: Vec<String> =
        causes.iter().map(|(cause, count)| format!("{count} {}", printable(cause))).collect();
    complain(format_args!("{} in {directory}, {bytes} bytes: {}", count_of(all), causes.join(", ")));
    Ok(())
}

fn print_table(rows: &VecDeque<Row>) {
    if rows.is_empty() {
        return;
    }
    let mut widths = HEAD.map(str::len);
    for Row(cells) in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let print = |cells: [&str; 7]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        say(format_args!("{}", padded.collect::<Vec<_>>().join("  ").trim_end()));
    };
    print(HEAD);
    for Row(cells) in rows {
        print(cells.each_ref().map(String::as_str));
    }
}
