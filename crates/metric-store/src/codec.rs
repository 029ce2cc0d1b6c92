//! Columns of doubles in few bytes.
//!
//! ```text
//! column      codec (1 byte), then
//!   0 constant  the value (8 bytes)
//!   1 decimal   decimal places (1 byte), order (1 byte), the integers (below)
//!   2 xor       the values as bits (below)
//!
//! decimal     each value is an integer divided by 10^places, to the bit. Order 0 keeps the integers, 1 the first of them
//!             and the differences of neighbours. In blocks of 64: the smallest (signed number), the bits of each
//!             (1 byte), what each is above the smallest, packed from the lowest bit up.
//! xor         the first value in 64 bits; each further one XOR the one before it: bit 0 when nothing differs, else 1,
//!             leading zeros (5 bits, 31 at most), significant bits - 1 (6 bits), these bits.
//! ```
//!
//! The encoder takes what is smallest. Bits come back as they were, those of NaN and of negative zero too.

mod bits;
pub(crate) mod decimal;
mod xor;

use crate::bytes::Reader;

const CONSTANT: u8 = 0;
const DECIMAL: u8 = 1;
const XOR: u8 = 2;

/// Appends a column. Its length is for the caller to keep.
pub fn encode(values: &[f64], bytes: &mut Vec<u8>) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        bytes.push(CONSTANT);
        bytes.extend_from_slice(&first.to_le_bytes());
        return;
    }
    let start = bytes.len();
    let decimal = decimal::encode(values).inspect(|encoded| {
        bytes.push(DECIMAL);
        bytes.extend_from_slice(encoded);
    });
    // Decimals of fewer than two bytes a value leave nothing to gain.
    if decimal.is_some_and(|encoded| encoded.len() <= 2 * values.len()) {
        return;
    }
    let present = bytes.len() - start;
    if present == 0 || xor::length(values) + 1 < present {
        bytes.truncate(start);
        bytes.push(XOR);
        bytes.extend_from_slice(&xor::encode(values));
    }
}

/// Reads a column of `count` values and says how many bytes it took; `None` if it is none.
pub fn decode(bytes: &[u8], count: usize) -> Option<(Vec<f64>, usize)> {
    let mut reader = Reader::new(bytes);
    let values = read(&mut reader, count)?;
    Some((values, bytes.len() - reader.rest().len()))
}

/// As [`decode`]. A block of damaged bytes cannot ask for more memory than `count` values take.
pub(crate) fn read(reader: &mut Reader<'_>, count: usize) -> Option<Vec<f64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    match reader.byte()? {
        CONSTANT => reader.double().map(|value| vec![value; count]),
        DECIMAL => decimal::read(reader, count),
        XOR => xor::read(reader, count),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn bytes_per_value(values: &[f64]) -> f64 {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        let (decoded, used) = decode(&bytes, values.len()).unwrap();
        assert_eq!(used, bytes.len());
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&decoded), bits(values));
        assert_eq!(xor::length(values), xor::encode(values).len());
        bytes.len() as f64 / values.len() as f64
    }

    #[test]
    fn kinds_of_meters() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut counter = 0.0;
        let constant = vec![4096.0; 1000];
        let gauge: Vec<f64> = (0..1000).map(|_| f64::from(random.u32(0..10_000)) / 100.0).collect();
        let integers: Vec<f64> = (0..1000).map(|_| f64::from(random.u32(500..520))).collect();
        let cpu: Vec<f64> = (0..1000)
            .map(|_| {
                counter += f64::from(random.u32(0..1_000_000_000));
                counter
            })
            .collect();
        let mantissas: Vec<f64> = (0..1000).map(|_| random.f64()).collect();
        for (values, most) in [(constant, 0.01), (gauge, 1.85), (integers, 0.8), (cpu, 4.2), (mantissas, 8.2)]
        {
            let found = bytes_per_value(&values);
            assert!(found <= most, "{found} is more than {most}");
        }
    }

    #[test]
    #[allow(clippy::cast_precision_loss, reason = "doubles of any size are wanted")]
    fn bits_come_back() {
        let strange =
            [f64::NAN, -f64::NAN, 0.0, -0.0, f64::INFINITY, f64::MIN_POSITIVE, 5e-324, f64::MAX, 1e22, 1e23];
        for length in 0..=strange.len() {
            bytes_per_value(&strange[..length]);
        }
        let mut random = fastrand::Rng::with_seed(4);
        for length in [1, 2, 63, 64, 65, 128, 200] {
            let any: Vec<f64> = (0..length).map(|_| f64::from_bits(random.u64(..))).collect();
            bytes_per_value(&any);
            let integers: Vec<f64> =
                (0..length).map(|_| (random.i64(..) >> random.u32(11..64)) as f64).collect();
            bytes_per_value(&integers);
        }
    }

    #[test]
    fn what_is_no_column_is_refused() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..20_000 {
            let mut bytes: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
            if let Some(codec) = bytes.first_mut() {
                *codec %= 3;
            }
            if let Some((values, used)) = decode(&bytes, random.usize(0..100)) {
                assert!(values.len() < 100 && used <= bytes.len());
            }
        }
    }
}
