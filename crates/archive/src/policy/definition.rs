//! One granularity of a policy, and how long its aggregates are kept.

use crate::method::Method;
use crate::time::{SECOND, double};

use super::Aggregation;

/// Why three numbers are no definition. The texts are Gnocchi's, which clients show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// Granularity, points and timespan contradict each other.
    #[error("timespan ≠ granularity × points")]
    Contradiction,
    /// The granularity is no time, or a timespan by its points is less than a nanosecond.
    #[error("Granularity should be > 0")]
    Granularity,
    /// No point would be kept.
    #[error("Number of points should be > 0")]
    Points,
    /// Only one of the three, or none.
    #[error("At least two of granularity/points/timespan must be provided")]
    TooLittle,
    /// The timespan is shorter than the granularity.
    #[error("Calculated number of points is < 0")]
    NoPoint,
    /// More time than 64 bits of nanoseconds hold.
    #[error("granularity × points is longer than 292 years")]
    TooLong,
}

/// A granularity, and how many points of it are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    granularity: i64,
    limit: Option<(u64, i64)>,
}

impl Definition {
    /// A definition of what of the three is given; times in nanoseconds.
    ///
    /// Two of them make the third; a granularity alone is kept without bound. A timespan that is no multiple of the
    /// granularity is shortened to one, one that is divided by points is cut to whole nanoseconds.
    pub fn new(
        granularity: Option<i64>,
        points: Option<u64>,
        timespan: Option<i64>,
    ) -> Result<Self, DefinitionError> {
        let span = |granularity: i64, points: u64| {
            let points = i64::try_from(points).ok()?;
            granularity.checked_mul(points)
        };
        if let (Some(granularity), Some(points), Some(timespan)) = (granularity, points, timespan)
            && span(granularity, points) != Some(timespan)
        {
            return Err(DefinitionError::Contradiction);
        }
        if granularity.is_some_and(|granularity| granularity <= 0) {
            return Err(DefinitionError::Granularity);
        }
        if points == Some(0) {
            return Err(DefinitionError::Points);
        }
        let granularity = match (granularity, points, timespan) {
            (Some(granularity), ..) => granularity,
            (None, Some(points), Some(timespan)) => divided(timespan, points),
            (None, ..) => return Err(DefinitionError::TooLittle),
        };
        if granularity <= 0 {
            return Err(DefinitionError::Granularity);
        }
        let points = match (points, timespan) {
            (Some(points), _) => points,
            (None, None) => return Ok(Self { granularity, limit: None }),
            (None, Some(timespan)) => whole_points(timespan, granularity).ok_or(DefinitionError::NoPoint)?,
        };
        let timespan = span(granularity, points).ok_or(DefinitionError::TooLong)?;
        Ok(Self { granularity, limit: Some((points, timespan)) })
    }

    /// A granularity and a multiple of it.
    pub(super) const fn spanning(granularity: i64, timespan: i64) -> Self {
        Self { granularity, limit: Some(((timespan / granularity).unsigned_abs(), timespan)) }
    }

    /// The width of a group, in nanoseconds.
    pub const fn granularity(&self) -> i64 {
        self.granularity
    }

    /// How many points are kept; all of them without a number.
    pub fn points(&self) -> Option<u64> {
        self.limit.map(|(points, _)| points)
    }

    /// How far before the newest point they reach, in nanoseconds.
    pub fn timespan(&self) -> Option<i64> {
        self.limit.map(|(_, timespan)| timespan)
    }

    pub(crate) fn aggregation(&self, method: Method) -> Aggregation {
        Aggregation { method, granularity: self.granularity, timespan: self.timespan() }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "numpy divides doubles")]
fn divided(timespan: i64, points: u64) -> i64 {
    (double(timespan) / points as f64) as i64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numpy divides doubles")]
fn whole_points(timespan: i64, granularity: i64) -> Option<u64> {
    let points = (double(timespan) / double(granularity)).trunc();
    (points >= 1.0).then_some(points as u64)
}

/// Seconds as Python prints them: `60.0`, `0.5`, `1e-09`.
pub(super) fn seconds_text(nanoseconds: i64) -> String {
    let text = format!("{:?}", double(nanoseconds) / double(SECOND));
    match text.split_once("e-") {
        Some((digits, exponent)) if exponent.len() == 1 => format!("{digits}e-0{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_three_make_the_third() {
        let make = Definition::new;
        let parts = |made: Result<Definition, DefinitionError>| {
            made.map(|made| (made.granularity(), made.points(), made.timespan()))
        };
        assert_eq!(parts(make(Some(5), Some(3), None)), Ok((5, Some(3), Some(15))));
        assert_eq!(parts(make(Some(5), None, Some(17))), Ok((5, Some(3), Some(15))));
        assert_eq!(parts(make(None, Some(3), Some(17))), Ok((5, Some(3), Some(15))));
        assert_eq!(parts(make(Some(5), Some(3), Some(15))), Ok((5, Some(3), Some(15))));
        assert_eq!(parts(make(Some(5), None, None)), Ok((5, None, None)));
        for (made, text) in [
            (make(Some(5), Some(3), Some(17)), "timespan ≠ granularity × points"),
            (make(Some(0), Some(3), None), "Granularity should be > 0"),
            (make(None, Some(3), Some(2)), "Granularity should be > 0"),
            (make(Some(1), Some(0), None), "Number of points should be > 0"),
            (make(None, Some(3), None), "At least two of granularity/points/timespan must be provided"),
            (make(None, None, Some(3)), "At least two of granularity/points/timespan must be provided"),
            (make(None, None, None), "At least two of granularity/points/timespan must be provided"),
            (make(Some(5), None, Some(4)), "Calculated number of points is < 0"),
            (make(Some(i64::MAX), Some(2), None), "granularity × points is longer than 292 years"),
        ] {
            assert_eq!(made.unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn seconds_are_printed_as_python_does() {
        for (nanoseconds, text) in
            [(SECOND, "1.0"), (SECOND / 2, "0.5"), (1, "1e-09"), (100_000, "0.0001"), (12_000, "1.2e-05")]
        {
            assert_eq!(seconds_text(nanoseconds), text);
        }
    }
}
