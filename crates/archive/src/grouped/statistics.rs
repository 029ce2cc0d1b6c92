//! Statistics of one group.

use std::cmp::Ordering;

use crate::method::Percent;

/// A count as a double.
#[allow(clippy::cast_precision_loss, reason = "no group has 2⁵³ values")]
pub(super) fn count(values: usize) -> f64 {
    values as f64
}

/// The square root of the sum of squared differences from the mean by n − 1, added in the order of time.
pub(super) fn deviation(values: &[f64], mean: f64) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let squares = values.iter().fold(0.0, |sum, value| {
        let difference = value - mean;
        sum + difference * difference
    });
    Some((squares / count(values.len() - 1)).sqrt())
}

/// Ascending, NaN last, equal values in the order of time.
pub(super) fn sort(values: &mut [f64]) {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| nan_last(*a, *b)));
}

fn nan_last(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan())
}

/// The middle of sorted values.
pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let lower = if sorted.len().is_multiple_of(2) { *sorted.get(middle.checked_sub(1)?)? } else { upper };
    // Not a midpoint: like Gnocchi's, the sum of two huge values is infinite, that of one with itself too.
    #[allow(clippy::manual_midpoint, reason = "the sum overflows as Gnocchi's does")]
    Some((lower + upper) / 2.0)
}

/// A percentile of sorted values.
///
/// Gnocchi computes positions in the whole window, `offset` points after its begin, which makes the last bits depend
/// on what else was in the batch. With an offset of 0 they depend on the group alone.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position within the group")]
pub(super) fn percentile(sorted: &[f64], percent: Percent, offset: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = count(offset) + count(last) * (f64::from(percent.get()) / 100.0);
    let (floor, ceiling) = (position.floor(), position.ceil());
    let lower = *sorted.get((floor as usize).checked_sub(offset)?)?;
    if floor.to_bits() == ceiling.to_bits() {
        return Some(lower);
    }
    let upper = *sorted.get((ceiling as usize).checked_sub(offset)?)?;
    Some(lower * (ceiling - position) + upper * (position - floor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_depend_on_where_the_group_stands_in_the_last_bits_alone() {
        let sorted = [0.2, 3.3, 100.0];
        let first = Percent::new(1).unwrap();
        assert_eq!(percentile(&sorted, first, 0), Some(0.262));
        assert_eq!(percentile(&sorted, first, 5), Some(0.261_999_999_999_998_7));
    }

    #[test]
    fn the_middle_of_huge_values_overflows() {
        assert_eq!(median(&[1e308]), Some(f64::INFINITY));
        assert_eq!(median(&[1.0, 4.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
