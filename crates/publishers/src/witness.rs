//! [`Witness`]: who looks at what a publisher exchanges with its peer.
//!
//! `nephoscope publish-test` looks; the agents do not. What a publisher tells a witness holds no secret: passwords, the
//! values of a URL's query and what authenticates a request are left out where it is told.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes the lines that a publisher tells.
type Listener = dyn Fn(&str) + Send + Sync;

/// Whoever looks, or nobody.
#[derive(Clone, Default)]
pub struct Witness(Option<Arc<Seen<Listener>>>);

struct Seen<F: ?Sized> {
    has_left_out: AtomicBool,
    listener: F,
}

impl Witness {
    /// Nobody looks.
    #[must_use]
    pub const fn nobody() -> Self {
        Self(None)
    }

    /// `listener` gets each line.
    pub fn new(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Seen { has_left_out: AtomicBool::new(false), listener })))
    }

    /// Tells a line; it is made only if somebody looks.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(seen) = &self.0 {
            (seen.listener)(&line());
        }
    }

    /// Tells of a record that is accepted although its peer gets nothing of it.
    pub fn tell_left_out(&self, line: impl FnOnce() -> String) {
        if let Some(seen) = &self.0 {
            seen.has_left_out.store(true, Ordering::Relaxed);
        }
        self.tell(line);
    }

    /// Whether the peer of a publisher got nothing of a record.
    #[must_use]
    pub fn has_left_out(&self) -> bool {
        self.0.as_ref().is_some_and(|seen| seen.has_left_out.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Witness" } else { "nobody" })
    }
}

/// A body for a person: text as it is, anything else as the number of its bytes, long ones cut.
pub(crate) fn body_text(body: &[u8]) -> String {
    /// Bytes of a body that are shown.
    const SHOWN: usize = 16 * 1024;
    let shown = body.get(..SHOWN).unwrap_or(body);
    let more = body.len() - shown.len();
    // A cut in the middle of a character shows as one replaced character.
    let text = String::from_utf8_lossy(shown);
    if more > 0 { format!("{text}… and {more} bytes more") } else { text.into_owned() }
}
