//! Texts of timespans, as the API takes them: seconds, or the grammar of pytimeparse.

use crate::python::float as python_float;

/// Why something is no timespan. The texts are Gnocchi's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimespanError {
    /// Neither a number nor a text of the grammar, or more than 64 bits of nanoseconds hold.
    #[error("Unable to parse timespan")]
    Unparsable,
    /// Zero or less.
    #[error("Timespan must be positive")]
    NotPositive,
}

/// Seconds as nanoseconds, cut to whole ones.
#[allow(clippy::cast_possible_truncation, reason = "checked")]
pub fn from_seconds(seconds: f64) -> Result<i64, TimespanError> {
    let nanoseconds = seconds * 1e9;
    // Only 2⁶³ itself is a double that compares as below the bound and does not fit.
    if nanoseconds.abs() < 9_223_372_036_854_775_807.0 {
        Ok(nanoseconds as i64)
    } else {
        Err(TimespanError::Unparsable)
    }
}

/// Refuses zero and less.
pub fn positive(nanoseconds: i64) -> Result<i64, TimespanError> {
    if nanoseconds > 0 { Ok(nanoseconds) } else { Err(TimespanError::NotPositive) }
}

/// A text in nanoseconds; it may have a sign.
pub fn parse(text: &str) -> Result<i64, TimespanError> {
    let trimmed = text.trim();
    if let Some(seconds) = python_float(trimmed) {
        return from_seconds(seconds);
    }
    let (sign, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let unsigned = unsigned.trim_start().to_ascii_lowercase();
    let seconds = words(&unsigned).and_then(|fields| fields.seconds());
    let seconds = seconds.or_else(|| clock(&unsigned).and_then(|fields| fields.seconds()));
    from_seconds(sign * seconds.ok_or(TimespanError::Unparsable)?)
}

/// The names of the units in their order, and their seconds.
const UNITS: [(&[&str], u32); 5] = [
    (&["weeks", "week", "wks", "wk", "w"], 604_800),
    (&["days", "day", "dys", "dy", "d"], 86_400),
    (&["hours", "hour", "hrs", "hr", "h"], 3_600),
    (&["minutes", "minute", "mins", "min", "m"], 60),
    (&["seconds", "second", "secs", "sec", "s"], 1),
];

/// The digits of each unit.
#[derive(Debug, Default)]
struct Fields<'t>([Option<&'t str>; 5]);

impl<'t> Fields<'t> {
    /// Reads as many of the first `units` as stand there, each at most once, in their order; returns the rest as well.
    fn read(text: &'t str, units: usize) -> (Self, &'t str) {
        let mut fields = Self::default();
        let mut rest = text;
        for (field, (names, seconds)) in fields.0.iter_mut().zip(&UNITS).take(units) {
            let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
            let (number, unit) = rest.split_at(digits);
            let unit = unit.trim_start();
            let Some(after) = names.iter().find_map(|name| unit.strip_prefix(name)) else { continue };
            if number.is_empty() {
                continue;
            }
            *field = Some(number);
            rest = after.trim_start();
            if *seconds > 1 {
                rest = rest.strip_prefix([',', '/']).map_or(rest, str::trim_start);
            }
        }
        (fields, rest)
    }

    /// With whole seconds, or none, the sum is exact and cut to seconds; with a fraction of seconds it is one of doubles.
    #[allow(clippy::cast_precision_loss, reason = "Python makes a double of it as well")]
    fn seconds(&self) -> Option<f64> {
        let parts =
            || self.0.iter().zip(&UNITS).filter_map(|(digits, (_, factor))| Some(((*digits)?, *factor)));
        let [.., seconds] = self.0;
        if seconds.is_some_and(|digits| digits.contains('.')) {
            return parts().try_fold(0.0, |sum, (digits, factor)| {
                Some(sum + f64::from(factor) * digits.parse::<f64>().ok()?)
            });
        }
        let sum = parts().try_fold(0_i128, |sum, (digits, factor)| {
            sum.checked_add(scaled(digits)?.checked_mul(i128::from(factor))?)
        })?;
        Some((sum / SCALE) as f64)
    }
}

/// How many parts of one the digits behind a point are counted in.
const SCALE: i128 = 1_000_000_000_000;

/// A decimal number in parts of one.
fn scaled(digits: &str) -> Option<i128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(12).collect();
    whole.checked_mul(SCALE)?.checked_add(fraction.parse().ok()?)
}

