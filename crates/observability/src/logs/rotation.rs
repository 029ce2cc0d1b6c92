//! When an interval rotation is due, and what the file that is put aside is called. The times and names are those of
//! Python's `TimedRotatingFileHandler`.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};

use super::options::RotationInterval;

const DAY: Duration = Duration::from_hours(24);

/// The first rotation after `since`.
pub(super) fn next_due(interval: RotationInterval, since: Timestamp, zone: &TimeZone) -> Timestamp {
    let after = |length: Duration| since.saturating_add(length).unwrap_or(Timestamp::MAX);
    if let Some(length) = fixed_length(interval) {
        return after(length);
    }
    let weekday = match interval {
        RotationInterval::Weekday(day) => Some(day % 7),
        _ => None,
    };
    let mut midnight = since.to_zoned_datetime(zone.clone());
    // Seven midnights ahead at the most.
    for _ in 0..=7 {
        let Some(next) = next_midnight(&midnight) else { break };
        let ended = midnight.weekday().to_monday_zero_offset();
        midnight = next;
        if weekday.is_none_or(|day| i16::from(ended) == i16::from(day)) {
            return midnight.timestamp();
        }
    }
    after(DAY)
}

fn next_midnight(from: &ZonedDateTime) -> Option<ZonedDateTime> {
    from.tomorrow().ok()?.start_of_day().ok()
}

/// What follows the file's name and a dot: the local time at which the interval that ended at `due` began.
pub(super) fn suffix(interval: RotationInterval, due: Timestamp, zone: &TimeZone) -> String {
    let due = due.to_zoned_datetime(zone.clone());
    let began = match interval {
        // In days of the calendar: the night of a clock change has 23 or 25 hours.
        RotationInterval::Midnight => due.saturating_sub(Span::new().days(1)),
        RotationInterval::Weekday(_) => due.saturating_sub(Span::new().days(7)),
        other => due.saturating_sub(fixed_length(other).unwrap_or(DAY)),
    };
    began.strftime(pattern(interval)).to_string()
}

/// Whether `text` has the form of such a suffix.
pub(super) fn is_suffix(interval: RotationInterval, text: &str) -> bool {
    let shape =
        Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC).strftime(pattern(interval)).to_string();
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(found, model)| {
            if model.is_ascii_digit() { found.is_ascii_digit() } else { found == model }
        })
}

fn fixed_length(interval: RotationInterval) -> Option<Duration> {
    let (count, unit) = match interval {
        RotationInterval::Seconds(count) => (count, Duration::from_secs(1)),
        RotationInterval::Minutes(count) => (count, Duration::from_mins(1)),
        RotationInterval::Hours(count) => (count, Duration::from_hours(1)),
        RotationInterval::Days(count) => (count, DAY),
        RotationInterval::Weekday(_) | RotationInterval::Midnight => return None,
    };
    Some(unit.saturating_mul(count.max(1)))
}

fn pattern(interval: RotationInterval) -> &'static str {
    match interval {
        RotationInterval::Seconds(_) => "%Y-%m-%d_%H-%M-%S",
        RotationInterval::Minutes(_) => "%Y-%m-%d_%H-%M",
        RotationInterval::Hours(_) => "%Y-%m-%d_%H",
        RotationInterval::Days(_) | RotationInterval::Weekday(_) | RotationInterval::Midnight => "%Y-%m-%d",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values were printed by Python 3.11's `TimedRotatingFileHandler` with `TZ` set to the zone, but for
    /// the two nights in which the clocks change: there Python is an hour off.
    #[test]
    fn times_and_names_are_pythons() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 2026-11-24 is a Tuesday.
        for (interval, since, due, name) in [
            (
                RotationInterval::Seconds(90),
                "2026-11-24T12:00:00Z",
                "2026-11-24T12:01:30Z",
                "2026-11-24_13-00-00",
            ),
            (
                RotationInterval::Minutes(5),
                "2026-11-24T12:00:00Z",
                "2026-11-24T12:05:00Z",
                "2026-11-24_13-00",
            ),
            (RotationInterval::Hours(1), "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z", "2026-11-24_13"),
            (RotationInterval::Days(1), "2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z", "2026-11-24"),
            (RotationInterval::Midnight, "2026-11-24T12:00:00Z", "2026-11-24T23:00:00Z", "2026-11-24"),
            (RotationInterval::Weekday(1), "2026-11-24T12:00:00Z", "2026-11-24T23:00:00Z", "2026-11-18"),
            (RotationInterval::Weekday(0), "2026-11-24T12:00:00Z", "2026-11-30T23:00:00Z", "2026-11-24"),
            (RotationInterval::Weekday(6), "2026-11-24T12:00:00Z", "2026-11-29T23:00:00Z", "2026-11-23"),
            (RotationInterval::Midnight, "2026-10-25T00:00:00Z", "2026-10-25T23:00:00Z", "2026-10-25"),
            (RotationInterval::Midnight, "2026-03-29T00:00:00Z", "2026-03-29T22:00:00Z", "2026-03-29"),
        ] {
            let found = next_due(interval, since.parse().unwrap(), &berlin);
            assert_eq!(found, due.parse().unwrap(), "{interval:?} {since}");
            let shown = suffix(interval, found, &berlin);
            assert_eq!(shown, name, "{interval:?}");
            assert!(is_suffix(interval, &shown));
        }
    }

    #[test]
    fn other_names_are_not_taken_for_ours() {
        for text in ["1", "2026-11-2x", "2026-11-24.gz", "2026_11_24", ""] {
            assert!(!is_suffix(RotationInterval::Midnight, text), "{text}");
        }
    }
}
