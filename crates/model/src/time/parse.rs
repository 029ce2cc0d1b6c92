//! The grammar of the Python library `iso8601` 2.1, ambiguities included.

use jiff::civil::DateTime;

use super::{IsoTime, TimeError};

/// Significant digits that the library keeps of a fraction (Python's default decimal context).
const FRACTION_DIGITS: usize = 28;

/// The fields of a text, before their ranges are checked.
#[derive(Clone, Copy)]
struct Fields<'t> {
    year: u32,
    month: u32,
    day: u32,
    time: Clock<'t>,
}

#[derive(Clone, Copy, Default)]
struct Clock<'t> {
    hour: u32,
    minute: u32,
    second: u32,
    fraction: &'t [u8],
    offset_minutes: i32,
}

pub(super) fn parse(text: &str) -> Result<IsoTime, TimeError> {
    // A regular expression's `$` also stands before one last line feed.
    let text = text.strip_suffix('\n').unwrap_or(text).as_bytes();
    let fields = fields(text).ok_or(TimeError::Shape)?;
    let clock = fields.time;
    let small = |number: u32| i8::try_from(number).map_err(|_| TimeError::Range);
    let year = i16::try_from(fields.year).map_err(|_| TimeError::Range)?;
    let microsecond = microseconds(clock.fraction).ok_or(TimeError::Range)?;
    if year < 1 || clock.offset_minutes.abs() >= 24 * 60 {
        return Err(TimeError::Range);
    }
    let local = DateTime::new(
        year,
        small(fields.month)?,
        small(fields.day)?,
        small(clock.hour)?,
        small(clock.minute)?,
        small(clock.second)?,
        microsecond * 1000,
    )
    .map_err(|_| TimeError::Range)?;
    Ok(IsoTime { local, offset_seconds: clock.offset_minutes * 60 })
}

/// Takes exactly `count` digits.
fn digits(text: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = text.split_at_checked(count)?;
    let mut number = 0;
    for byte in head {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u32::from(byte - b'0');
    }
    Some((number, rest))
}

fn skip(text: &[u8], byte: u8) -> &[u8] {
    text.strip_prefix(&[byte]).unwrap_or(text)
}

fn fields(text: &[u8]) -> Option<Fields<'_>> {
    let (year, rest) = digits(text, 4)?;
    let date = |month, day, time| Some(Fields { year, month, day, time });
    if rest.is_empty() {
        return date(1, 1, Clock::default());
    }
    let (month_lengths, after_dash): (&[usize], _) = match rest.strip_prefix(b"-") {
        // Two digits are tried first, then one: 2026-123 is the 23rd of January.
        Some(rest) => (&[2, 1], rest),
        None => (&[2], rest),
    };
    let dashed = after_dash.len() < rest.len();
    for length in month_lengths {
        let Some((month, rest)) = digits(after_dash, *length) else { continue };
        if rest.is_empty() {
            // Without a dash, six digits are not year and month.
            if dashed {
                return date(month, 1, Clock::default());
            }
            continue;
        }
        let days = match rest.strip_prefix(b"-") {
            Some(rest) => [digits(rest, 2), digits(rest, 1)],
            None => [digits(rest, 2), None],
        };
        for (day, rest) in days.into_iter().flatten() {
            if rest.is_empty() {
                return date(month, day, Clock::default());
            }
            if let [b' ' | b'T', rest @ ..] = rest
                && let Some(clock) = clock(rest)
            {
                return date(month, day, clock);
            }
        }
    }
    None
}

fn clock(text: &[u8]) -> Option<Clock<'_>> {
    let (hour, rest) = digits(text, 2)?;
    // The minute may be absent and a second follow: 13:5 is five seconds past 13, 13:56.5 likewise.
    if let Some((minute, rest)) = digits(skip(rest, b':'), 2)
        && let Some(clock) = seconds(rest, Clock { hour, minute, ..Clock::default() })
    {
        return Some(clock);
    }
    seconds(rest, Clock { hour, ..Clock::default() })
}

fn seconds<'t>(text: &'t [u8], clock: Clock<'t>) -> Option<Clock<'t>> {
    let after_colon = skip(text, b':');
    let Some((second, rest)) = digits(after_colon, 2).or_else(|| digits(after_colon, 1)) else {
        return zone(text, clock);
    };
    let mut clock = Clock { second, ..clock };
    let mut rest = rest;
    if let [b'.' | b',', fraction @ ..] = rest {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length > 0 {
            (clock.fraction, rest) = fraction.split_at(length);
        }
    }
    zone(rest, clock)
}

fn zone<'t>(text: &[u8], clock: Clock<'t>) -> Option<Clock<'t>> {
    let sign = match text {
        [] | b"Z" => return Some(clock),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, rest) = digits(text.get(1..)?, 2)?;
    let rest = skip(rest, b':');
    let minutes = if rest.is_empty() {
        0
    } else {
        let (minutes, rest) = digits(rest, 2)?;
        if !rest.is_empty() {
            return None;
        }
        minutes
    };
    let offset_minutes = sign * i32::try_from(hours * 60 + minutes).ok()?;
    Some(Clock { offset_minutes, ..clock })
}

/// The fraction cut to microseconds; `None` when the library's rounding of very long fractions makes a whole
/// second of it, which it refuses.
fn microseconds(fraction: &[u8]) -> Option<i32> {
    let zeros = fraction.iter().take_while(|byte| **byte == b'0').count();
    let mut kept: Vec<u8> = fraction.get(..fraction.len().min(zeros + FRACTION_DIGITS))?.to_vec();
    let dropped = fraction.get(kept.len()..)?;
    // Half to even over the dropped digits, as Python's decimal context rounds.
    let up = match dropped.split_first() {
        None => false,
        Some((first, others)) => {
            let odd = kept.last().is_some_and(|digit| digit % 2 == 1);
            *first > b'5' || (*first == b'5' && (odd || others.iter().any(|digit| *digit != b'0')))
        }
    };
    if up {
        let mut carry = true;
        for digit in kept.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        if carry {
            return None;
        }
    }
    kept.resize(6, b'0');
    kept.iter().try_fold(0_i32, |number, digit| Some(number * 10 + i32::from(digit.checked_sub(b'0')?)))
}
