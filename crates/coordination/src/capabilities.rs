//! What a member says of itself: MessagePack of a map with its weight, as tooz's partitioner writes it.

/// `{"weight": 1}`.
pub(crate) const OURS: &[u8] = b"\x81\xa6weight\x01";

/// The weight of a member. Without one, as with anything that is not understood, it is 1.
pub(crate) fn weight(bytes: &[u8]) -> u32 {
    let mut reader = Reader(bytes);
    reader.weight().unwrap_or(1)
}

struct Reader<'b>(&'b [u8]);

/// A value, as far as it matters here.
enum Item<'b> {
    Text(&'b [u8]),
    Integer(i64),
    Other,
}

impl<'b> Reader<'b> {
    fn weight(&mut self) -> Option<u32> {
        let entries = match self.byte()? {
            head @ 0x80..=0x8f => usize::from(head & 0x0f),
            0xde => usize::try_from(self.number(2)?).ok()?,
            _ => return None,
        };
        let mut weight = None;
        for _ in 0..entries {
            let key = self.item()?;
            let value = self.item()?;
            if let (Item::Text(b"weight"), Item::Integer(value)) = (key, value) {
                // Below 0 Python counts no points, too.
                weight = Some(u32::try_from(value.max(0)).unwrap_or(u32::MAX));
            }
        }
        weight
    }

    /// A value that has no others in it.
    fn item(&mut self) -> Option<Item<'b>> {
        let head = self.byte()?;
        let text = |reader: &mut Self, length: u64| reader.take(length).map(Item::Text);
        match head {
            0x00..=0x7f => Some(Item::Integer(i64::from(head))),
            0xe0..=0xff => Some(Item::Integer(i64::from(head) - 256)),
            0xa0..=0xbf => text(self, u64::from(head & 0x1f)),
            0xc0 => Some(Item::Other),
            0xc2 | 0xc3 => Some(Item::Integer(i64::from(head == 0xc3))),
            0xc4 | 0xd9 => self.number(1).and_then(|length| text(self, length)),
            0xc5 | 0xda => self.number(2).and_then(|length| text(self, length)),
            0xca => self.take(4).map(|_| Item::Other),
            0xcb => self.take(8).map(|_| Item::Other),
            0xcc => self.unsigned(1),
            0xcd => self.unsigned(2),
            0xce => self.unsigned(4),
            0xcf => self.unsigned(8),
            0xd0..=0xd3 => {
                let length = 1 << (head - 0xd0);
                let shift = 64 - 8 * u32::try_from(length).ok()?;
                let number = self.number(length)?;
                // The sign goes with the highest bit that was written.
                Some(Item::Integer((number << shift).cast_signed() >> shift))
            }
            _ => None,
        }
    }

    fn unsigned(&mut self, length: u64) -> Option<Item<'b>> {
        self.number(length).map(|number| Item::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn number(&mut self, length: u64) -> Option<u64> {
        Some(self.take(length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: u64) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `tooz.utils.dumps`.
    #[test]
    fn weights_are_read() {
        for (bytes, expected) in [
            (OURS, 1),
            (b"\x81\xa6weight\x07", 7),
            (b"\x81\xa6weight\xcc\xc8", 200),
            (b"\x81\xa6weight\xcd\x01\x2c", 300),
            (b"\x81\xa6weight\xff", 0),
            (b"\x81\xa6weight\xd0\x9c", 0),
            (b"\x81\xa6weight\xd1\xfe\xd4", 0),
            (b"\x82\xa1a\xa1b\xa6weight\x03", 3),
            (b"\x82\xa6weight\x03\xa1x\xcb?\xf8\0\0\0\0\0\0", 3),
            (b"\x81\xa6weight\xcb?\xf8\0\0\0\0\0\0", 1),
            (b"\x80", 1),
            (b"\xc0", 1),
            (b"", 1),
            (b"\x81\xa6weigh", 1),
            (b"\x8f\xa6weight\x05", 1),
            (b"\x81\xa6weight\xcf\xff\xff\xff\xff\xff\xff\xff\xff", u32::MAX),
        ] {
            assert_eq!(weight(bytes), expected, "{bytes:?}");
        }
    }
}
