//! Integers of any size, as far as paths compute with them: addition, multiplication, comparison.

use std::cmp::Ordering;
use std::fmt::Write;

use model::Value;

use super::MAX_DIGITS;

/// Decimal digits per limb.
const LIMB_DIGITS: usize = 9;
/// One more than the largest limb.
const BASE: u64 = 1_000_000_000;

/// A sign and a magnitude in limbs of nine decimal digits, least first, without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Integer {
    negative: bool,
    limbs: Vec<u32>,
}

fn limb(part: u64) -> u32 {
    // Remainders of BASE fit.
    u32::try_from(part).unwrap_or(u32::MAX)
}

impl From<i64> for Integer {
    fn from(number: i64) -> Self {
        let mut limbs = Vec::new();
        let mut rest = number.unsigned_abs();
        while rest > 0 {
            limbs.push(limb(rest % BASE));
            rest /= BASE;
        }
        Self { negative: number < 0, limbs }
    }
}

impl Integer {
    /// Reads a sign and decimal digits, at most [`MAX_DIGITS`] of them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let mut limbs = Vec::with_capacity(digits.len() / LIMB_DIGITS + 1);
        let mut end = digits.len();
        while end > 0 {
            let start = end.saturating_sub(LIMB_DIGITS);
            limbs.push(digits.get(start..end)?.parse().ok()?);
            end = start;
        }
        Some(Self::trimmed(negative, limbs))
    }

    /// The whole part of a finite double.
    pub(super) fn from_float(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        Self::parse(&format!("{:.0}", float.trunc()))
    }

    fn trimmed(negative: bool, mut limbs: Vec<u32>) -> Self {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self { negative: negative && !limbs.is_empty(), limbs }
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::from(if self.negative { "-" } else { "" });
        let mut limbs = self.limbs.iter().rev();
        match limbs.next() {
            None => text.push('0'),
            Some(first) => {
                let _ = write!(text, "{first}");
            }
        }
        for limb in limbs {
            let _ = write!(text, "{limb:09}");
        }
        text
    }

    /// The value; `None` beyond [`MAX_DIGITS`].
    pub(super) fn into_value(self) -> Option<Value> {
        let text = self.to_text();
        if text.len() > MAX_DIGITS + usize::from(self.negative) {
            return None;
        }
        Some(text.parse().map_or_else(|_| Value::BigInt(text.into_boxed_str()), Value::Int))
    }

    pub(super) fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.limbs.is_empty(), limbs: self.limbs.clone() }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => compare_limbs(&self.limbs, &other.limbs),
            (true, true) => compare_limbs(&other.limbs, &self.limbs),
        }
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        if self.negative == other.negative {
            return Self::trimmed(self.negative, add_limbs(&self.limbs, &other.limbs));
        }
        if compare_limbs(&self.limbs, &other.limbs) == Ordering::Less {
            Self::trimmed(other.negative, subtract_limbs(&other.limbs, &self.limbs))
        } else {
            Self::trimmed(self.negative, subtract_limbs(&self.limbs, &other.limbs))
        }
    }

    /// The product; `None` when it would be longer than [`MAX_DIGITS`].
    pub(super) fn multiply(&self, other: &Self) -> Option<Self> {
        if (self.limbs.len() + other.limbs.len()) * LIMB_DIGITS > MAX_DIGITS + 2 * LIMB_DIGITS {
            return None;
        }
        let mut limbs = vec![0_u32; self.limbs.len() + other.limbs.len()];
        for (place, &left) in self.limbs.iter().enumerate() {
            let mut carry = 0;
            let mut rest = limbs.iter_mut().skip(place);
            for &right in &other.limbs {
                let Some(target) = rest.next() else { break };
                let sum = u64::from(*target) + u64::from(left) * u64::from(right) + carry;
                *target = limb(sum % BASE);
                carry = sum / BASE;
            }
            if let Some(target) = rest.next() {
                *target = limb(carry);
            }
        }
        Some(Self::trimmed(self.negative != other.negative, limbs))
    }
}

fn compare_limbs(left: &[u32], right: &[u32]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn add_limbs(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut sum = Vec::with_capacity(left.len().max(right.len()) + 1);
    let mut carry = 0;
    for place in 0..left.len().max(right.len()) {
        let part = |limbs: &[u32]| u64::from(limbs.get(place).copied().unwrap_or(0));
        let total = part(left) + part(right) + carry;
        sum.push(limb(total % BASE));
        carry = total / BASE;
    }
    sum.push(limb(carry));
    sum
}

/// `left - right`, where `left` is not the smaller.
fn subtract_limbs(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut difference = Vec::with_capacity(left.len());
    let mut borrow = 0;
    for (place, &one) in left.iter().enumerate() {
        let other = u64::from(right.get(place).copied().unwrap_or(0)) + borrow;
        let one = u64::from(one);
        borrow = u64::from(one < other);
        difference.push(limb(one + borrow * BASE - other));
    }
    difference
}
