//! Shares of aggregates when a resource changed within a group of time (`use_history`).

use crate::time::double;

/// The time in which a revision of a resource was in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// From when, in nanoseconds; the begin of each group if there is none.
    pub start: Option<i64>,
    /// Until when; the end of each group if there is none.
    pub stop: Option<i64>,
}

impl Share {
    /// Which part of the group of `granularity` (nanoseconds) that begins at `timestamp` lies within; negative if the
    /// group lies beside it.
    pub fn of(self, timestamp: i64, granularity: i64) -> f64 {
        let end = timestamp.saturating_add(granularity);
        let begin = self.start.map_or(timestamp, |start| start.max(timestamp));
        let stop = self.stop.map_or(end, |stop| stop.min(end));
        double(stop.saturating_sub(begin)) / double(granularity)
    }
}

/// Adds up neighbours of equal timestamps into the later one: what several revisions of a group have of one moment.
pub fn sum_repeated(measures: impl IntoIterator<Item = (i64, i64, f64)>) -> Vec<(i64, i64, f64)> {
    let mut summed: Vec<(i64, i64, f64)> = Vec::new();
    for (timestamp, granularity, value) in measures {
        match summed.last_mut() {
            Some(last) if last.0 == timestamp => *last = (timestamp, granularity, value + last.2),
            _ => summed.push((timestamp, granularity, value)),
        }
    }
    summed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_what_lies_within() {
        let share = Share { start: Some(15), stop: Some(40) };
        let shares = [share.of(10, 10), share.of(20, 10), share.of(40, 10), Share::default().of(7, 10)];
        assert_eq!(shares.map(f64::to_bits), [0.5, 1.0, 0.0, 1.0].map(f64::to_bits));
    }

    #[test]
    fn neighbours_of_one_moment_are_summed() {
        let measures = [(1, 60, 1.0), (1, 60, 2.0), (1, 60, 4.0), (2, 60, 8.0), (1, 60, 16.0)];
        assert_eq!(sum_repeated(measures), [(1, 60, 7.0), (2, 60, 8.0), (1, 60, 16.0)]);
    }
}
