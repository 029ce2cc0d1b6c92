//! [`RecordLetters`]: brings records that a publisher's peer refuses for good to the dead letters, before they are let go.

use std::collections::BTreeMap;
use std::sync::Arc;

use buffer::dead_letters::{DeadLetters, Letter, Refused, Written};
use model::codec::{self, DecodeError};
use model::pytext;
use observability::clock::Clock;

use crate::publisher::Refusals;
use crate::{PublisherUrl, Records, RecordsKind};

/// A letter's words are cut at this many characters: they come from the peer.
const REASON_CHARACTERS: usize = 1024;
/// Names and ids are cut at this many characters: they come from the message.
const NAME_CHARACTERS: usize = 255;

/// Where the refused records of a process's publishers are kept. By default nowhere: they are dropped and counted.
#[derive(Debug, Clone, Default)]
pub struct RecordLetters(Option<Kept>);

#[derive(Debug, Clone)]
struct Kept {
    store: Arc<DeadLetters>,
    clock: Clock,
}

/// What became of refused records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RefusedCount {
    /// Durable among the dead letters.
    pub(crate) kept: u64,
    /// Lost, because the dead letters are full.
    pub(crate) lost: u64,
    /// Lost, because no dead letters are kept.
    pub(crate) off: u64,
    /// Lost, because the peer did not say which they are.
    pub(crate) unnamed: u64,
    /// The same records by the publisher's cause.
    pub(crate) by_cause: Vec<(&'static str, u64)>,
}

impl RefusedCount {
    pub(crate) fn total(&self) -> u64 {
        self.kept + self.lost + self.off + self.unnamed
    }
}

/// The publisher, as letters name it.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    publisher: String,
    key: String,
    kind: RecordsKind,
}

impl Origin {
    pub(crate) fn new(url: &PublisherUrl, kind: RecordsKind) -> Self {
        Self { publisher: url.redacted(), key: url.key(kind), kind }
    }

    fn refused(&self, name: &str) -> Refused {
        Refused {
            publisher: self.publisher.clone(),
            publisher_key: self.key.clone(),
            kind: self.kind.as_str().to_owned(),
            name: cut(name, NAME_CHARACTERS),
        }
    }
}

impl RecordLetters {
    /// Keeps them in `store`, unless that keeps nothing.
    #[must_use]
    pub fn new(store: Arc<DeadLetters>, clock: Clock) -> Self {
        Self(store.keeps().then_some(Kept { store, clock }))
    }

    /// Makes the refused ones of `groups` durable. An error says that none is certain to be there.
    pub(crate) async fn keep(
        &self,
        origin: &Origin,
        refusals: &Refusals,
        groups: &[Records],
        attempts: u64,
    ) -> Result<RefusedCount, String> {
        let time = self.0.as_ref().map(|kept| kept.clock.now()).unwrap_or_default();
        let mut letters: BTreeMap<(usize, usize), (&'static str, Letter)> = BTreeMap::new();
        for refusal in refusals {
            let place = (refusal.group, refusal.record);
            let Some(record) = groups.get(refusal.group).and_then(|group| Record::at(group, refusal.record))
            else {
                tracing::error!(publisher = %origin.publisher, ?place, "refused is what was not offered: {}", refusal.reason);
                continue;
            };
            letters.entry(place).or_insert_with(|| {
                let letter = Letter {
                    time,
                    cause: refusal.cause.to_owned(),
                    message: cut(&refusal.reason, REASON_CHARACTERS),
                    attempts,
                    ..record.letter(origin)
                };
                (refusal.cause, letter)
            });
        }
        let mut by_cause: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (cause, _) in letters.values() {
            *by_cause.entry(cause).or_default() += 1;
        }
        let letters: Vec<Letter> = letters.into_values().map(|(_, letter)| letter).collect();
        let total = letters.len() as u64;
        // The peer's number is no more to be trusted than its words.
        let offered = groups.iter().map(Records::len).sum::<usize>() as u64;
        let mut unnamed = 0;
        for refused in refusals.unnamed() {
            let records = refused.records.min(offered.saturating_sub(total + unnamed));
            unnamed += records;
            *by_cause.entry(refused.cause).or_default() += records;
            tracing::warn!(
                publisher = %origin.publisher, kind = %origin.kind, records, cause = refused.cause,
                "records are refused and lost, because the answer does not say which: {}", refused.reason
            );
        }
        let by_cause: Vec<_> = by_cause.into_iter().collect();
        if let Some(letter) = letters.first() {
            tracing::warn!(
                publisher = %origin.publisher, kind = %origin.kind, records = total, cause = letter.cause,
                "records are refused for good: {}", letter.message
            );
        }
        let Some(Kept { store, .. }) = &self.0 else {
            return Ok(RefusedCount { off: total, unnamed, by_cause, ..RefusedCount::default() });
        };
        if letters.is_empty() {
            return Ok(RefusedCount { unnamed, by_cause, ..RefusedCount::default() });
        }
        let (writing, directory) = (Arc::clone(store), store.directory().display());
        let written = tokio::task::spawn_blocking(move || writing.write(&letters)).await;
        let failed = |error: &dyn std::fmt::Display| {
            format!("records are refused, and their dead letters cannot be written: {error}")
        };
        let Written { left_out, .. } =
            written.map_err(|stopped| failed(&stopped))?.map_err(|error| failed(&error))?;
        let lost = left_out.len() as u64;
        if lost > 0 {
            tracing::error!(
                publisher = %origin.publisher, %directory, lost,
                "the dead letters are full, and records that are refused are lost: look at them with `nephoscope \
                 dead-letter list`, and drop or replay them"
            );
        }
        Ok(RefusedCount { kept: total.saturating_sub(lost), lost, off: 0, unnamed, by_cause })
    }
}

/// The record of a letter that has [`Letter::refused`].
///
/// # Errors
/// [`DecodeError`] when the body is no such record.
pub fn record_of(refused: &Refused, body: &[u8]) -> Result<Records, DecodeError> {
    if refused.kind == RecordsKind::Events.as_str() {
        codec::read_event(body).map(|event| Records::Events(vec![Arc::new(event)]))
    } else {
        codec::read_sample(body).map(|sample| Records::Samples(vec![Arc::new(sample)]))
    }
}

enum Record<'r> {
    Sample(&'r model::Sample),
    Event(&'r model::Event),
}

impl<'r> Record<'r> {
    fn at(group: &'r Records, place: usize) -> Option<Self> {
        match group {
            Records::Samples(samples) => samples.get(place).map(|sample| Self::Sample(sample)),
            Records::Events(events) => events.get(place).map(|event| Self::Event(event)),
        }
    }

    fn letter(&self, origin: &Origin) -> Letter {
        let mut body = Vec::new();
        match self {
            Self::Sample(sample) => {
                codec::write_sample(sample, &mut body);
                Letter {
                    message_id: Some(sample.id.with_text(|id| cut(id, NAME_CHARACTERS))),
                    refused: Some(origin.refused(&sample.name)),
                    body,
                    ..Letter::default()
                }
            }
            Self::Event(event) => {
                codec::write_event(event, &mut body);
                Letter {
                    message_id: Some(cut(&pytext::to_str(&event.message_id), NAME_CHARACTERS)),
                    event_type: Some(cut(&event.event_type, NAME_CHARACTERS)),
                    refused: Some(origin.refused(&event.event_type)),
                    body,
                    ..Letter::default()
                }
            }
        }
    }
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
