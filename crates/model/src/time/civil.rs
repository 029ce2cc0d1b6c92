//! The fields of a time on the Gregorian calendar, and their text.

use jiff::civil::DateTime;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Years that the calendar repeats after, and their days.
const CYCLE_YEARS: i64 = 400;
const CYCLE_DAYS: i64 = 146_097;
/// Days from March of the year 0 to 1970-01-01. A year that begins in March has its leap day at its end.
const MARCH: i64 = 719_468;

/// A time of the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: u32,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) microsecond: u32,
}

impl Civil {
    /// The time so many microseconds after 1970-01-01T00:00:00.
    pub(super) fn of(microseconds: i64) -> Self {
        let (days, rest) = (microseconds.div_euclid(DAY), microseconds.rem_euclid(DAY));
        let (cycle, day) = ((days + MARCH).div_euclid(CYCLE_DAYS), (days + MARCH).rem_euclid(CYCLE_DAYS));
        // Every fourth year has a day more, but not every hundredth, and again the last one.
        let year = (day - day / 1_460 + day / 36_524 - day / (CYCLE_DAYS - 1)) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        // From March on, five months have 153 days, again and again.
        let month = (5 * day + 2) / 153;
        let field = |number: i64| u32::try_from(number).unwrap_or(0);
        let (second, microsecond) = (field(rest / SECOND), field(rest % SECOND));
        Self {
            year: field(cycle * CYCLE_YEARS + year + i64::from(month >= 10)),
            month: field(if month < 10 { month + 3 } else { month - 9 }),
            day: field(day - (153 * month + 2) / 5 + 1),
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
            microsecond,
        }
    }

    /// Appends `2026-07-21T13:56:12.123456` with a separator for the `T`; no fraction when it is zero.
    pub(super) fn write(self, separator: u8, out: &mut Vec<u8>) {
        let [y, e, a, r] = four_digits(self.year);
        let [month, day, hour, minute, second] =
            [self.month, self.day, self.hour, self.minute, self.second].map(two_digits);
        let text = [
            y, e, a, r, b'-', month[0], month[1], b'-', day[0], day[1], separator, hour[0], hour[1], b':',
            minute[0], minute[1], b':', second[0], second[1],
        ];
        out.extend_from_slice(&text);
        if self.microsecond > 0 {
            out.push(b'.');
            out.extend_from_slice(&two_digits(self.microsecond / 10_000));
            out.extend_from_slice(&four_digits(self.microsecond % 10_000));
        }
    }
}

impl From<DateTime> for Civil {
    fn from(time: DateTime) -> Self {
        let field = |number: i8| u32::try_from(number).unwrap_or(0);
        Self {
            year: u32::try_from(time.year()).unwrap_or(0),
            month: field(time.month()),
            day: field(time.day()),
            hour: field(time.hour()),
            minute: field(time.minute()),
            second: field(time.second()),
            microsecond: u32::try_from(time.subsec_nanosecond() / 1_000).unwrap_or(0),
        }
    }
}

/// The digits of a number below 100.
pub(super) fn two_digits(number: u32) -> [u8; 2] {
    let digit = |digit: u32| b'0' + u8::try_from(digit % 10).unwrap_or(0);
    [digit(number / 10), digit(number)]
}

/// The digits of a number below 10 000.
fn four_digits(number: u32) -> [u8; 4] {
    let ([a, b], [c, d]) = (two_digits(number / 100), two_digits(number % 100));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::super::{EPOCH, MICROSECONDS};
    use super::*;

    fn check(microseconds: i64) {
        let expected = EPOCH.checked_add(SignedDuration::from_micros(microseconds)).unwrap();
        assert_eq!(Civil::of(microseconds), Civil::from(expected));
        let mut text = Vec::new();
        Civil::of(microseconds).write(b'T', &mut text);
        // A zero fraction has no digits there either, and another one no more than it needs.
        let text = String::from_utf8(text).unwrap();
        let own = text.split_once('.').map_or(text.as_str(), |_| text.trim_end_matches('0'));
        assert_eq!(own, expected.to_string());
    }

    #[test]
    fn every_day_is_that_of_another_calendar() {
        let (first, last) = (MICROSECONDS.start().div_euclid(DAY), MICROSECONDS.end().div_euclid(DAY));
        // All of one cycle of the calendar, and days of all others.
        for day in (0..CYCLE_DAYS).chain((first..=last).step_by(29)) {
            check(day * DAY);
        }
        check(*MICROSECONDS.start());
        check(*MICROSECONDS.end());
    }

    proptest! {
        #[test]
        fn every_time_is_that_of_another_calendar(microseconds in MICROSECONDS) {
            check(microseconds);
        }
    }
}
