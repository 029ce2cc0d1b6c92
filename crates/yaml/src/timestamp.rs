//! [`Timestamp`]: Python's `date` and `datetime`, as far as YAML can write them.

use std::fmt;

/// A time of day, with an offset from UTC where one is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999 999; further digits of the fraction are cut.
    pub microsecond: u32,
    /// Minutes east of UTC; `None` is a time without zone.
    pub offset_minutes: Option<i16>,
}

/// A date (Python's `date`), or a date and time (Python's `datetime`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to the length of the month.
    pub day: u8,
    /// The time, if there is one.
    pub time: Option<TimeOfDay>,
}

impl fmt::Display for Timestamp {
    /// Python's `str()` of the value: `2001-12-14` or `2001-12-14 21:59:43.100000-05:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)?;
        let Some(time) = self.time else { return Ok(()) };
        write!(f, " {:02}:{:02}:{:02}", time.hour, time.minute, time.second)?;
        if time.microsecond != 0 {
            write!(f, ".{:06}", time.microsecond)?;
        }
        if let Some(offset) = time.offset_minutes {
            let sign = if offset < 0 { '-' } else { '+' };
            write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)?;
        }
        Ok(())
    }
}

impl Timestamp {
    /// Microseconds since the epoch on its own clock, for comparing keys: `None` for a mere date.
    pub(crate) fn instant(&self) -> Option<i64> {
        let time = self.time?;
        let days = days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day));
        let minutes = days * 1440 + i64::from(time.hour) * 60 + i64::from(time.minute)
            - i64::from(time.offset_minutes.unwrap_or(0));
        Some((minutes * 60 + i64::from(time.second)) * 1_000_000 + i64::from(time.microsecond))
    }

    /// Reads what PyYAML's timestamp constructor reads: one or two digits for month, day and hour.
    ///
    /// `Err` says what is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        /// How many digits of a fraction count.
        const FRACTION_DIGITS: usize = 6;
        const NOT: &str = "not a date or timestamp";
        let mut cursor = Cursor(text.strip_suffix('\n').unwrap_or(text).as_bytes());
        let year = cursor.number(4, 4).ok_or(NOT)?;
        cursor.expect(b'-').ok_or(NOT)?;
        let month = cursor.number(1, 2).ok_or(NOT)?;
        cursor.expect(b'-').ok_or(NOT)?;
        let day = cursor.number(1, 2).ok_or(NOT)?;
        let mut time = None;
        if !cursor.0.is_empty() {
            if cursor.expect(b'T').or_else(|| cursor.expect(b't')).is_none() && cursor.blanks() == 0 {
                return Err(NOT);
            }
            let hour = cursor.number(1, 2).ok_or(NOT)?;
            cursor.expect(b':').ok_or(NOT)?;
            let minute = cursor.number(2, 2).ok_or(NOT)?;
            cursor.expect(b':').ok_or(NOT)?;
            let second = cursor.number(2, 2).ok_or(NOT)?;
            let mut microsecond = 0;
            if cursor.expect(b'.').is_some() {
                let mut digits = 0;
                while let Some(digit) = cursor.digit() {
                    if digits < FRACTION_DIGITS {
                        microsecond = microsecond * 10 + digit;
                        digits += 1;
                    }
                }
                for _ in digits..FRACTION_DIGITS {
                    microsecond *= 10;
                }
            }
            cursor.blanks();
            let offset = cursor.offset().ok_or(NOT)?;
            if !cursor.0.is_empty() {
                return Err(NOT);
            }
            if hour > 23 || minute > 59 || second > 59 {
                return Err("hour, minute or second out of range");
            }
            time = Some((hour, minute, second, microsecond, offset));
        }
        if !(1..=12).contains(&month) || year == 0 || day == 0 || day > month_days(year, month) {
            return Err("no such day in the calendar");
        }
        let time = match time {
            None => None,
            Some((.., Some(offset))) if offset.abs() >= 1440 => {
                return Err("the offset from UTC must be less than a day");
            }
            Some((hour, minute, second, microsecond, offset)) => Some(TimeOfDay {
                hour: narrow(hour)?,
                minute: narrow(minute)?,
                second: narrow(second)?,
                microsecond,
                offset_minutes: offset.map(i16::try_from).transpose().map_err(|_| NOT)?,
            }),
        };
        Ok(Self {
            year: u16::try_from(year).map_err(|_| NOT)?,
            month: narrow(month)?,
            day: narrow(day)?,
            time,
        })
    }
}

fn narrow(number: u32) -> Result<u8, &'static str> {
    u8::try_from(number).map_err(|_| "not a date or timestamp")
}

fn month_days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years run from March here, so that the leap day comes last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    shifted * 365 + shifted.div_euclid(4) - shifted.div_euclid(100) + shifted.div_euclid(400) + day_of_year
        - 719_468
}

/// The rest of a text that is being read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn digit(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first()?;
        if !first.is_ascii_digit() {
            return None;
        }
        self.0 = rest;
        Some(u32::from(first - b'0'))
    }

    fn number(&mut self, at_least: usize, at_most: usize) -> Option<u32> {
        let mut number = 0;
        for place in 0..at_most {
            match self.digit() {
                Some(digit) => number = number * 10 + digit,
                None if place >= at_least => break,
                None => return None,
            }
        }
        Some(number)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn blanks(&mut self) -> usize {
        let count = self.0.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.0 = self.0.get(count..).unwrap_or_default();
        count
    }

    /// The outer option is whether the text is right, the inner whether there is an offset.
    #[allow(clippy::option_option, reason = "two different absences, used once")]
    fn offset(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.expect(b'Z').is_some() {
            return Some(Some(0));
        }
        let sign = if self.expect(b'-').is_some() {
            -1
        } else {
            self.expect(b'+')?;
            1
        };
        let hours = self.number(1, 2)?;
        let minutes = if self.expect(b':').is_some() { self.number(2, 2)? } else { 0 };
        Some(Some(sign * i32::try_from(hours * 60 + minutes).ok()?))
    }
}
