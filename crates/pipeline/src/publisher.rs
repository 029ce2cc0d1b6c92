//! [`Publisher`]: what accepts records at the end of a pipeline.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use model::{Event, Sample};
use sha2::{Digest as _, Sha256};

use crate::DeliveryToken;

/// Bytes of a publisher's key that a person can read.
const READABLE_BYTES: usize = 40;
/// Bytes of the hash in a publisher's key.
const HASH_BYTES: usize = 8;

/// Records of one kind, in the order in which they were made.
#[derive(Debug, Clone)]
pub enum Records {
    /// Samples, for the publishers of a meter pipeline.
    Samples(Vec<Arc<Sample>>),
    /// Events, for the publishers of an event pipeline.
    Events(Vec<Arc<Event>>),
}

/// The two kinds of pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordsKind {
    /// `pipeline.yaml`.
    Samples,
    /// `event_pipeline.yaml`.
    Events,
}

impl RecordsKind {
    /// The name in logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for RecordsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Records {
    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Samples(samples) => samples.len(),
            Self::Events(events) => events.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves them out: none of the kind are left.
    pub(crate) fn take(&mut self) -> Self {
        match self {
            Self::Samples(samples) => Self::Samples(std::mem::take(samples)),
            Self::Events(events) => Self::Events(std::mem::take(events)),
        }
    }

    /// Roughly how much memory they take, in bytes; what queues are bounded by.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        match self {
            Self::Samples(samples) => samples.iter().map(|sample| sample.approximate_bytes()).sum(),
            Self::Events(events) => events.iter().map(|event| event.approximate_bytes()).sum(),
        }
    }

    /// Which kind they are.
    #[must_use]
    pub const fn kind(&self) -> RecordsKind {
        match self {
            Self::Samples(_) => RecordsKind::Samples,
            Self::Events(_) => RecordsKind::Events,
        }
    }
}

/// Records on their way to one publisher, with the share that answers for them.
#[derive(Debug)]
pub struct Batch {
    /// The records.
    pub records: Records,
    /// To be accepted when the publisher has accepted the records.
    pub token: DeliveryToken,
}

/// Why a publisher did not accept records. Nothing is lost: they are offered again.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PublishError {
    /// A short name for the metric label, for example `no_space`.
    pub cause: &'static str,
    /// What happened, with the values that matter.
    pub message: String,
}

/// A record that the publisher's peer refuses however often it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The place of its group in what was offered.
    pub group: usize,
    /// Its place in the group.
    pub record: usize,
    /// A short name for the metric label and the dead letter, for example `bad_request`.
    pub cause: &'static str,
    /// What the peer said, with the values that matter.
    pub reason: String,
}

/// Records that the peer has refused without saying which: some of those that went together. No letter can be made of
/// them; they are counted as dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// How many.
    pub records: u64,
    /// A short name for the metric label, for example `partial_success`.
    pub cause: &'static str,
    /// What the peer said, with the values that matter.
    pub reason: String,
}

/// The records of a call that are refused for good, while all others are accepted; by default none.
///
/// They become dead letters before anything is acknowledged, but for those that the peer did not name. A record that might
/// be taken another time does not belong here: that is a [`PublishError`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    named: Vec<Refusal>,
    unnamed: Vec<Unnamed>,
}

impl Refusals {
    /// Adds one. A second one for the same record is ignored later on.
    pub fn push(&mut self, refusal: Refusal) {
        self.named.push(refusal);
    }

    /// Adds records that the peer did not name.
    pub fn push_unnamed(&mut self, unnamed: Unnamed) {
        if unnamed.records > 0 {
            self.unnamed.push(unnamed);
        }
    }

    /// Adds those of another part of the call.
    pub fn append(&mut self, mut others: Self) {
        self.named.append(&mut others.named);
        self.unnamed.append(&mut others.unnamed);
    }

    /// How many are named.
    #[must_use]
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// Whether every record was accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.unnamed.is_empty()
    }

    /// Each that is named, in turn.
    pub fn iter(&self) -> std::slice::Iter<'_, Refusal> {
        self.named.iter()
    }

    /// What the peer did not name, answer by answer.
    #[must_use]
    pub fn unnamed(&self) -> &[Unnamed] {
        &self.unnamed
    }
}

impl<'r> IntoIterator for &'r Refusals {
    type Item = &'r Refusal;
    type IntoIter = std::slice::Iter<'r, Refusal>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Refusal> for Refusals {
    fn from_iter<I: IntoIterator<Item = Refusal>>(refusals: I) -> Self {
        Self { named: refusals.into_iter().collect(), unnamed: Vec::new() }
    }
}

/// Why a publisher cannot be made from its URL.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The URL is wrong, and will be however often it is tried.
    #[error("{message}; {hint}")]
    Configuration {
        /// What is wrong with which part.
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// Something that the publisher needs is not there now.
    #[error("{message}")]
    Unavailable {
        /// What is missing.
        message: String,
    },
}

/// The future that [`Publisher::publish`] returns.
pub type Publishing<'a> = Pin<Box<dyn Future<Output = Result<Refusals, PublishError>> + Send + 'a>>;

/// The future that [`Publisher::prepare`] and [`Publisher::go_on`] return.
pub type Preparing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Accepts records.
///
/// `Ok` means *accepted* in the sense that each publisher documents (file: written and synced), but for the records
/// that are refused for good: `Ok(Refusals::default())` when there are none. After an error the same records are offered again, perhaps with further ones behind them; a publisher that
/// can undo a partial attempt does so, others may deliver some records twice.
pub trait Publisher: fmt::Debug + Send {
    /// Delivers `groups`, in order.
    fn publish(&mut self, groups: Arc<[Records]>) -> Publishing<'_>;

