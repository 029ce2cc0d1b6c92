//! Times and spans of time as Gnocchi's users write them.

mod plain;

use std::fmt;

use jiff::civil::DateTime;
use model::pytext::{float_of, strip};
use model::{Timestamp, Value};

pub use plain::plain_nanoseconds;

/// Why something is no time or no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Neither a number, nor an ISO 8601 text, nor a span from now.
    #[error("Unable to convert timestamps")]
    Timestamp,
    /// Before 1970.
    #[error("Timestamp must be after Epoch")]
    BeforeEpoch,
    /// No value.
    #[error("Invalid timespan")]
    NoTimespan,
    /// Not a span.
    #[error("Unable to parse timespan")]
    Timespan,
    /// Zero or less.
    #[error("Timespan must be positive")]
    NotPositive,
}

const NANOSECONDS: i64 = 1_000_000_000;

/// A span in nanoseconds: seconds as a number, or a text such as `5 minutes`, `1d2h` or `1:30:00`. Parts of a nanosecond
/// are cut. Signs are for [`timestamp`] only: a span is positive.
pub fn timespan(value: &Value) -> Result<i64, TimeError> {
    match signed_timespan(value)? {
        nanoseconds if nanoseconds > 0 => Ok(nanoseconds),
        _ => Err(TimeError::NotPositive),
    }
}

fn signed_timespan(value: &Value) -> Result<i64, TimeError> {
    let seconds = match value {
        Value::Null => return Err(TimeError::NoTimespan),
        Value::Str(text) => match float_of(value) {
            Ok(seconds) => seconds,
            Err(_) => words(text).ok_or(TimeError::Timespan)?,
        },
        _ => float_of(value).map_err(|_| TimeError::Timespan)?,
    };
    whole(seconds * 1e9).ok_or(TimeError::Timespan)
}

/// The whole part of a number that fits.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "the bound is a power of two")]
    const LIMIT: f64 = i64::MAX as f64;
    #[expect(clippy::cast_possible_truncation, reason = "checked against the bound")]
    (number.abs() < LIMIT).then_some(number as i64)
}

/// Units in the order in which they must stand, their names, and their seconds.
const UNITS: [(&[&str], f64); 5] = [
    (&["w", "wk", "wks", "week", "weeks"], 604_800.0),
    (&["d", "dy", "dys", "day", "days"], 86_400.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
];

/// Seconds that words or a clock say, as the Python library pytimeparse reads them.
fn words(text: &str) -> Option<f64> {
    let text = strip(text);
    let (sign, text) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (if text.starts_with('-') { -1.0 } else { 1.0 }, strip(rest)),
        None => (1.0, text),
    };
    if text.is_empty() {
        return None;
    }
    let folded = text.to_ascii_lowercase();
    let mut parts = Parts::default();
    let mut rest = folded.as_str();
    let mut next = 0;
    loop {
        rest = strip(rest);
        if rest.is_empty() {
            break;
        }
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (number, tail) = rest.split_at(digits.unwrap_or(rest.len()));
        let tail =
            tail.trim_start_matches(|character: char| strip(character.encode_utf8(&mut [0; 4])).is_empty());
        let letters = tail.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() || unit.is_empty() {
            // What remains is a clock, after weeks and days at most.
            return (next <= 2)
                .then(|| clock(rest, next == 0, &mut parts))
                .flatten()
                .map(|()| sign * parts.seconds());
        }
        let position =
            UNITS.iter().position(|(names, _)| names.contains(&unit)).filter(|found| *found >= next)?;
        parts.add(position, number)?;
        next = position + 1;
        rest = tail;
        if position < 4 {
            let trimmed = strip(rest);
            rest = trimmed.strip_prefix([',', '/']).unwrap_or(trimmed);
        } else if !strip(rest).is_empty() {
            return None;
        }
    }
    (next > 0).then(|| sign * parts.seconds())
}

