//! The aggregates of one granularity of a metric.

mod seal;

use archive::{Method, Points, Series, Statistic, time};

use crate::chunk_files::ChunkPlace;
use crate::columns::Columns;
use crate::open_group::OpenGroup;
use crate::policies::Policy;
use crate::rows::{Rows, each_row};
use crate::salvage::FoundLevel;

pub(crate) use seal::Sealing;

/// Rows that are in no chunk yet, the newest group apart while it can be continued, and the places of the chunks.
#[derive(Debug, Default)]
pub(crate) struct Level {
    /// What is in no chunk yet. It replaces what chunks have at the same times.
    pub(crate) rows: Rows,
    /// The newest group, which has no row while it is here.
    pub(crate) open: Option<OpenGroup>,
    /// Older first; later ones replace earlier ones.
    pub(crate) chunks: Vec<ChunkPlace>,
    pub(crate) newest: Newest,
}

/// Methods whose series have the same starts, because they need as many values of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Every group has a value.
    Plain,
    /// A group needs two values.
    Deviation,
    /// A group needs a difference.
    Rate,
    /// A group needs two differences.
    RateDeviation,
}

impl Class {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Deviation, Self::Rate, Self::RateDeviation];

    pub(crate) fn of(method: Method) -> Self {
        match (method.rate, method.statistic == Statistic::Std) {
            (false, false) => Self::Plain,
            (false, true) => Self::Deviation,
            (true, false) => Self::Rate,
            (true, true) => Self::RateDeviation,
        }
    }

    /// A bit for sets of classes.
    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The newest start of the series of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest([i64; 4]);

impl Default for Newest {
    fn default() -> Self {
        Self([Self::NEVER; 4])
    }
}

impl Newest {
    const NEVER: i64 = i64::MIN;

    pub(crate) fn get(self, class: Class) -> Option<i64> {
        self.0.get(class as usize).copied().filter(|newest| *newest != Self::NEVER)
    }

    pub(crate) fn note(&mut self, class: Class, start: i64) {
        if let Some(newest) = self.0.get_mut(class as usize) {
            *newest = (*newest).max(start);
        }
    }

    fn note_group(&mut self, group: &OpenGroup, has_rate: bool) {
        self.note(Class::Plain, group.start());
        if group.len() > 1 {
            self.note(Class::Deviation, group.start());
        }
        if has_rate && group.differences() > 0 {
            self.note(Class::Rate, group.start());
        }
        if has_rate && group.differences() > 1 {
            self.note(Class::RateDeviation, group.start());
        }
    }
}

/// The start of the oldest aggregate that is kept when `newest` is the newest one.
pub(crate) fn oldest_kept(newest: i64, timespan: i64) -> i64 {
    newest.saturating_sub(timespan).saturating_add(1)
}