    /// Gets ready before there are records, for those who have something to do then, such as to listen. What fails is
    /// tried again with the first records.
    fn prepare(&mut self) -> Preparing<'_> {
        Box::pin(std::future::ready(()))
    }

    /// Whether it has records that it accepted and has put off. Then [`go_on`](Self::go_on) is called from time to time
    /// while no others come, and once at the end.
    fn holds_back(&self) -> bool {
        false
    }

    /// Tries to deliver what it has put off.
    fn go_on(&mut self) -> Preparing<'_> {
        Box::pin(std::future::ready(()))
    }

    /// How long records wait for others to be published with them, where that is not as long as
    /// [`WorkerLimits::linger`](crate::WorkerLimits::linger): longer if a call costs the peer much.
    fn linger(&self) -> Option<Duration> {
        None
    }
}

/// A publisher's URL, as written under `publishers:` of a sink.
///
/// Ceilometer appends `://` to a bare name, takes the scheme as the plugin's name and parses the query
/// as form data.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublisherUrl {
    text: String,
    scheme_end: usize,
}

impl PublisherUrl {
    /// Reads the text of a `publishers:` entry.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = if text.contains("://") { text.to_owned() } else { format!("{text}://") };
        let scheme_end = text.find("://").unwrap_or(text.len());
        Self { text, scheme_end }
    }

    /// The plugin's name: what stands before `://`, in lower case as `urlsplit` gives it.
    #[must_use]
    pub fn scheme(&self) -> String {
        self.text[..self.scheme_end].to_ascii_lowercase()
    }

    /// What stands between `://` and the first `/`, `?` or `#`.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.rest();
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }

    /// The path, not decoded, from its first `/`; empty when there is none.
    #[must_use]
    pub fn path(&self) -> &str {
        let rest = self.rest();
        let path = rest.get(self.authority().len()..).unwrap_or_default();
        path.split(['?', '#']).next().unwrap_or_default()
    }

    /// The query's names and values in order, form-decoded. A name without `=` has an empty value.
    #[must_use]
    pub fn query(&self) -> Vec<(String, String)> {
        let rest = self.rest();
        let before_fragment = rest.split('#').next().unwrap_or_default();
        let Some((_, query)) = before_fragment.split_once('?') else { return Vec::new() };
        query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                (form_decode(name), form_decode(value))
            })
            .collect()
    }

    /// The URL with user, password and option values hidden, for logs and metric labels.
    #[must_use]
    pub fn redacted(&self) -> String {
        let authority = self.authority();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let hidden = if host.len() == authority.len() { "" } else { "***@" };
        format!("{}://{hidden}{host}{}", self.scheme(), self.path())
    }

    /// A name for this publisher of records of `kind` that stays while its URL does: what a person can read of it, and a
    /// hash of its kind and URL. The URL's user and password count for neither, so that they can change; no secret can be
    /// read from it.
    #[must_use]
    pub fn key(&self, kind: RecordsKind) -> String {
        let identity = self.identity();
        let mut hash = Sha256::new();
        hash.update(kind.as_str());
        hash.update([0]);
        hash.update(&identity);
        let mut readable: String = identity
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .chars()
            .map(
                |character| {
                    if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' }
                },
            )
            .collect();
        readable.truncate(READABLE_BYTES);
        let mut name = format!("{kind}-{}-", readable.trim_end_matches('-'));
        for byte in hash.finalize().iter().take(HASH_BYTES) {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// What tells this publisher from others: the URL without user and password, which may change.
    #[must_use]
    pub(crate) fn identity(&self) -> String {
        let rest = self.rest();
        let authority = self.authority();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{}://{host}{}", self.scheme(), rest.get(authority.len()..).unwrap_or_default())
    }

    fn rest(&self) -> &str {
        self.text.get(self.scheme_end + 3..).unwrap_or_default()
    }
}

impl fmt::Debug for PublisherUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublisherUrl({})", self.redacted())
    }
}

/// Decodes `+` and `%XX` as `urllib.parse.parse_qs` does; what is not valid stays as it is.
fn form_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let hex = (byte == b'%')
            .then(|| bytes.get(place + 1..place + 3))
            .flatten()
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (byte, hex) {
            (_, Some(value)) => {
                decoded.push(value);
                place += 3;
            }
            (b'+', None) => {
                decoded.push(b' ');
                place += 1;
            }
            (other, None) => {
                decoded.push(other);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publishers_url_is_read_as_ceilometer_reads_it() {
        for (text, scheme, authority, path, query) in [
            ("gnocchi", "gnocchi", "", "", vec![]),
            ("gnocchi://?archive_policy=low", "gnocchi", "", "", vec![("archive_policy", "low")]),
            ("file:///var/log/a.json?json", "file", "", "/var/log/a.json", vec![("json", "")]),
            (
                "UDP://10.0.0.1:4952/x?a=1&a=2&b=%41+c%zz",
                "udp",
                "10.0.0.1:4952",
                "/x",
                vec![("a", "1"), ("a", "2"), ("b", "A c%zz")],
            ),
        ] {
            let url = PublisherUrl::new(text);
            let seen = url.query();
            let seen: Vec<_> = seen.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(
                (url.scheme().as_str(), url.authority(), url.path(), seen),
                (scheme, authority, path, query)
            );
        }
    }

    #[test]
    fn logs_do_not_show_a_publishers_password() {
        let url = PublisherUrl::new("notifier://user:pass@rabbit:5672/vhost?topic=x");
        assert_eq!(format!("{url:?}"), "PublisherUrl(notifier://***@rabbit:5672/vhost)");
    }
}
