//! From `tracing`'s events to records, past the limits, to the destinations.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::levels::name_of_target;
use super::limit::{Limiter, OverallLimiter, OverallVerdict, SiteKey, Summary, Verdict};
use super::options::LogOptions;
use super::record::{Fields, Record};
use super::sink::{Formats, Sinks};
use super::{LineLoss, LogError, LogMetrics};
use crate::clock::Clock;

/// How long the thread that writes summaries sleeps when none is due.
const IDLE: Duration = Duration::from_mins(1);

/// Everything behind the layer; the handle shares it.
pub(super) struct Output {
    clock: Clock,
    time_zone: TimeZone,
    metrics: LogMetrics,
    formats: Formats,
    file: Option<PathBuf>,
    window: Option<Duration>,
    limits: Mutex<Limits>,
    sinks: Mutex<Sinks>,
    flusher: Mutex<Flusher>,
    wake: Condvar,
}

#[derive(Debug)]
struct Limits {
    sites: Option<Limiter>,
    overall: Option<OverallLimiter>,
}

#[derive(Debug, Default)]
struct Flusher {
    owed: bool,
    closed: bool,
}

impl Output {
    pub(super) fn open(options: &LogOptions, clock: &Clock, metrics: LogMetrics) -> Result<Self, LogError> {
        let overall = options.overall_limit.as_ref().and_then(OverallLimiter::new);
        Ok(Self {
            clock: clock.clone(),
            time_zone: options.time_zone.clone(),
            metrics,
            formats: Formats::compile(options)?,
            file: options.file.clone(),
            window: options.call_site_limit.map(|limit| limit.window),
            limits: Mutex::new(Limits { sites: options.call_site_limit.map(Limiter::new), overall }),
            sinks: Mutex::new(Sinks::open(options, clock)?),
            flusher: Mutex::default(),
            wake: Condvar::new(),
        })
    }

    pub(super) fn complain_about_fallback(&self) {
        let fallback = lock(&self.sinks).fallback.take();
        if let Some(reason) = fallback {
            tracing::warn!(reason, "cannot log to the journal; lines go to stderr");
        }
    }

    pub(super) fn reopen(&self) -> Result<(), LogError> {
        lock(&self.sinks)
            .reopen(&self.clock)
            .map_err(|source| LogError::File { path: self.file.clone().unwrap_or_default(), source })
    }

    /// Writes the summaries that are due, or all.
    pub(super) fn flush_summaries(&self, all: bool) {
        let now = self.clock.monotonic();
        let summaries = lock(&self.limits).sites.as_mut().map(|sites| sites.take_summaries(now, all));
        for summary in summaries.unwrap_or_default() {
            self.write_summary(&summary);
        }
    }