fn words(text: &str) -> Option<Fields<'_>> {
    let (fields, rest) = Fields::read(text, UNITS.len());
    (rest.is_empty() && !text.is_empty()).then_some(fields)
}

/// `M:SS`, `H:MM:SS` with weeks and days before it, `D:HH:MM:SS`, `D-HH:MM:SS`, `:SS`.
fn clock(text: &str) -> Option<Fields<'_>> {
    let (Fields([weeks, days, ..]), rest) = Fields::read(text, 2);
    let parts: Vec<&str> = rest.split(':').collect();
    let alone = weeks.is_none() && days.is_none();
    let [days, hours, mins, secs] = match parts[..] {
        ["", secs] if alone => [None, None, None, Some(secs)],
        [mins, secs] if alone && mins.len() <= 2 => [None, None, Some(mins), Some(secs)],
        [hours, mins, secs] => match hours.split_once('-').filter(|_| alone) {
            Some((days, hours)) if hours.len() == 2 => [Some(days), Some(hours), Some(mins), Some(secs)],
            Some(_) => return None,
            None => [days, Some(hours), Some(mins), Some(secs)],
        },
        [days, hours, mins, secs] if alone && hours.len() == 2 => {
            [Some(days), Some(hours), Some(mins), Some(secs)]
        }
        _ => return None,
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = secs.map(|secs| secs.split_once('.').unwrap_or((secs, "0")))?;
    let fits = digits(whole) && whole.len() == 2 && digits(fraction);
    let short_minutes = hours.is_none() || mins.is_some_and(|mins| mins.len() == 2);
    let others = [hours, mins].into_iter().chain(if alone { vec![days] } else { vec![] });
    (fits && short_minutes && others.flatten().all(digits))
        .then_some(Fields([weeks, days, hours, mins, secs]))
}

/// Nanoseconds as Python prints a `timedelta`: `0:05:00`, `1 day, 2:00:00`, `0:00:00.500000`; cut to microseconds.
pub fn text(nanoseconds: i64) -> String {
    let microseconds = nanoseconds.div_euclid(1_000);
    let (total_seconds, fraction) = (microseconds.div_euclid(1_000_000), microseconds.rem_euclid(1_000_000));
    let (days, seconds) = (total_seconds.div_euclid(86_400), total_seconds.rem_euclid(86_400));
    let days = match days {
        0 => String::new(),
        1 | -1 => format!("{days} day, "),
        _ => format!("{days} days, "),
    };
    let clock = format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{days}{clock}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_grammar() {
        for (text, seconds) in [
            ("5", 5.0),
            ("0.5", 0.5),
            ("1e3", 1000.0),
            (" 7 ", 7.0),
            ("1.5h", 5_400.0),
            ("1d2h", 93_600.0),
            ("1d,2h", 93_600.0),
            ("1d 2h", 93_600.0),
            ("1M", 60.0),
            ("1H", 3_600.0),
            ("1 week", 604_800.0),
            ("2 mins, 3 secs", 123.0),
            ("1:02", 62.0),
            ("1:62", 122.0),
            ("1:02:03", 3_723.0),
            ("1 day, 2:00:00", 93_600.0),
            ("1:02:03:04", 93_784.0),
            ("1-02:03:04", 93_784.0),
            (":22", 22.0),
            ("1:02.5", 62.5),
            ("4.1m", 246.0),
            ("1.2345 minutes", 74.0),
            ("1.5m 0.25s", 90.25),
            ("1m,", 60.0),
            ("1w 2d, 1:00:00", 781_200.0),
            ("-1 day", -86_400.0),
            ("- 10 seconds", -10.0),
        ] {
            assert_eq!(parse(text), from_seconds(seconds), "{text}");
        }
        for text in [
            "", "2h 1d", "100:00", "5m30", "1y", "1 month", "PT5M", "5 ms", "inf", "nan", "1,", "abc", "1:2",
            "5s,", "1.2.3m", ".m", "1:02:3",
        ] {
            assert_eq!(parse(text), Err(TimespanError::Unparsable), "{text}");
        }
        assert_eq!(positive(0), Err(TimespanError::NotPositive));
    }

    #[test]
    fn python_prints_timedeltas_so() {
        for (seconds, expected) in [
            (300.0, "0:05:00"),
            (0.5, "0:00:00.500000"),
            (93_600.0, "1 day, 2:00:00"),
            (604_800.0, "7 days, 0:00:00"),
            (31_536_000.0, "365 days, 0:00:00"),
        ] {
            assert_eq!(text(from_seconds(seconds).unwrap()), expected);
        }
    }
}
