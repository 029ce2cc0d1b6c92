//! The header `Retry-After`: how long a server wants to be left alone.

use std::time::Duration;

use jiff::fmt::rfc2822;

/// The longest wait that is honoured; after it another attempt tells how things stand.
pub(super) const LONGEST: Duration = Duration::from_mins(5);

/// Reads `Retry-After`: seconds, or a time, which is compared with the time that the server itself gives (`Date`), so that
/// neither clock need be right.
pub(super) fn wait(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let text = retry_after.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let until = rfc2822::parse(text).ok()?.timestamp();
    let now = rfc2822::parse(date?.trim()).ok()?.timestamp();
    let seconds = until.as_second().saturating_sub(now.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_times() {
        let date = "Thu, 26 Nov 2026 08:00:00 GMT";
        for (value, date, seconds) in [
            ("7", None, Some(7)),
            (" 0 ", None, Some(0)),
            ("86400", None, Some(300)),
            ("Thu, 26 Nov 2026 08:01:30 GMT", Some(date), Some(90)),
            ("Thu, 26 Nov 2026 07:00:00 GMT", Some(date), Some(0)),
            ("Thu, 26 Nov 2026 08:01:30 GMT", None, None),
            ("soon", Some(date), None),
            ("-1", Some(date), None),
        ] {
            assert_eq!(wait(value, date), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