/// `H:MM:SS`, and when it stands alone also `M:SS`, `D:HH:MM:SS`, `D-HH:MM:SS`, `:SS`; seconds may have a fraction.
fn clock(text: &str, alone: bool, parts: &mut Parts) -> Option<()> {
    let fields: Vec<&str> = text.split(':').collect();
    let two = |field: &str| field.len() == 2 && is_digits(field);
    let seconds = |field: &str| {
        let (whole, fraction) = field.split_once('.').unwrap_or((field, "0"));
        two(whole) && is_digits(fraction)
    };
    match *fields.as_slice() {
        ["", second] if alone && seconds(second) => parts.add(4, second),
        [minute, second]
            if alone && (1..=2).contains(&minute.len()) && is_digits(minute) && seconds(second) =>
        {
            parts.add(3, minute)?;
            parts.add(4, second)
        }
        [hour, minute, second] if two(minute) && seconds(second) => {
            if let Some((day, hour)) = hour.split_once('-').filter(|_| alone) {
                if !is_digits(day) || !two(hour) {
                    return None;
                }
                parts.add(1, day)?;
                parts.add(2, hour)?;
            } else if is_digits(hour) {
                parts.add(2, hour)?;
            } else {
                return None;
            }
            parts.add(3, minute)?;
            parts.add(4, second)
        }
        [day, hour, minute, second]
            if alone && is_digits(day) && two(hour) && two(minute) && seconds(second) =>
        {
            parts.add(1, day)?;
            parts.add(2, hour)?;
            parts.add(3, minute)?;
            parts.add(4, second)
        }
        _ => None,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What was read so far.
#[derive(Default)]
struct Parts {
    /// Of everything but the seconds, exactly, in 10⁻⁹ s.
    coarse: i128,
    seconds: f64,
    /// Whether the seconds have a fraction.
    is_fractional: bool,
    /// The sum of all as doubles.
    sum: f64,
}

impl Parts {
    fn add(&mut self, unit: usize, number: &str) -> Option<()> {
        let (_, factor) = UNITS.get(unit)?;
        let value: f64 = number.parse().ok()?;
        self.sum += factor * value;
        if unit == 4 {
            self.seconds = value;
            self.is_fractional = !is_digits(number);
        } else {
            // Decimal digits, so that 4.1 minutes are 246 seconds.
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            let fraction = format!("{:0<9}", fraction.get(..fraction.len().min(9)).unwrap_or_default());
            let whole: i128 =
                if whole.is_empty() { 0 } else { whole.get(..whole.len().min(20))?.parse().ok()? };
            let billionths = whole.checked_mul(NANOSECONDS.into())?.checked_add(fraction.parse().ok()?)?;
            #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
            let factor = *factor as i128;
            self.coarse = self.coarse.checked_add(billionths.checked_mul(factor)?)?;
        }
        Some(())
    }

    /// Without a fraction of seconds the sum is a whole number of them.
    fn seconds(&self) -> f64 {
        if self.is_fractional {
            return self.sum;
        }
        #[expect(clippy::cast_precision_loss, reason = "as Python's float() of a large int")]
        let coarse = (self.coarse / i128::from(NANOSECONDS)) as f64;
        coarse + self.seconds
    }
}

/// A point in time in nanoseconds since 1970: seconds as a number, an ISO 8601 text (without a zone: UTC), `now`,
/// `today`, or a span from now such as `-1 day`.
pub fn nanoseconds(value: &Value, now: Timestamp) -> Result<i64, TimeError> {
    let nanoseconds = match value {
        Value::Null => return Err(TimeError::Timestamp),
        Value::Str(text) => match float_of(value) {
            Ok(seconds) => whole(seconds * 1e9).ok_or(TimeError::Timestamp)?,
            Err(_) => {
                if let Some(nanoseconds) = iso(text, now) {
                    nanoseconds?
                } else {
                    let span = signed_timespan(value).map_err(|_| TimeError::Timestamp)?;
                    now.microseconds().saturating_mul(1_000).saturating_add(span)
                }
            }
        },
        _ => whole(float_of(value).map_err(|_| TimeError::Timestamp)? * 1e9).ok_or(TimeError::Timestamp)?,
    };
    if nanoseconds < 0 { Err(TimeError::BeforeEpoch) } else { Ok(nanoseconds) }
}

/// The same to microseconds, rounded as Python does on its way through a double.
pub fn timestamp(value: &Value, now: Timestamp) -> Result<Timestamp, TimeError> {
    let nanoseconds = nanoseconds(value, now)?;
    #[expect(clippy::cast_precision_loss, reason = "Python's float of it is what is rounded")]
    let seconds = nanoseconds as f64 / 1e9;
    let microseconds = (seconds.fract() * 1e6).round_ties_even();
    let whole_seconds = whole(seconds.trunc()).ok_or(TimeError::Timestamp)?;
    let total = whole(microseconds).and_then(|part| whole_seconds.checked_mul(1_000_000)?.checked_add(part));
    total.and_then(Timestamp::from_microseconds).ok_or(TimeError::Timestamp)
}

/// What numpy's `datetime64` reads. Beyond 64 bits of nanoseconds it is before 1970, as it wraps round there.
fn iso(text: &str, now: Timestamp) -> Option<Result<i64, TimeError>> {
    let text =
        text.trim_start_matches(|character: char| strip(character.encode_utf8(&mut [0; 4])).is_empty());
    let seconds = now.microseconds().div_euclid(1_000_000);
    match text {
        "now" => return Some(seconds.checked_mul(NANOSECONDS).ok_or(TimeError::BeforeEpoch)),
        "today" => {
            let midnight = seconds - seconds.rem_euclid(86_400);
            return Some(midnight.checked_mul(NANOSECONDS).ok_or(TimeError::BeforeEpoch));
        }
        _ => {}
    }
    let mut reader = Reader(text);
    let year = reader.number(4)?;
    let month = if reader.eat("-") { reader.number(2)? } else { 1 };
    let has_month = text.len() > 4;
    let day = if has_month && reader.eat("-") { reader.number(2)? } else { 1 };
    let mut moment = Moment { hour: 0, minute: 0, second: 0, fraction: 0, offset_minutes: 0 };
    if !reader.0.is_empty() {
        if text.len() < 10 || !(reader.eat("T") || reader.eat(" ")) {
            return None;
        }
        moment = reader.moment()?;
    }
    let date = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(moment.hour).ok()?,
        i8::try_from(moment.minute).ok()?,
        i8::try_from(moment.second).ok()?,
        0,
    )
    .ok()?;
    let since = date.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_secs();
    let seconds = since - i64::from(moment.offset_minutes) * 60;
    let nanoseconds = seconds.checked_mul(NANOSECONDS).and_then(|whole| whole.checked_add(moment.fraction));
    Some(nanoseconds.ok_or(TimeError::BeforeEpoch))
}

struct Moment {
    hour: u32,
    minute: u32,
    second: u32,
    /// Nanoseconds.
    fraction: i64,
    offset_minutes: i32,
}

/// The part of a text that is still to be read.
struct Reader<'a>(&'a str);

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl Reader<'_> {
    fn eat(&mut self, expected: &str) -> bool {
        match self.0.strip_prefix(expected) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        if !is_digits(number) {
            return None;
        }
        self.0 = rest;
        number.parse().ok()
    }

    fn moment(&mut self) -> Option<Moment> {
        let hour = self.number(2)?;
        let mut moment = Moment { hour, minute: 0, second: 0, fraction: 0, offset_minutes: 0 };
        if self.eat(":") {
            moment.minute = self.number(2)?;
            if self.eat(":") {
                moment.second = self.number(2)?;
                if self.eat(".") {
                    let end =
                        self.0.find(|character: char| !character.is_ascii_digit()).unwrap_or(self.0.len());
                    let (digits, rest) = self.0.split_at(end);
                    if digits.len() > 18 {
                        return None;
                    }
                    let kept = digits.get(..digits.len().min(9)).unwrap_or_default();
                    moment.fraction = format!("{kept:0<9}").parse().ok()?;
                    self.0 = rest;
                }
            }
        }
        if self.0.is_empty() || (self.eat("Z") && self.0.is_empty()) {
            return Some(moment);
        }
        let sign = if self.eat("+") {
            1
        } else if self.eat("-") {
            -1
        } else {
            return None;
        };
        let hours = i32::try_from(self.number(2)?).ok()?;
        let minutes = if self.0.is_empty() {
            0
        } else {
            self.eat(":");
            i32::try_from(self.number(2)?).ok()?
        };
        if !self.0.is_empty() || hours > 23 || minutes > 59 {
            return None;
        }
        moment.offset_minutes = sign * (hours * 60 + minutes);
        Some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Str(text.into())
    }

    #[test]
    fn spans() {
        for (words, seconds) in [
            ("5", 5.0),
            ("0.5", 0.5),
            ("1e3", 1000.0),
            ("1.5h", 5400.0),
            ("1d2h", 93_600.0),
            ("1d,2h", 93_600.0),
            ("1d 2h", 93_600.0),
            ("1 day, 2:00:00", 93_600.0),
            ("1:62", 122.0),
            ("1:02", 62.0),
            (":05", 5.0),
            ("1:02:03:04", 93_784.0),
            ("1-02:03:04", 93_784.0),
            ("1H", 3600.0),
            ("1M", 60.0),
            ("4.1m", 246.0),
            ("1.01m", 60.0),
            ("0:00:00.500000", 0.5),
            ("2 weeks", 1_209_600.0),
        ] {
            let expected = whole(seconds * 1e9).unwrap();
            assert_eq!(timespan(&text(words)), Ok(expected), "{words}");
        }
        assert_eq!(timespan(&Value::Bool(true)), Ok(NANOSECONDS));
        assert_eq!(timespan(&Value::Null), Err(TimeError::NoTimespan));
        assert_eq!(timespan(&text("-1 day")), Err(TimeError::NotPositive));
        for words in ["2h 1d", "100:00", "5m30", "1y", "1 month", "PT5M", "5 ms", "", "x", "inf", "1d 1:00"] {
            assert_eq!(timespan(&text(words)), Err(TimeError::Timespan), "{words}");
        }
    }

    #[test]
    fn times() {
        let now = Timestamp::parse("2026-11-26T10:20:30.5").unwrap();
        for (words, expected) in [
            ("2015", "1970-01-01T00:33:35"),
            ("2015-03", "2015-03-01T00:00:00"),
            ("2015-03-06", "2015-03-06T00:00:00"),
            ("2015-03-06T14", "2015-03-06T14:00:00"),
            ("2015-03-06 14:34:38.123456789", "2015-03-06T14:34:38.123457"),
            ("2015-03-06T14:34:38Z", "2015-03-06T14:34:38"),
            ("2015-03-06T14:34+01:30", "2015-03-06T13:04:00"),
            ("2015-03-06T14:34-0130", "2015-03-06T16:04:00"),
            ("now", "2026-11-26T10:20:30"),
            ("today", "2026-11-26T00:00:00"),
            ("-1 day", "2026-11-25T10:20:30.500000"),
            ("1425652437.75", "2015-03-06T14:33:57.750000"),
        ] {
            assert_eq!(
                timestamp(&text(words), now).map(Timestamp::to_iso),
                Ok(expected.to_owned()),
                "{words}"
            );
        }
        for words in
            ["2015-03-06t10:00", "20150306T100000", "2015-03-06T24:00", "2015-03-06T10:00:00,5", "soon", ""]
        {
            assert_eq!(timestamp(&text(words), now), Err(TimeError::Timestamp), "{words}");
        }
        for words in ["1969-12-31", "-5", "3000-01-01"] {
            assert_eq!(timestamp(&text(words), now), Err(TimeError::BeforeEpoch), "{words}");
        }
    }
}