    /// The body of the thread that writes summaries whose call site has fallen silent.
    pub(super) fn flush_until_closed(&self) {
        let Some(window) = self.window else { return };
        loop {
            let flusher = lock(&self.flusher);
            if flusher.closed {
                return;
            }
            let patience = if flusher.owed { window } else { IDLE };
            let waited = self.wake.wait_timeout(flusher, patience);
            let (mut flusher, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if flusher.closed {
                return;
            }
            if flusher.owed && timeout.timed_out() {
                flusher.owed = false;
                drop(flusher);
                self.flush_summaries(false);
                let still_owed = lock(&self.limits).sites.as_ref().is_some_and(Limiter::owes_summaries);
                lock(&self.flusher).owed |= still_owed;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn metrics_lost(&self, cause: LineLoss) -> u64 {
        self.metrics.lost.get(cause)
    }

    pub(super) fn close(&self) {
        lock(&self.flusher).closed = true;
        self.wake.notify_all();
    }

    fn owe_summary(&self) {
        lock(&self.flusher).owed = true;
        self.wake.notify_all();
    }

    fn write_summary(&self, summary: &Summary) {
        let Summary { target, level, suppressed, window, sample } = summary;
        let seconds = window.as_secs();
        let message = format!("suppressed {suppressed} similar lines in {seconds} s: {sample}");
        self.write_own(target, *level, message);
    }

    /// A line of our own that passes every limit.
    fn write_own(&self, target: &str, level: Level, message: String) {
        let time = self.clock.now();
        self.write(&Record {
            time,
            local: time.to_zoned_datetime(self.time_zone.clone()),
            level,
            name: name_of_target(target),
            file: None,
            line: None,
            message,
            fields: Vec::new(),
            request_id: None,
        });
    }

    fn write(&self, record: &Record) {
        self.metrics.lines.increment(record.line_level());
        lock(&self.sinks).write(record, &self.formats, |loss| self.metrics.lost.increment(loss));
    }

    /// Whether the line passes the limits; writes what the limits have to say.
    fn admit(&self, key: Option<&SiteKey>, metadata: &Metadata<'_>) -> bool {
        let now = self.clock.monotonic();
        let mut limits = lock(&self.limits);
        let mut summary = None;
        if let (Some(sites), Some(key)) = (&mut limits.sites, key) {
            match sites.admit(key.clone(), metadata, now) {
                Verdict::Pass(last) => summary = last,
                Verdict::Suppress { first } => {
                    drop(limits);
                    self.metrics.lost.increment(LineLoss::RateLimit);
                    if first {
                        self.owe_summary();
                    }
                    return false;
                }
            }
        }
        let overall = limits
            .overall
            .as_mut()
            .map(|overall| (overall.admit(*metadata.level(), now), overall.limit().clone()));
        drop(limits);
        if let Some(summary) = summary {
            self.write_summary(&summary);
        }
        match overall {
            None | Some((OverallVerdict::Pass, _)) => return true,
            Some((OverallVerdict::Drop, _)) => {}
            Some((OverallVerdict::DropAndSay, limit)) => {
                let (burst, seconds) = (limit.burst, limit.interval.as_secs());
                let message = format!("logging rate limit: lines are dropped after {burst} in {seconds} s");
                self.write_own(module_path!(), Level::ERROR, message);
            }
        }
        self.metrics.lost.increment(LineLoss::RateLimit);
        false
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Output").field("file", &self.file).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The layer that `tracing` calls.
#[derive(Debug)]
pub(super) struct LogLayer(Arc<Output>);

impl LogLayer {
    pub(super) fn new(output: Arc<Output>) -> Self {
        Self(output)
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &SpanRecord<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let output = &self.0;
        // Debug lines are for whoever asked for them: no limit, and no cost of one.
        let key = (*metadata.level() <= Level::INFO && output.window.is_some()).then(|| {
            let component = component(event);
            let callsite = event.metadata().callsite();
            SiteKey::new(callsite, metadata, normalized.is_some(), component.as_deref())
        });
        if !output.admit(key.as_ref(), metadata) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(scope) = context.event_scope(event) {
            // From the innermost span outwards, each before what is there already.
            for span in scope {
                if let Some(outer) = span.extensions().get::<Fields>() {
                    fields.prepend(outer);
                }
            }
        }
        if let Some(key) = &key
            && let Some(sites) = &mut lock(&output.limits).sites
        {
            sites.sample(key, &fields.message);
        }
        let time = output.clock.now();
        output.write(&Record::new(time, time.to_zoned_datetime(output.time_zone.clone()), metadata, fields));
    }
}

/// The value of the event's field `component`, if it has one.
fn component(event: &Event<'_>) -> Option<String> {
    struct Find(Option<String>);
    impl Visit for Find {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "component" {
                self.0 = Some(value.to_owned());
            }
        }
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "component" {
                self.0 = Some(format!("{value:?}"));
            }
        }
    }
    event.metadata().fields().field("component")?;
    let mut find = Find(None);
    event.record(&mut find);
    find.0
}
