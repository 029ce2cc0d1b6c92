//! Timestamps: nanoseconds since the epoch, rounded as numpy rounds them.

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

/// Nanoseconds in a day.
pub const DAY: i64 = 86_400 * SECOND;

/// The newest timestamp that can be grouped. The few microseconds above it, in April 2262, round to a moment that 64
/// bits do not hold; the store refuses them.
pub const NEWEST: i64 = i64::MAX - 8_191;

/// How far from the exact boundary of a group [`floor`] may put a timestamp to the other side. A timestamp becomes a
/// double with an error of at most 512 ns, the division adds as much again, and a granularity above 2⁵³ ns once more.
const ROUNDING: i64 = 4_096;

/// The start of the `granularity` that holds `timestamp`, both in nanoseconds.
///
/// Gnocchi divides doubles. A timestamp some 100 ns before the boundary of a group, in our days, thus counts into the next
/// group; what a client sees depends on it, so it is reproduced. Gnocchi also multiplies doubles, which moves the starts
/// of groups when the granularity is below a tenth of a second and leads its own storage astray; here they are exact.
pub fn floor(timestamp: i64, granularity: i64) -> i64 {
    quotient(timestamp, granularity).saturating_mul(granularity)
}

/// A moment as a double, as numpy divides it.
#[allow(clippy::cast_precision_loss, reason = "numpy loses the same bits")]
pub(crate) fn double(nanoseconds: i64) -> f64 {
    nanoseconds as f64
}

/// ⌊timestamp / granularity⌋ in doubles.
#[allow(clippy::cast_possible_truncation, reason = "a quotient above 2⁶³ saturates")]
fn quotient(timestamp: i64, granularity: i64) -> i64 {
    let exact = double(timestamp) / double(granularity);
    let truncated = exact as i64;
    if double(truncated) > exact { truncated.saturating_sub(1) } else { truncated }
}

/// A group's start, and a range of timestamps that surely belong to it: a comparison instead of a division for most of
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// What [`floor`] gives.
    pub start: i64,
    /// The first timestamp that surely belongs to the group.
    pub from: i64,
    /// The first one that may not, or `from` if none surely does.
    pub until: i64,
}

impl Reach {
    /// That of the group of `granularity` nanoseconds that holds `timestamp`.
    pub fn of(timestamp: i64, granularity: i64) -> Self {
        let quotient = quotient(timestamp, granularity);
        let exact_start = i128::from(quotient) * i128::from(granularity);
        let clamp = |moment: i128| i64::try_from(moment).unwrap_or(timestamp);
        let from = clamp(exact_start + i128::from(ROUNDING));
        let until = clamp(exact_start + i128::from(granularity) - i128::from(ROUNDING));
        Self { start: quotient.saturating_mul(granularity), from, until: until.max(from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * SECOND;

    #[test]
    fn rounds_down_below_and_above_the_epoch() {
        assert_eq!(floor(0, MINUTE), 0);
        assert_eq!(floor(MINUTE - 1, MINUTE), 0);
        assert_eq!(floor(MINUTE, MINUTE), MINUTE);
        assert_eq!(floor(-1, MINUTE), -MINUTE);
        assert_eq!(floor(-MINUTE, MINUTE), -MINUTE);
        assert_eq!(floor(1_766_000_000 * SECOND + 7, MINUTE), 1_765_999_980 * SECOND);
    }

    #[test]
    fn a_moment_just_before_a_boundary_counts_into_the_next_group_as_in_doubles() {
        let boundary = 1_766_000_040 * SECOND;
        assert_eq!(floor(boundary - 100, MINUTE), boundary);
        assert_eq!(floor(boundary - 300, MINUTE), boundary - MINUTE);
    }

    #[test]
    fn the_largest_timestamps_do_not_overflow() {
        for granularity in [1, 7, SECOND, 365 * DAY, i64::MAX] {
            assert!((0..=i64::MAX - 1).contains(&floor(NEWEST, granularity)), "{granularity}");
            let _ = Reach::of(i64::MAX, granularity);
            let _ = Reach::of(i64::MIN, granularity);
        }
    }

    #[test]
    fn a_reach_holds_only_what_the_division_puts_there() {
        let mut state = 12_345_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let granularity = i64::try_from(random() % (1 << (random() % 55 + 1)) + 1).unwrap();
            let timestamp = i64::try_from(random() >> (random() % 40 + 1)).unwrap().min(NEWEST);
            let reach = Reach::of(timestamp, granularity);
            assert_eq!(reach.start, floor(timestamp, granularity));
            for near in [reach.from, reach.from.midpoint(reach.until), reach.until.saturating_sub(1)] {
                if near >= reach.from && near < reach.until {
                    assert_eq!(floor(near, granularity), reach.start, "{timestamp} {granularity} {near}");
                }
            }
        }
    }
}
