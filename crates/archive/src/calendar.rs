//! Groups of the Gregorian calendar, in UTC: years, halves, quarters, months, weeks.

use crate::time::DAY;

/// A calendar group, by the letter that Gnocchi's `resample` parameter has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// `Y`: from 1 January.
    Year,
    /// `H`: from 1 January and 1 July.
    HalfYear,
    /// `Q`: from 1 January, April, July and October.
    Quarter,
    /// `M`: from the first of the month.
    Month,
    /// `W`: from Sunday.
    Week,
}

impl Calendar {
    /// Every group with its letter.
    pub const ALL: [(Self, char); 5] = [
        (Self::Year, 'Y'),
        (Self::HalfYear, 'H'),
        (Self::Quarter, 'Q'),
        (Self::Month, 'M'),
        (Self::Week, 'W'),
    ];

    /// The group of a letter; letters are case-sensitive.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| letter.chars().eq([*known])).map(|(group, _)| *group)
    }

    /// Its letter, which also stands in the granularity column of what was grouped by it.
    pub fn letter(self) -> char {
        Self::ALL.iter().find(|(group, _)| *group == self).map_or('?', |(_, letter)| *letter)
    }

    /// The start of the group that holds `timestamp`, and the start of the next one; nanoseconds since the epoch.
    pub fn bounds(self, timestamp: i64) -> (i64, i64) {
        let day = timestamp.div_euclid(DAY);
        let (first, next) = match self.months() {
            // 1970 began on a Thursday, four days after a Sunday.
            None => {
                let sunday = (day + 4).div_euclid(7) * 7 - 4;
                (sunday, sunday + 7)
            }
            Some(months) => {
                let first = month_of(day).div_euclid(months) * months;
                (first_day(first), first_day(first + months))
            }
        };
        (first.saturating_mul(DAY), next.saturating_mul(DAY))
    }

    fn months(self) -> Option<i64> {
        match self {
            Self::Year => Some(12),
            Self::HalfYear => Some(6),
            Self::Quarter => Some(3),
            Self::Month => Some(1),
            Self::Week => None,
        }
    }
}

/// Days of the 400 years after which the calendar repeats itself.
const ERA_DAYS: i64 = 146_097;

/// From 1 March of year 0, where the eras begin, to the epoch.
const EPOCH_DAYS: i64 = 719_468;

/// The month of a day since the epoch, in months since January of year 0.
fn month_of(day: i64) -> i64 {
    let shifted = day + EPOCH_DAYS;
    let day_of_era = shifted.rem_euclid(ERA_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA_DAYS - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March is month 0: the leap day ends the year.
    let month = (5 * day_of_year + 2) / 153;
    (shifted.div_euclid(ERA_DAYS) * 400 + year_of_era) * 12 + month + 2
}

/// The first day of a month, in days since the epoch.
fn first_day(month: i64) -> i64 {
    let from_march = month - 2;
    let (year, month) = (from_march.div_euclid(12), from_march.rem_euclid(12));
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * ERA_DAYS + 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + (153 * month + 2) / 5
        - EPOCH_DAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_those_of_gnocchi() {
        for (group, letter) in Calendar::ALL {
            assert_eq!(Calendar::from_letter(&letter.to_string()), Some(group));
            assert_eq!(group.letter(), letter);
        }
        for other in ["", "y", "D", "YY", "1"] {
            assert_eq!(Calendar::from_letter(other), None, "{other}");
        }
    }

    #[test]
    fn every_day_of_three_centuries_lies_between_its_bounds() {
        for (group, _) in Calendar::ALL {
            let mut end = group.bounds(0).0;
            for day in -40..106_000 {
                let moment = day * DAY;
                let (start, next) = group.bounds(moment);
                assert!(start <= moment && moment < next);
                assert_eq!(group.bounds(next - 1), (start, next));
                if moment >= end && day >= 0 {
                    assert_eq!(start, end, "{group:?} {day}");
                    end = next;
                }
            }
        }
    }

    #[test]
    fn known_days() {
        // 2024-02-29 is day 19782, a Thursday.
        let leap = 19_782 * DAY + 5;
        let days = |group: Calendar| {
            let (start, next) = group.bounds(leap);
            (start / DAY, next / DAY)
        };
        assert_eq!(days(Calendar::Year), (19_723, 20_089));
        assert_eq!(days(Calendar::HalfYear), (19_723, 19_905));
        assert_eq!(days(Calendar::Quarter), (19_723, 19_814));
        assert_eq!(days(Calendar::Month), (19_754, 19_783));
        assert_eq!(days(Calendar::Week), (19_778, 19_785));
    }
}
