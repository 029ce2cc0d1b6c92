//! Doubles that are integers divided by a power of ten: what most meters report.

use crate::bytes::{Reader, put_signed, signed_bytes};

use super::bits::{BitReader, BitWriter};

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Integers up to here are exact as doubles.
const LARGEST: f64 = 9_007_199_254_740_992.0;
/// Doubles from here on are integers.
const HALVES_END: f64 = 4_503_599_627_370_496.0;
/// So many decimal places are few.
const SHORT_PLACES: usize = 6;
/// Values up to here are exact enough for one more digit behind [`SHORT_PLACES`].
const SHORT_END: f64 = 1e9;
const BLOCK: usize = 64;
const PLAIN: u8 = 0;
const DIFFERENCES: u8 = 1;

/// The values in this form, if all of them have it.
pub(crate) fn encode(values: &[f64]) -> Option<Vec<u8>> {
    let (place, integers) = integers(values)?;
    let mut before = 0;
    let differences = integers.iter().map(|integer| integer - std::mem::replace(&mut before, *integer));
    let differences: Vec<i64> = differences.collect();
    let (plain, packed) = (packed_bytes(&integers), packed_bytes(&differences));
    let mut bytes = Vec::with_capacity(2 + plain.min(packed));
    bytes.push(u8::try_from(place).ok()?);
    if packed < plain {
        bytes.push(DIFFERENCES);
        pack(&differences, &mut bytes);
    } else {
        bytes.push(PLAIN);
        pack(&integers, &mut bytes);
    }
    Some(bytes)
}

/// The values as integers, with the fewest decimal places that all of them have.
fn integers(values: &[f64]) -> Option<(usize, Vec<i64>)> {
    let mut integers = Vec::with_capacity(values.len());
    let mut place = 0;
    while let Some(value) = values.get(integers.len()) {
        if let Some(integer) = integer(*value, place) {
            integers.push(integer);
        } else {
            place = places(*value, place + 1)?;
            integers.clear();
        }
    }
    Some((place, integers))
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

/// Whether the value has this form with [`SHORT_PLACES`] decimal places or fewer.
pub(crate) fn is_short(value: f64) -> bool {
    if value.abs() < SHORT_END {
        // What has it with fewer places has it with as many as well.
        return integer(value, SHORT_PLACES).is_some();
    }
    (0..=SHORT_PLACES).any(|places| integer(value, places).is_some())
}

/// The integer that, with so many decimal places, gives the value back to the bit.
pub(crate) fn integer(value: f64, places: usize) -> Option<i64> {
    scaled(value, *POWERS.get(places)?)
}

/// What [`integer`] says of a value for which it says something.
pub(crate) fn known_integer(value: f64, places: usize) -> Option<i64> {
    rounded(value * *POWERS.get(places)?)
}

/// The value of an integer with so many decimal places; `None` if there are too many of them.
pub(crate) fn value(integer: i64, places: usize) -> Option<f64> {
    Some(divided(integer, *POWERS.get(places)?))
}

fn scaled(value: f64, power: f64) -> Option<i64> {
    let integer = rounded(value * power)?;
    (divided(integer, power).to_bits() == value.to_bits()).then_some(integer)
}

/// Rounding by hand, because it is a call otherwise; what it gets wrong is not the value to the bit.
#[allow(clippy::cast_possible_truncation, reason = "checked")]
fn rounded(scaled: f64) -> Option<i64> {
    if scaled.abs() < HALVES_END {
        Some((scaled + 0.5_f64.copysign(scaled)) as i64)
    } else if scaled.abs() < LARGEST {
        Some(scaled as i64)
    } else {
        // NaN as well, which does not compare.
        None
    }
}

#[allow(clippy::cast_precision_loss, reason = "the encoder has checked that it comes back")]
fn divided(integer: i64, power: f64) -> f64 {
    integer as f64 / power
}

/// Each block with its smallest integer, and the bits that what the others are above it takes.
fn blocks(integers: &[i64]) -> impl Iterator<Item = (&[i64], i64, u32)> {
    integers.chunks(BLOCK).filter_map(|block| {
        let (least, most) = (*block.iter().min()?, *block.iter().max()?);
        Some((block, least, 64 - most.wrapping_sub(least).leading_zeros()))
    })
}

/// How many bytes [`pack`] makes.
fn packed_bytes(integers: &[i64]) -> usize {
    let bytes = blocks(integers).map(|(block, least, width)| {
        let bits = block.len() * usize::try_from(width).unwrap_or_default();
        signed_bytes(least) + 1 + bits.div_ceil(8)
    });
    bytes.sum()
}

fn pack(integers: &[i64], bytes: &mut Vec<u8>) {
    for (block, least, width) in blocks(integers) {
        put_signed(bytes, least);
        bytes.push(u8::try_from(width).unwrap_or_default());
        let mut bits = BitWriter::default();
        for integer in block {
            bits.put(integer.wrapping_sub(least).cast_unsigned(), width);
        }
        bytes.extend_from_slice(&bits.into_bytes());
    }
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
