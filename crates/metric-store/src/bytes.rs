//! Numbers in bytes: little-endian, or as many bytes as they need.

/// Appends `number` in groups of seven bits, the lowest first; all but the last byte have their highest bit set.
pub(crate) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

/// Appends a number that may be negative: small absolute values take few bytes.
pub(crate) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put_number(bytes, zigzag(number));
}

/// How many bytes [`put_signed`] appends.
pub(crate) fn signed_bytes(number: i64) -> usize {
    let bits = (u64::BITS - zigzag(number).leading_zeros()).max(1);
    usize::try_from(bits.div_ceil(7)).unwrap_or_default()
}

/// Appends a count.
pub(crate) fn put_count(bytes: &mut Vec<u8>, count: usize) {
    put_number(bytes, count as u64);
}

/// 0, -1, 1, -2, 2 … as 0, 1, 2, 3, 4 …
pub(crate) fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

/// The number of a [`zigzag`].
pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Reads what the functions above wrote. Every method gives `None` when the bytes do not hold it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(self.byte()?);
            let part = (byte & 0x7f) << shift;
            if part >> shift != byte & 0x7f {
                return None;
            }
            number |= part;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        self.number().map(unzigzag)
    }

    /// A count of things of which each takes a byte at least: more than there are bytes left cannot be true.
    pub(crate) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.rest.len()).then_some(count)
    }

    pub(crate) fn double(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn rest(&self) -> &'b [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, -1, 63, 64, -65, 8_191, i64::from(i32::MAX), i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            put_number(&mut bytes, number.cast_unsigned());
            let mut signed = Vec::new();
            put_signed(&mut signed, number);
            assert_eq!(signed.len(), signed_bytes(number));
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.signed(), Some(number));
            assert_eq!(reader.number(), Some(number.cast_unsigned()));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(Reader::new(&[0x80]).number(), None);
        assert_eq!(Reader::new(&[0xff; 11]).number(), None);
        assert_eq!(Reader::new(&[5, 0, 0]).count(), None);
    }
}
