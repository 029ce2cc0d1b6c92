//! As much of protobuf's wire format as OTLP and remote write need: a few functions that write, and a [`Reader`].
//!
//! A field is a key (number and wire type) and a value. Of the six wire types there are varints (7 bits a byte, the lowest
//! first), 4 and 8 bytes in little-endian order, and bytes behind their length: texts, and messages within messages.

/// The wire type of integers and truth values.
const VARINT: u8 = 0;
/// That of 8 bytes: doubles and fixed integers.
const FIXED64: u8 = 1;
/// That of texts and messages.
const BYTES: u8 = 2;
/// That of 4 bytes.
const FIXED32: u8 = 5;

/// The key of a field whose number is below 16: one byte.
const fn key(field: u8, wire_type: u8) -> u8 {
    debug_assert!(field > 0 && field < 16, "one byte has room for no other");
    field << 3 | wire_type
}

/// How many bytes a varint takes.
const fn varint_length(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// How many bytes an integer takes as a field.
pub(crate) const fn integer_length(number: u64) -> usize {
    1 + varint_length(number)
}

/// How many bytes a text or message of that length takes as a field.
pub(crate) const fn field_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

/// The lowest byte.
#[expect(clippy::cast_possible_truncation, reason = "what is cut off is meant to be")]
const fn low_byte(number: u64) -> u8 {
    number as u8
}

fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

/// Writes the beginning of a message of that length; its fields follow.
pub(crate) fn put_message(field: u8, length: usize, out: &mut Vec<u8>) {
    out.push(key(field, BYTES));
    put_varint(length as u64, out);
}

/// Writes a text or the bytes of a message.
pub(crate) fn put_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    put_message(field, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Writes a field of 8 bytes.
pub(crate) fn put_fixed64(field: u8, bytes: [u8; 8], out: &mut Vec<u8>) {
    out.push(key(field, FIXED64));
    out.extend_from_slice(&bytes);
}

/// Writes an integer. A negative one, as its two's complement, takes ten bytes.
pub(crate) fn put_integer(field: u8, number: u64, out: &mut Vec<u8>) {
    out.push(key(field, VARINT));
    put_varint(number, out);
}

/// Writes a small number, a truth value or one of an enumeration.
pub(crate) fn put_small(field: u8, number: u8, out: &mut Vec<u8>) {
    debug_assert!(number < 0x80, "one byte has room for no other");
    out.push(key(field, VARINT));
    out.push(number);
}

/// What follows in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'b> {
    Varint(u64),
    /// A text or a message.
    Bytes(&'b [u8]),
    /// Something of a fixed length, which no answer of ours has.
    Fixed,
}

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no protobuf message")]
pub(crate) struct Malformed;

/// Reads the fields of a message one after the other. It takes no memory and never goes beyond the bytes given.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(message: &'b [u8]) -> Self {
        Self { rest: message }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for place in 0..10 {
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            // The tenth byte has room for one bit; further ones are cut off, as Google's library does.
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'b [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The number and value of the next field, `None` at the end.
    pub(crate) fn field(&mut self) -> Result<Option<(u64, Field<'b>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || u32::try_from(key).is_err() {
            return Err(Malformed);
        }
        // Three bits.
        let field = match u8::try_from(key & 7).map_err(|_| Malformed)? {
            VARINT => Field::Varint(self.varint()?),
            FIXED64 => self.take(8).map(|_| Field::Fixed)?,
            BYTES => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            FIXED32 => self.take(4).map(|_| Field::Fixed)?,
            // Groups are not used any more.
            _ => return Err(Malformed),
        };
        Ok(Some((number, field)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_the_length_that_is_announced() {
        for (number, bytes) in [
            (0, &b"\x00"[..]),
            (1, b"\x01"),
            (127, b"\x7f"),
            (128, b"\x80\x01"),
            (300, b"\xac\x02"),
            (16_383, b"\xff\x7f"),
            (16_384, b"\x80\x80\x01"),
            (u64::MAX, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ] {
            let mut out = Vec::new();
            put_varint(number, &mut out);
            assert_eq!((out.as_slice(), varint_length(number)), (bytes, bytes.len()), "{number}");
            assert_eq!(Reader::new(&out).varint(), Ok(number));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        put_bytes(1, b"text", &mut out);
        put_small(2, 7, &mut out);
        put_fixed64(3, 5_u64.to_le_bytes(), &mut out);
        put_integer(4, u64::MAX, &mut out);
        assert_eq!(out.len(), field_length(4) + 2 + 9 + integer_length(u64::MAX));
        let mut reader = Reader::new(&out);
        assert_eq!(reader.field(), Ok(Some((1, Field::Bytes(b"text")))));
        assert_eq!(reader.field(), Ok(Some((2, Field::Varint(7)))));
        assert_eq!(reader.field(), Ok(Some((3, Field::Fixed))));
        assert_eq!(reader.field(), Ok(Some((4, Field::Varint(u64::MAX)))));
        assert_eq!(reader.field(), Ok(None));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for bytes in [
            &b"\x0a\x05text"[..],
            b"\x0a",
            b"\x08",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x09\x00\x00",
            b"\x0d\x00",
            b"\x00\x01",
            b"\x0b",
            b"\x0f\x01",
            b"\xff\xff\xff\xff\xff\x0f\x01",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"<html>",
        ] {
            assert_eq!(Reader::new(bytes).field(), Err(Malformed), "{bytes:?}");
        }
    }
}
