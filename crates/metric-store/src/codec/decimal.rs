//! Doubles that are integers divided by a power of ten: what most meters report.

use crate::bytes::{Reader, put_signed};

use super::bits::{BitReader, BitWriter};

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Integers up to here are exact as doubles.
const LARGEST: f64 = 9_007_199_254_740_992.0;
const BLOCK: usize = 64;
const PLAIN: u8 = 0;
const DIFFERENCES: u8 = 1;

/// The values in this form, if all of them have it.
pub(crate) fn encode(values: &[f64]) -> Option<Vec<u8>> {
    let mut place = 0;
    for value in values {
        place = places(*value, place)?;
    }
    let power = *POWERS.get(place)?;
    let integers: Vec<i64> = values.iter().map(|value| scaled(*value, power)).collect::<Option<_>>()?;
    let mut before = 0;
    let differences = integers.iter().map(|integer| integer - std::mem::replace(&mut before, *integer));
    let differences: Vec<i64> = differences.collect();
    let (plain, differences) = (pack(&integers), pack(&differences));
    let (order, packed) =
        if differences.len() < plain.len() { (DIFFERENCES, differences) } else { (PLAIN, plain) };
    let mut bytes = vec![u8::try_from(place).ok()?, order];
    bytes.extend_from_slice(&packed);
    Some(bytes)
}

pub(crate) fn read(reader: &mut Reader<'_>, count: usize) -> Option<Vec<f64>> {
    let power = *POWERS.get(usize::from(reader.byte()?))?;
    let order = reader.byte()?;
    let mut integers = unpack(reader, count)?;
    match order {
        PLAIN => {}
        DIFFERENCES => {
            let mut sum = 0_i64;
            for integer in &mut integers {
                sum = sum.wrapping_add(*integer);
                *integer = sum;
            }
        }
        _ => return None,
    }
    Some(integers.into_iter().map(|integer| divided(integer, power)).collect())
}

/// The first number of places, from `least` on, with which the value is an integer.
pub(crate) fn places(value: f64, least: usize) -> Option<usize> {
    let fits = |power: &f64| scaled(value, *power).is_some();
    POWERS.iter().skip(least).position(fits).map(|more| least + more)
}

/// The integer that, with so many decimal places, gives the value back to the bit.
pub(crate) fn integer(value: f64, places: usize) -> Option<i64> {
    scaled(value, *POWERS.get(places)?)
}

/// The value of an integer with so many decimal places; `None` if there are too many of them.
pub(crate) fn value(integer: i64, places: usize) -> Option<f64> {
    Some(divided(integer, *POWERS.get(places)?))
}

#[allow(clippy::cast_possible_truncation, reason = "checked")]
fn scaled(value: f64, power: f64) -> Option<i64> {
    let scaled = (value * power).round();
    // Neither NaN nor what is too large compares so.
    let integer = if scaled.abs() < LARGEST { scaled as i64 } else { return None };
    (divided(integer, power).to_bits() == value.to_bits()).then_some(integer)
}

#[allow(clippy::cast_precision_loss, reason = "the encoder has checked that it comes back")]
fn divided(integer: i64, power: f64) -> f64 {
    integer as f64 / power
}

fn pack(integers: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in integers.chunks(BLOCK) {
        let (Some(least), Some(most)) = (block.iter().min(), block.iter().max()) else { continue };
        let width = 64 - most.wrapping_sub(*least).leading_zeros();
        put_signed(&mut bytes, *least);
        bytes.push(u8::try_from(width).unwrap_or_default());
        let mut bits = BitWriter::default();
        for integer in block {
            bits.put(integer.wrapping_sub(*least).cast_unsigned(), width);
        }
        bytes.extend_from_slice(&bits.into_bytes());
    }
    bytes
}

fn unpack(reader: &mut Reader<'_>, count: usize) -> Option<Vec<i64>> {
    let mut integers = Vec::with_capacity(count);
    while integers.len() < count {
        let block = BLOCK.min(count - integers.len());
        let least = reader.signed()?;
        let width = reader.byte().filter(|width| *width <= 64)?;
        let bytes = reader.take((block * usize::from(width)).div_ceil(8))?;
        let mut bits = BitReader::new(bytes);
        for _ in 0..block {
            integers.push(least.wrapping_add(bits.take(u32::from(width))?.cast_signed()));
        }
    }
    Some(integers)
}
