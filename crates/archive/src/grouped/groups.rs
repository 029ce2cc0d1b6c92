//! Where groups begin and end.

use crate::time::Reach;

use super::Grouping;

/// The groups of a column of timestamps.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    starts: Vec<i64>,
    /// For each group, the index after its last point.
    ends: Vec<usize>,
}

impl Groups {
    /// Points of equal group starts are neighbours, because timestamps ascend.
    pub(super) fn find(timestamps: &[i64], grouping: Grouping) -> Self {
        let mut groups = Self { starts: Vec::new(), ends: Vec::new() };
        let Some(&first) = timestamps.first() else { return groups };
        let mut reach = reach_of(first, grouping);
        groups.starts.push(reach.start);
        for (index, &timestamp) in timestamps.iter().enumerate().skip(1) {
            // Two comparisons for most points; only near a group's boundary it takes a division.
            if timestamp >= reach.from && timestamp < reach.until {
                continue;
            }
            let next = reach_of(timestamp, grouping);
            if next.start != reach.start {
                groups.ends.push(index);
                groups.starts.push(next.start);
            }
            reach = next;
        }
        groups.ends.push(timestamps.len());
        groups
    }

    pub(super) fn starts(&self) -> &[i64] {
        &self.starts
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// How many points each group has.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        let mut begin = 0;
        self.ends.iter().map(move |end| end.saturating_sub(std::mem::replace(&mut begin, *end)))
    }

    /// Each group's start, and its part of a column of values.
    pub(super) fn iter<'v>(&self, values: &'v [f64]) -> impl Iterator<Item = (i64, &'v [f64])> {
        let mut begin = 0;
        self.starts.iter().zip(&self.ends).map(move |(start, end)| {
            let from = std::mem::replace(&mut begin, *end);
            (*start, values.get(from..*end).unwrap_or_default())
        })
    }

    /// The groups of the same timestamps without the first one.
    pub(super) fn without_first_point(&self) -> Self {
        let emptied = usize::from(self.ends.first() == Some(&1));
        Self {
            starts: self.starts.iter().skip(emptied).copied().collect(),
            ends: self.ends.iter().skip(emptied).map(|end| end.saturating_sub(1)).collect(),
        }
    }
}

fn reach_of(timestamp: i64, grouping: Grouping) -> Reach {
    match grouping {
        Grouping::Fixed(granularity) => Reach::of(timestamp, granularity),
        Grouping::Calendar(calendar) => {
            let (start, until) = calendar.bounds(timestamp);
            Reach { start, from: start, until }
        }
    }
}
