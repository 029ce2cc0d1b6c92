//! How many lines pass: for each call site, and overall.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::{Level, Metadata};

use super::options::{CallSiteLimit, OverallLimit};
use super::record::level_number;
use crate::clock::MonotonicTime;

/// Call sites (times components) that are watched at once. Past it, those whose window is over are forgotten; if none
/// is, a new one shares one count with all others that found no place.
const MAX_SITES: usize = 4_096;
/// So much of a suppressed message is repeated in the summary.
const MAX_SAMPLE_BYTES: usize = 160;

/// Tells call sites apart, and components at one call site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum SiteKey {
    /// A `tracing` macro.
    Site(Identifier, u64),
    /// A line of the `log` crate, which has one call site for all, by module and line.
    Bridged(u64),
    /// Everything that found no place.
    Overflow,
}

impl SiteKey {
    /// The key of an event with the metadata of its real place; `component` is the value of the field of that name.
    pub(super) fn new(
        callsite: Identifier,
        metadata: &Metadata<'_>,
        bridged: bool,
        component: Option<&str>,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        component.hash(&mut hasher);
        if bridged {
            (metadata.target(), metadata.file(), metadata.line(), metadata.level()).hash(&mut hasher);
            Self::Bridged(hasher.finish())
        } else {
            Self::Site(callsite, hasher.finish())
        }
    }
}

/// What was suppressed at one call site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) target: String,
    pub(super) level: Level,
    pub(super) suppressed: u64,
    pub(super) window: Duration,
    /// The beginning of one of the messages.
    pub(super) sample: String,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written, after the summary of the call site's last window, if there is one.
    Pass(Option<Summary>),
    /// It is counted; if it is the first of its window, somebody must see to the summary.
    Suppress { first: bool },
}

/// The counts of all call sites.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: CallSiteLimit,
    sites: HashMap<SiteKey, Site>,
}

#[derive(Debug)]
struct Site {
    target: String,
    level: Level,
    began: MonotonicTime,
    passed: u32,
    suppressed: u64,
    sample: String,
}

impl Limiter {
    pub(super) fn new(limit: CallSiteLimit) -> Self {
        Self { limit, sites: HashMap::new() }
    }

    /// Counts one line.
    pub(super) fn admit(&mut self, key: SiteKey, metadata: &Metadata<'_>, now: MonotonicTime) -> Verdict {
        let key = self.place(key, now);
        let limit = self.limit;
        let site = self.sites.entry(key).or_insert_with(|| Site {
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            began: now,
            passed: 0,
            suppressed: 0,
            sample: String::new(),
        });
        let summary =
            if now.since(site.began) >= limit.window { site.renew(now, limit.window) } else { None };
        if site.passed < limit.burst.max(1) {
            site.passed += 1;
            return Verdict::Pass(summary);
        }
        site.suppressed += 1;
        Verdict::Suppress { first: site.suppressed == 1 }
    }

    /// Remembers what the lines of a call site say, for its summary.
    pub(super) fn sample(&mut self, key: &SiteKey, message: &str) {
        if let Some(site) = self.sites.get_mut(key)
            && site.sample.is_empty()
        {
            site.sample.push_str(&message[..message.floor_char_boundary(MAX_SAMPLE_BYTES)]);
        }
    }

    /// The summaries of the windows that are over, or of all.
    pub(super) fn take_summaries(&mut self, now: MonotonicTime, all: bool) -> Vec<Summary> {
        let window = self.limit.window;
        let due = self.sites.values_mut().filter(|site| all || now.since(site.began) >= window);
        due.filter_map(|site| site.renew(now, window)).collect()
    }

    /// Whether a summary is still to come.
    pub(super) fn owes_summaries(&self) -> bool {
        self.sites.values().any(|site| site.suppressed > 0)
    }

    fn place(&mut self, key: SiteKey, now: MonotonicTime) -> SiteKey {
        if self.sites.len() < MAX_SITES || self.sites.contains_key(&key) {
            return key;
        }
        let window = self.limit.window;
        self.sites.retain(|_, site| site.suppressed > 0 || now.since(site.began) < window);
        if self.sites.len() < MAX_SITES { key } else { SiteKey::Overflow }
    }
}

impl Site {
    fn renew(&mut self, now: MonotonicTime, window: Duration) -> Option<Summary> {
        let suppressed = std::mem::take(&mut self.suppressed);
        self.began = now;
        self.passed = 0;
        let sample = std::mem::take(&mut self.sample);
        let (target, level) = (self.target.clone(), self.level);
        (suppressed > 0).then_some(Summary { target, level, suppressed, window, sample })
    }
}

/// oslo.log's limit over all lines of the process.
#[derive(Debug)]
pub(super) struct OverallLimiter {
    limit: OverallLimit,
    except_number: u8,
    began: Option<MonotonicTime>,
    count: u64,
}

/// What becomes of a line under the overall limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OverallVerdict {
    /// It is written.
    Pass,
    /// It is the first that is dropped in this interval; oslo.log says so once.
    DropAndSay,
    /// It is dropped.
    Drop,
}

impl OverallLimiter {
    /// `None` when the limit limits nothing.
    pub(super) fn new(limit: &OverallLimit) -> Option<Self> {
        let except_number = match limit.except_level.to_ascii_uppercase().as_str() {
            "DEBUG" => 10,
            "INFO" => 20,
            "WARNING" | "WARN" => 30,
            "ERROR" => 40,
            // CRITICAL: nothing here is that high.
            _ => 50,
        };
        let active = limit.burst >= 1 && limit.interval >= Duration::from_secs(1);
        active.then(|| Self { limit: limit.clone(), except_number, began: None, count: 0 })
    }

    pub(super) fn admit(&mut self, level: Level, now: MonotonicTime) -> OverallVerdict {
        if level_number(level) >= self.except_number {
            return OverallVerdict::Pass;
        }
        if self.began.is_none_or(|began| now.since(began) >= self.limit.interval) {
            self.began = Some(now);
            self.count = 0;
        }
        self.count += 1;
        if self.count <= self.limit.burst {
            OverallVerdict::Pass
        } else if self.count == self.limit.burst + 1 {
            OverallVerdict::DropAndSay
        } else {
            OverallVerdict::Drop
        }
    }

    pub(super) fn limit(&self) -> &OverallLimit {
        &self.limit
    }
}
