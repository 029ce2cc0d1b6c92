//! Doubles by the bits that change from one to the next (Gorilla, VLDB 2015, without its reuse of windows).

use crate::bytes::Reader;

use super::bits::{BitReader, BitWriter};

const LEADING_BITS: u32 = 5;
const LENGTH_BITS: u32 = 6;

/// How many bytes [`encode`] makes.
pub(crate) fn length(values: &[f64]) -> usize {
    let pairs = values.iter().zip(values.iter().skip(1));
    let bits = pairs.map(|(before, value)| match value.to_bits() ^ before.to_bits() {
        0 => 1,
        changed => {
            1 + LEADING_BITS + LENGTH_BITS + 64 - changed.leading_zeros().min(31) - changed.trailing_zeros()
        }
    });
    let bits: usize = bits.map(|bits| usize::try_from(bits).unwrap_or_default()).sum();
    if values.is_empty() { 0 } else { (64 + bits).div_ceil(8) }
}

pub(crate) fn encode(values: &[f64]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    let mut before = None;
    for value in values.iter().map(|value| value.to_bits()) {
        match before.replace(value) {
            None => bits.put(value, 64),
            Some(before) => put(&mut bits, value ^ before),
        }
    }
    bits.into_bytes()
}

fn put(bits: &mut BitWriter, changed: u64) {
    if changed == 0 {
        bits.put(0, 1);
        return;
    }
    let leading = changed.leading_zeros().min(31);
    let trailing = changed.trailing_zeros();
    let length = 64 - leading - trailing;
    bits.put(1, 1);
    bits.put(u64::from(leading), LEADING_BITS);
    bits.put(u64::from(length - 1), LENGTH_BITS);
    bits.put(changed >> trailing, length);
}

pub(crate) fn read(reader: &mut Reader<'_>, count: usize) -> Option<Vec<f64>> {
    let mut bits = BitReader::new(reader.rest());
    let mut values = Vec::with_capacity(count);
    let mut before = bits.take(64)?;
    values.push(f64::from_bits(before));
    while values.len() < count {
        if bits.take(1)? == 1 {
            let leading = u32::try_from(bits.take(LEADING_BITS)?).ok()?;
            let length = u32::try_from(bits.take(LENGTH_BITS)?).ok()? + 1;
            let trailing = 64_u32.checked_sub(leading + length)?;
            before ^= bits.take(length)? << trailing;
        }
        values.push(f64::from_bits(before));
    }
    reader.take(bits.used())?;
    Some(values)
}
