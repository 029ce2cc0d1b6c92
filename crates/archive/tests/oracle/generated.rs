//! Generated inputs: always the same ones, unless `PROPTEST_RNG_SEED` asks for others.

use nephoscope_archive::time::{DAY, NEWEST, SECOND};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many times as many cases are made: a soak sets `NEPHOSCOPE_ORACLE_FACTOR`, a build does not.
fn factor() -> usize {
    std::env::var("NEPHOSCOPE_ORACLE_FACTOR").map_or(1, |text| text.parse().expect("a number"))
}

/// So many cases of a strategy.
pub(crate) fn sample<T: std::fmt::Debug>(count: usize, strategy: impl Strategy<Value = T>) -> Vec<T> {
    let seed: u64 = std::env::var("PROPTEST_RNG_SEED").map_or(4_711, |text| text.parse().expect("a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count * factor()).map(|_| strategy.new_tree(&mut runner).expect("a case").current()).collect()
}

/// What the values of a series are like.
#[derive(Debug, Clone, Copy)]
enum Style {
    /// Small whole numbers, many of them equal.
    Whole,
    /// Two decimals.
    Decimals,
    /// Every order of magnitude.
    Wide,
    /// A counter, with resets.
    Counter,
    /// Huge and tiny.
    Extreme,
    /// Zeros of both signs, and a few ones.
    Zeros,
    /// All of this with NaN, infinities and zeros of both signs.
    Anything,
}

/// Numbers from a seed: a strategy for each of many values costs more than what is tested.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn strategy() -> impl Strategy<Value = Self> {
        any::<u64>().prop_map(|seed| Self(seed | 1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From `low` to `high`, which is excluded.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.next() % high.abs_diff(low).max(1)).expect("a range")
    }

    /// From 0 to 1, with all 53 bits.
    #[allow(clippy::cast_precision_loss, reason = "53 bits")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn whole(&mut self) -> f64 {
        f64::from(i32::try_from(self.between(-5, 20)).expect("small"))
    }

    fn wide(&mut self) -> f64 {
        let power = i32::try_from(self.between(-12, 12)).expect("small");
        (self.unit() * 2.0 - 1.0) * 10.0_f64.powi(power)
    }

    fn extreme(&mut self) -> f64 {
        (self.unit() * 2.0 - 1.0) * if self.between(0, 2) == 0 { 1.7e308 } else { 1e-310 }
    }

    fn value(&mut self, style: Style) -> f64 {
        match style {
            Style::Whole | Style::Counter => self.whole(),
            Style::Decimals => {
                f64::from(i32::try_from(self.between(-10_000, 10_000)).expect("small")) / 100.0
            }
            Style::Wide => self.wide(),
            Style::Zeros => [0.0, -0.0, 1.0][usize::try_from(self.between(0, 3)).expect("small")],
            Style::Extreme => {
                if self.between(0, 4) == 0 {
                    self.extreme()
                } else {
                    self.wide()
                }
            }
            Style::Anything => match self.between(0, 12) {
                0..4 => self.whole(),
                4..8 => self.wide(),
                8 => self.extreme(),
                9 => f64::NAN,
                10 => [f64::INFINITY, f64::NEG_INFINITY][usize::from(self.unit() < 0.5)],
                _ => [0.0, -0.0][usize::from(self.unit() < 0.5)],
            },
        }
    }
}

/// So many values of one style; the flag says whether all of them are finite and of moderate size.
pub(crate) fn values(count: usize) -> impl Strategy<Value = (Vec<f64>, bool)> {
    let style = prop::sample::select(vec![
        Style::Whole,
        Style::Decimals,
        Style::Wide,
        Style::Counter,
        Style::Extreme,
        Style::Zeros,
        Style::Anything,
        Style::Anything,
    ]);
    (style, Random::strategy()).prop_map(move |(style, mut random)| {
        let mut values: Vec<f64> = (0..count).map(|_| random.value(style)).collect();
        if matches!(style, Style::Counter) {
            let mut sum = 1e9;
            for value in &mut values {
                sum = if *value == 0.0 { 0.0 } else { sum + value.abs() * 12_345.678 };
                *value = sum;
            }
        }
        (values, !matches!(style, Style::Extreme | Style::Anything))
    })
}

/// When a series begins that doubles hold the groups of, also those of half a second.
pub(crate) fn recent() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![0, 1_000 * SECOND, 1_766_000_000 * SECOND + 7])
        .prop_flat_map(|base| (0..90_000 * SECOND).prop_map(move |offset| base + offset))
}

/// When a series begins.
fn begin() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![
        0,
        1_000 * SECOND,
        1_766_000_000 * SECOND + 7,
        4_611_686_017 * SECOND,
        NEWEST - 60_000 * DAY,
    ])
    .prop_flat_map(|base| (0..90_000 * SECOND).prop_map(move |offset| base + offset))
}

/// How many points a series has; a few are long.
pub(crate) fn length() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..60_usize, 1 => 300..900_usize]
}

/// Ascending timestamps near the boundaries of a granularity, at them, and anywhere.
pub(crate) fn timestamps(count: usize, granularity: i64) -> impl Strategy<Value = Vec<i64>> {
    let shares = prop::sample::select(vec![0, 1, 7, 20, 150]);
    (begin(), shares, Random::strategy()).prop_map(move |(begin, share, mut random)| {
        // From many points a group to a group every few points.
        let step = granularity / 60 * share + granularity / 1_000 + 1;
        let mut last = begin;
        let mut timestamps = Vec::with_capacity(count);
        for _ in 0..count {
            let mut next = last + random.between(1, step + 1);
            if random.between(0, 5) == 0 {
                let near = [0, random.between(-130, 130), random.between(-600, 600)];
                next = (next / granularity + 1) * granularity
                    + near[usize::try_from(random.between(0, 3)).unwrap()];
            }
            last = next.max(last + 1).min(NEWEST - 1_000);
            timestamps.push(last);
        }
        timestamps.dedup();
        timestamps
    })
}
