//! Comparison of series, and the differences that are expected.

use std::collections::BTreeSet;

use nephoscope_archive::{Method, Points, Statistic};
use serde_json::Value;

/// The differences of a suite that occurred.
pub(crate) struct Differences {
    suite: &'static str,
    known: BTreeSet<String>,
    used: BTreeSet<String>,
    failures: Vec<String>,
    compared: usize,
}

impl Differences {
    pub(crate) fn of(suite: &'static str) -> Self {
        let all: Value =
            serde_json::from_str(include_str!("differences.json")).expect("the differences are JSON");
        let known = all[suite].as_object().expect("a suite").keys().cloned().collect();
        Self { suite, known, used: BTreeSet::new(), failures: Vec::new(), compared: 0 }
    }

    /// A difference of a known kind.
    pub(crate) fn expected(&mut self, name: &str) {
        assert!(self.known.contains(name), "{name} is no difference of {}", self.suite);
        self.used.insert(name.to_owned());
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    pub(crate) fn compared(&mut self) {
        self.compared += 1;
    }

    /// Whatever differs without being named fails, and every name must have been needed.
    pub(crate) fn finish(self, at_least: usize) {
        let shown = self.failures.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.failures.is_empty(), "{} of {} differ:\n{shown}", self.failures.len(), self.compared);
        let unused: Vec<_> = self.known.difference(&self.used).collect();
        assert!(unused.is_empty(), "expected differences that do not occur (any more): {unused:?}");
        assert!(self.compared >= at_least, "only {} comparisons", self.compared);
        println!("{}: {} comparisons", self.suite, self.compared);
    }

    /// Two series point by point.
    pub(crate) fn series(
        &mut self,
        ours: Points<'_>,
        theirs: Points<'_>,
        how: Exactness,
        what: impl Fn() -> String,
    ) {
        self.compared();
        let mut problem = (ours.timestamps() != theirs.timestamps()).then(|| "timestamps".to_owned());
        for (ours, theirs) in ours.values().iter().zip(theirs.values()) {
            match how.compare(*ours, *theirs) {
                Ok(None) => {}
                Ok(Some(name)) => self.expected(name),
                Err(()) => problem = problem.or(Some(format!("{ours:?} is not {theirs:?}"))),
            }
        }
        if let Some(problem) = problem {
            self.fail(format!("{}: {problem}\n  ours   {ours:?}\n  theirs {theirs:?}", what()));
        }
    }
}

/// How equal values must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exactness {
    /// The same bits; any NaN is equal to any other.
    Bits,
    /// As bits, but zeros of either sign are equal: which one a sort leaves first is not defined.
    Zeros,
    /// Percentiles within 1e-9 of a scale, which must be finite.
    Percentile { scale: f64 },
    /// Within so much of the value itself: what the C library of the machine computes.
    Library,
}

impl Exactness {
    pub(crate) fn of(method: Method, scale: f64) -> Self {
        match method.statistic {
            Statistic::Percentile(_) => Self::Percentile { scale },
            Statistic::Min | Statistic::Max | Statistic::Median => Self::Zeros,
            _ => Self::Bits,
        }
    }

    fn compare(self, ours: f64, theirs: f64) -> Result<Option<&'static str>, ()> {
        #[allow(clippy::float_cmp, reason = "zeros of either sign")]
        let zeros = ours == 0.0 && theirs == 0.0;
        if ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()) {
            return Ok(None);
        }
        match self {
            Self::Zeros if zeros => Ok(Some("sign_of_zero")),
            Self::Percentile { .. } if zeros => Ok(Some("percentile_positions")),
            Self::Percentile { scale } if (ours - theirs).abs() <= 1e-9 * scale => {
                Ok(Some("percentile_positions"))
            }
            Self::Library if (ours - theirs).abs() <= 1e-14 * ours.abs() => Ok(None),
            Self::Bits | Self::Zeros | Self::Percentile { .. } | Self::Library => Err(()),
        }
    }
}
