//! Instants and the ISO 8601 texts that OpenStack services write.
//!
//! [`IsoTime`] is what `oslo_utils.timeutils.parse_isotime` makes of a text: a local time and an offset, both kept,
//! because a sample's timestamp is printed with the offset that it came with. [`Timestamp`] is the instant.

mod civil;
mod parse;

use jiff::civil::DateTime;

use civil::Civil;

/// Instants are counted from here. Civil times do the arithmetic: `jiff::Timestamp` ends a day before the year does.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Why a text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text does not have the shape of an ISO 8601 time.
    #[error("not an iso 8601 time")]
    Shape,
    /// A field is out of its range (month 13, hour 24, second 60, offset of a day or more).
    #[error("a field of the time is out of range")]
    Range,
    /// The value is no text.
    #[error("not a text")]
    Kind,
}

/// The instants that Python's `datetime` can hold, in microseconds since 1970: years 1 to 9999.
const MICROSECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// An instant in UTC with microseconds, of the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    microseconds: i64,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self { microseconds: 0 };

    /// The instant so many microseconds after 1970-01-01T00:00:00Z; `None` outside the years 1 to 9999.
    #[must_use]
    pub fn from_microseconds(microseconds: i64) -> Option<Self> {
        MICROSECONDS.contains(&microseconds).then_some(Self { microseconds })
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn microseconds(self) -> i64 {
        self.microseconds
    }

    /// Reads a text as [`IsoTime::parse`] and converts to UTC.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        IsoTime::parse(text)?.timestamp()
    }

    /// Appends `2026-07-21T13:56:12.123456`: no zone, and no fraction when it is zero (`datetime.isoformat()`).
    pub fn write_iso(self, out: &mut Vec<u8>) {
        Civil::of(self.microseconds).write(b'T', out);
    }

    /// Appends `2026-07-21 13:56:12.123456` (Python's `str()` of a `datetime`).
    pub fn write_str(self, out: &mut Vec<u8>) {
        Civil::of(self.microseconds).write(b' ', out);
    }

    /// Appends `datetime.datetime(2026, 7, 21, 13, 56, 12, 123456)` (Python's `repr()` of a `datetime`).
    pub fn write_repr(self, out: &mut Vec<u8>) {
        let Civil { year, month, day, hour, minute, second, microsecond } = Civil::of(self.microseconds);
        let mut fields = vec![year, month, day, hour, minute];
        if second != 0 || microsecond != 0 {
            fields.push(second);
        }
        if microsecond != 0 {
            fields.push(microsecond);
        }
        out.extend_from_slice(b"datetime.datetime(");
        for (place, field) in fields.into_iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(b", ");
            }
            crate::pytext::write_integer(i64::from(field), out);
        }
        out.push(b')');
    }

    /// The text of [`write_iso`](Self::write_iso).
    #[must_use]
    pub fn to_iso(self) -> String {
        let mut out = Vec::with_capacity(26);
        self.write_iso(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

/// A local time with its offset from UTC, as read from a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsoTime {
    local: DateTime,
    /// East is positive; less than a day.
    offset_seconds: i32,
}

impl IsoTime {
    /// Reads what the Python library `iso8601` reads: `2026-07-21T13:56:12.123456+00:00` and its shortened forms
    /// (blank for `T`, comma for the point, no seconds, no time, no day, no month, no separators; `Z`, `+01`,
    /// `+0100`). Without a zone it is UTC. Fractions are cut to microseconds.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        parse::parse(text)
    }

    /// The instant.
    ///
    /// # Errors
    /// [`TimeError::Range`] when the instant lies outside the years 1 to 9999 of UTC.
    pub fn timestamp(self) -> Result<Timestamp, TimeError> {
        Timestamp::from_microseconds(self.microseconds()).ok_or(TimeError::Range)
    }

    /// Microseconds since 1970 in UTC, which may lie up to a day outside the range of [`Timestamp`].
    fn microseconds(self) -> i64 {
        // The years 1 to 9999 are 3e17 microseconds: far from the bounds of 64 bits.
        let local = i64::try_from(self.local.duration_since(EPOCH).as_micros()).unwrap_or(0);
        local - i64::from(self.offset_seconds) * 1_000_000
    }

    /// Seconds from this time to `later`, negative when it is earlier (`timedelta.total_seconds()`).
    #[must_use]
    pub fn seconds_until(self, later: Self) -> f64 {
        let difference = later.microseconds() - self.microseconds();
        // Python divides the exact integer; so does reading the exact decimal text.
        let sign = if difference < 0 { "-" } else { "" };
        let magnitude = difference.unsigned_abs();
        format!("{sign}{}.{:06}", magnitude / 1_000_000, magnitude % 1_000_000).parse().unwrap_or(0.0)
    }

    /// Appends `2026-07-21T13:56:12.123456+00:00` (`datetime.isoformat()`).
    pub fn write_iso(self, out: &mut Vec<u8>) {
        Civil::from(self.local).write(b'T', out);
        out.push(if self.offset_seconds < 0 { b'-' } else { b'+' });
        let minutes = self.offset_seconds.unsigned_abs() / 60;
        out.extend_from_slice(&civil::two_digits(minutes / 60));
        out.push(b':');
        out.extend_from_slice(&civil::two_digits(minutes % 60));
    }

    /// The text of [`write_iso`](Self::write_iso).
    #[must_use]
    pub fn to_iso(self) -> String {
        let mut out = Vec::with_capacity(32);
        self.write_iso(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for (text, iso) in [
            ("2026-07-21 13:56:12.123456", "2026-07-21T13:56:12.123456+00:00"),
            ("2026-07-21T13:56:12Z", "2026-07-21T13:56:12+00:00"),
            ("2026-07-21T13:56:12+05:30", "2026-07-21T13:56:12+05:30"),
            ("2026-07-21T13:56:12-0330", "2026-07-21T13:56:12-03:30"),
            ("2026-07-21T13:56:12,5+01:", "2026-07-21T13:56:12.500000+01:00"),
            ("20260721T135612", "2026-07-21T13:56:12+00:00"),
            ("2026", "2026-01-01T00:00:00+00:00"),
            ("2026-7", "2026-07-01T00:00:00+00:00"),
            ("2026-123", "2026-01-23T00:00:00+00:00"),
            ("2026-07-21T13:5", "2026-07-21T13:00:05+00:00"),
            ("2026-07-21T13:56.5", "2026-07-21T13:00:56.500000+00:00"),
            ("2026-07-21T13:56:12.1234569", "2026-07-21T13:56:12.123456+00:00"),
            ("2026-07-21\n", "2026-07-21T00:00:00+00:00"),
        ] {
            assert_eq!(IsoTime::parse(text).map(IsoTime::to_iso), Ok(iso.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses() {
        for (text, error) in [
            ("", TimeError::Shape),
            ("202607", TimeError::Shape),
            ("2026-07-21T", TimeError::Shape),
            ("2026-07-21X13", TimeError::Shape),
            ("2026-07-21T13:56:12 ", TimeError::Shape),
            ("٢٠٢٦", TimeError::Shape),
            ("2026-13", TimeError::Range),
            ("2026-02-29", TimeError::Range),
            ("0000-01-01", TimeError::Range),
            ("2026-07-21T24:00", TimeError::Range),
            ("2026-07-21T23:59:60", TimeError::Range),
            ("2026-07-21T13+24:00", TimeError::Range),
        ] {
            assert_eq!(IsoTime::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn instants() {
        let early = IsoTime::parse("2026-07-21T13:56:00+02:00").unwrap();
        let late = IsoTime::parse("2026-07-21T11:56:10.5Z").unwrap();
        assert!((early.seconds_until(late) - 10.5).abs() < f64::EPSILON);
        let instant = early.timestamp().unwrap();
        assert_eq!(instant.to_iso(), "2026-07-21T11:56:00");
        let mut out = Vec::new();
        instant.write_repr(&mut out);
        late.timestamp().unwrap().write_repr(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "datetime.datetime(2026, 7, 21, 11, 56)datetime.datetime(2026, 7, 21, 11, 56, 10, 500000)"
        );
        assert_eq!(Timestamp::parse("0001-01-01T00:00:00+01:00"), Err(TimeError::Range));
        for text in ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_iso(), text);
        }
    }
}
