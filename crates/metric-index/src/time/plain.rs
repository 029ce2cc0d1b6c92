//! Times as programs write them.

/// A day in seconds.
const DAY: i64 = 86_400;
/// The first year whose end does not fit into 64 bits of nanoseconds.
const BEYOND: i64 = 2262;

/// Nanoseconds since 1970 of `2026-11-26T10:20:30`, with up to nine digits of a fraction and `Z` or `+00:00` behind it or
/// not; `None` of anything else, which may be a time all the same (see [`super::nanoseconds`]).
pub fn plain_nanoseconds(text: &str) -> Option<i64> {
    let (head, tail) = text.as_bytes().split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2] = *head else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    let [month, day, hour, minute, second] =
        [[o1, o2], [d1, d2], [h1, h2], [m1, m2], [s1, s2]].map(|digits| number(&digits).unwrap_or(-1));
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    if !(1970..BEYOND).contains(&year) || !is_time || day < 1 || day > days_of(year, month)? {
        return None;
    }
    let (fraction, tail) = match tail.split_first() {
        Some((b'.', rest)) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, tail) = rest.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
            let missing = 9_u32.checked_sub(u32::try_from(digits.len()).ok()?)?;
            (number(digits)? * 10_i64.pow(missing), tail)
        }
        _ => (0, tail),
    };
    if !matches!(tail, b"" | b"Z" | b"+00:00") {
        return None;
    }
    let seconds = days(year, month, day) * DAY + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000_000 + fraction)
}

fn number(digits: &[u8]) -> Option<i64> {
    let digit = |digit: &u8| digit.is_ascii_digit().then(|| i64::from(digit - b'0'));
    digits.iter().try_fold(0, |number, next| Some(number * 10 + digit(next)?))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if is_leap(year) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Days since 1970; years begin in March here, so that the day that some lack is their last one.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::super::nanoseconds;
    use super::*;
    use model::{Timestamp, Value};

    fn general(text: &str) -> Option<i64> {
        nanoseconds(&Value::Str(text.into()), Timestamp::EPOCH).ok()
    }

    #[test]
    fn every_day_is_what_it_is_in_general() {
        for year in [1970, 1971, 1972, 1999, 2000, 2001, 2024, 2026, 2099, 2100, 2261] {
            for month in 0..=13 {
                for day in 0..=32 {
                    let text = format!("{year}-{month:02}-{day:02}T23:59:58.25");
                    assert_eq!(plain_nanoseconds(&text), general(&text), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_plain_is_read_and_right() {
        for tail in ["", "Z", "+00:00", ".1", ".123456", ".123456789", ".000001+00:00", ".5Z"] {
            let text = format!("2026-02-28T01:02:03{tail}");
            assert!(plain_nanoseconds(&text).is_some(), "{text}");
            assert_eq!(plain_nanoseconds(&text), general(&text), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left() {
        for text in [
            "",
            "2026",
            "2026-02-28",
            "2026-02-28 01:02:03",
            "2026-02-28T24:00:00",
            "2026-02-28T00:60:00",
            "2026-02-28T00:00:60",
            "2026-02-28T00:00:00.",
            "2026-02-28T00:00:00.0000000001",
            "1969-12-31T00:00:00",
            "2262-01-01T00:00:00",
            "2026-02-28T00:00:00+01:00",
            "2026-02-28T00:00:00-00:00",
            "2026-02-2éT00:00:00",
            "+026-02-28T00:00:00",
            "2026-02-28T00:00:00z",
            " 2026-02-28T00:00:00",
        ] {
            assert_eq!(plain_nanoseconds(text), None, "{text}");
        }
    }
}