impl Level {
    /// What it takes in memory, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let places = self.chunks.capacity() * size_of::<ChunkPlace>();
        size_of::<Self>() + self.rows.memory_bytes() + places
    }

    /// Whether points that are newer than all raw ones touch no group but the open one and new ones, and computing these
    /// anew would find all of their points. `last` is the newest raw point.
    pub(crate) fn goes_on(&self, last: Option<i64>, timestamps: &[i64], granularity: i64) -> bool {
        let Some(first) = timestamps.first() else { return true };
        let begin = time::floor(*first, granularity);
        let is_cut = self.open.is_none() && last.is_some_and(|last| time::floor(last, granularity) == begin);
        !is_cut
            && self.rows.last().is_none_or(|last| last < begin)
            && stand_in_their_groups(timestamps, granularity)
    }

    /// Takes the points of `raw` from number `old` on, for which [`Self::goes_on`] holds; then `raw` is cut before `oldest`.
    pub(crate) fn extend(
        &mut self,
        raw: Points<'_>,
        old: usize,
        policy: &Policy,
        granularity: i64,
        oldest: i64,
    ) {
        let new = raw.skip(old);
        if let (Some(first), Some(last)) = (new.timestamps().first(), new.timestamps().last()) {
            let groups = usize::try_from(last.saturating_sub(*first) / granularity.max(1));
            self.rows.reserve(groups.map_or(new.len(), |groups| groups.saturating_add(1).min(new.len())));
        }
        let mut cells = Vec::new();
        let mut group = self.open.take();
        let mut reach = time::Reach { start: 0, from: 0, until: 0 };
        for (place, (timestamp, value)) in (old..).zip(new.iter()) {
            let before = place.checked_sub(1).filter(|_| policy.has_rate);
            let before =
                before.and_then(|place| Some((*raw.timestamps().get(place)?, *raw.values().get(place)?)));
            if timestamp < reach.from || timestamp >= reach.until {
                reach = time::Reach::of(timestamp, granularity);
            }
            match &mut group {
                Some(group) if group.start() == reach.start => {
                    group.push(value, before.map(|(_, value)| value));
                }
                other => {
                    if let Some(done) = other.take() {
                        self.close(&done, raw.take(place), policy, granularity, &mut cells);
                    }
                    // The first group that a batch touches has a difference from a near point only, as when it is computed anew.
                    let near = if place == old { reach.start.saturating_sub(granularity) } else { i64::MIN };
                    let before = before.filter(|(at, _)| *at >= near).map(|(_, value)| value);
                    *other = Some(OpenGroup::begin(reach.start, value, before));
                }
            }
        }
        let Some(group) = group else { return };
        if group.lasts(raw, granularity, oldest) {
            self.newest.note_group(&group, policy.has_rate);
            self.open = Some(group);
        } else {
            self.close(&group, raw, policy, granularity, &mut cells);
        }
    }

    /// Makes a row of a group; `raw` ends with its points.
    fn close(
        &mut self,
        group: &OpenGroup,
        raw: Points<'_>,
        policy: &Policy,
        granularity: i64,
        cells: &mut Vec<Option<f64>>,
    ) {
        self.newest.note_group(group, policy.has_rate);
        group.cells(raw, granularity, &policy.columns, cells);
        self.rows.push(group.start(), cells, &policy.columns, granularity);
    }

    /// A series for each column of what is in no chunk.
    pub(crate) fn unpacked(&self, raw: Points<'_>, columns: &Columns, granularity: i64) -> Vec<Series> {
        let mut series = self.rows.unpacked(columns, granularity);
        if let Some(group) = &self.open {
            let mut cells = Vec::new();
            group.cells(raw, granularity, columns, &mut cells);
            for (series, value) in series.iter_mut().zip(cells) {
                if let Some(value) = value {
                    series.push(group.start(), value);
                }
            }
        }
        series
    }

    /// Names chunks again of which the state was lost, beside what is in no chunk.
    pub(crate) fn take_back(
        &mut self,
        found: FoundLevel,
        series: &[Series],
        raw: Points<'_>,
        policy: &Policy,
        granularity: i64,
    ) {
        for class in Class::ALL {
            if let Some(newest) = found.newest.get(class) {
                self.newest.note(class, newest);
            }
        }
        self.chunks = found.chunks;
        self.put(series, raw, policy, granularity);
    }

    /// Replaces what is in no chunk. The newest group is open again if computing it anew says the same.
    pub(crate) fn put(&mut self, series: &[Series], raw: Points<'_>, policy: &Policy, granularity: i64) {
        let columns = &policy.columns;
        self.open = OpenGroup::of(raw, granularity, policy.has_rate).filter(|group| {
            let mut cells = Vec::new();
            group.cells(raw, granularity, columns, &mut cells);
            let newest = series.iter().filter_map(Series::last).max();
            newest == Some(group.start())
                && series.iter().zip(&cells).all(|(series, cell)| {
                    let own = series.points().iter().last().filter(|(start, _)| *start == group.start());
                    own.map(|(_, value)| value.to_bits()) == cell.map(f64::to_bits)
                })
        });
        let mut rows = Rows::default();
        each_row(series, |start, cells| {
            if self.open.as_ref().is_none_or(|group| group.start() != start) {
                rows.push(start, cells, columns, granularity);
            }
        });
        self.rows = rows;
        for (method, series) in columns.methods().iter().zip(series) {
            if let Some(last) = series.last() {
                self.newest.note(Class::of(*method), last);
            }
        }
    }
}

/// Whether no point lies just before the group that it is rounded into: such a point leaves its group when that is computed
/// anew.
fn stand_in_their_groups(timestamps: &[i64], granularity: i64) -> bool {
    let mut reach = time::Reach { start: 0, from: 0, until: 0 };
    timestamps.iter().all(|timestamp| {
        if *timestamp < reach.from || *timestamp >= reach.until {
            reach = time::Reach::of(*timestamp, granularity);
        }
        *timestamp >= reach.start
    })
}
