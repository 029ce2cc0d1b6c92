//! XDR (RFC 4506) as the remote protocol uses it: reading borrows, and never trusts a length.
//!
//! A length is compared with its bound and with what is left of the message before anything is done with it, so that
//! no allocation is larger than the message that asked for it.

use uuid::Uuid;

/// Bytes of an unsigned integer, and what everything is aligned to.
pub(crate) const WORD: usize = 4;

/// What is wrong with a message's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XdrError {
    /// The message ends before the value does.
    #[error("the message ends at byte {at}, {missing} bytes too early")]
    Short {
        /// Where the value was to be read.
        at: usize,
        /// How many bytes are missing.
        missing: usize,
    },
    /// A length is above what the protocol allows.
    #[error("a length of {length} at byte {at} is above the limit of {limit}")]
    Length {
        /// Where the length stands.
        at: usize,
        /// The length.
        length: u32,
        /// What the protocol allows.
        limit: u32,
    },
    /// A text is not UTF-8.
    #[error("the text at byte {at} is not UTF-8")]
    Text {
        /// Where the text begins.
        at: usize,
    },
    /// A value is none of those that the protocol knows.
    #[error("{value} at byte {at} is no {what}")]
    Value {
        /// Where it stands.
        at: usize,
        /// The value.
        value: i64,
        /// What it should be.
        what: &'static str,
    },
    /// Bytes are left after the last value.
    #[error("{left} bytes are left after the last value")]
    Trailing {
        /// How many.
        left: usize,
    },
}

/// Reads values one after the other. Texts and byte strings borrow from the message.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the first byte.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Goes on at the beginning of `rest`, an end of [`rest`](Self::rest).
    pub(crate) fn go_on_at(&mut self, rest: &[u8]) {
        self.at = self.bytes.len().saturating_sub(rest.len());
    }

    /// Nothing may be left.
    pub const fn finish(&self) -> Result<(), XdrError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(XdrError::Trailing { left }),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], XdrError> {
        let missing = count.saturating_sub(self.remaining());
        let end = self.at.saturating_add(count);
        let taken = self.bytes.get(self.at..end).ok_or(XdrError::Short { at: self.at, missing })?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], XdrError> {
        let at = self.at;
        let missing = N.saturating_sub(self.remaining());
        self.take(N)?.first_chunk::<N>().copied().ok_or(XdrError::Short { at, missing })
    }

    /// An unsigned integer.
    pub fn u32(&mut self) -> Result<u32, XdrError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A signed integer; also an enumeration and what C calls `char` and `short`.
    pub fn i32(&mut self) -> Result<i32, XdrError> {
        self.array().map(i32::from_be_bytes)
    }

    /// An unsigned hyper integer.
    pub fn u64(&mut self) -> Result<u64, XdrError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A signed hyper integer.
    pub fn i64(&mut self) -> Result<i64, XdrError> {
        self.array().map(i64::from_be_bytes)
    }

    /// A double.
    pub fn f64(&mut self) -> Result<f64, XdrError> {
        self.array().map(f64::from_be_bytes)
    }

    /// The length of an array whose elements take at least `least` bytes each.
    pub fn length(&mut self, limit: u32, least: usize) -> Result<usize, XdrError> {
        let at = self.at;
        let length = self.u32()?;
        if length > limit {
            return Err(XdrError::Length { at, length, limit });
        }
        let count = usize::try_from(length).map_err(|_| XdrError::Length { at, length, limit })?;
        let missing = count.saturating_mul(least).saturating_sub(self.remaining());
        if missing > 0 { Err(XdrError::Short { at: self.at, missing }) } else { Ok(count) }
    }

    /// A byte string of variable length.
    pub fn bytes(&mut self, limit: u32) -> Result<&'a [u8], XdrError> {
        let length = self.length(limit, 1)?;
        let bytes = self.take(length)?;
        self.take(padding(length))?;
        Ok(bytes)
    }

    /// A text.
    pub fn text(&mut self, limit: u32) -> Result<&'a str, XdrError> {
        let at = self.at;
        std::str::from_utf8(self.bytes(limit)?).map_err(|_| XdrError::Text { at })
    }

    /// A text, or nothing.
    pub fn optional_text(&mut self, limit: u32) -> Result<Option<&'a str>, XdrError> {
        if self.present()? { self.text(limit).map(Some) } else { Ok(None) }
    }

    /// Whether an optional value follows.
    pub fn present(&mut self) -> Result<bool, XdrError> {
        let at = self.at;
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(XdrError::Value { at, value: value.into(), what: "boolean" }),
        }
    }

    /// A UUID, which has a fixed length.
    pub fn uuid(&mut self) -> Result<Uuid, XdrError> {
        self.array().map(Uuid::from_bytes)
    }

    /// An array of C's `char`, each of which takes a whole word.
    pub fn chars(&mut self, limit: u32) -> Result<Vec<u8>, XdrError> {
        let length = self.length(limit, WORD)?;
        self.char_words(length)
    }

    /// `count` of C's `char`, each of which takes a whole word.
    pub fn char_words(&mut self, count: usize) -> Result<Vec<u8>, XdrError> {
        let words = self.take(count.saturating_mul(WORD))?;
        // The value is in the lowest byte, whatever the sign did to the others.
        Ok(words.iter().skip(WORD - 1).step_by(WORD).copied().collect())
    }
}

const fn padding(length: usize) -> usize {
    length.wrapping_neg() % WORD
}

/// Writes values one after the other.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes written so far.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// An unsigned integer.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A signed integer.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// An unsigned hyper integer.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A signed hyper integer.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A double.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A boolean, also the mark before an optional value.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u32(u32::from(value))
    }

    /// A length. One that does not fit becomes the largest, which every peer refuses.
    pub fn length(&mut self, length: usize) -> &mut Self {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX))
    }

    /// A byte string of variable length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.length(value.len());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len() + padding(value.len()), 0);
        self
    }

    /// A text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// A text, or nothing.
    pub fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        self.bool(value.is_some());
        if let Some(value) = value {
            self.text(value);
        }
        self
    }

    /// A UUID.
    pub fn uuid(&mut self, value: &Uuid) -> &mut Self {
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// An array of C's `char`.
    pub fn chars(&mut self, value: &[u8]) -> &mut Self {
        self.length(value.len());
        for byte in value {
            // As a signed `char` is widened.
            self.i32(i32::from(i8::from_ne_bytes([*byte])));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back() {
        let uuid = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
        let mut writer = Writer::new();
        writer.u32(7).i32(-7).u64(1 << 40).i64(-(1 << 40)).f64(0.5).text("abcde").optional_text(None);
        writer.optional_text(Some("")).uuid(&uuid).chars(b"a\xff").bool(true);
        let bytes = writer.into_bytes();
        assert_eq!(bytes.len() % 4, 0);

        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u32(), Ok(7));
        assert_eq!(reader.i32(), Ok(-7));
        assert_eq!(reader.u64(), Ok(1 << 40));
        assert_eq!(reader.i64(), Ok(-(1 << 40)));
        assert_eq!(reader.f64(), Ok(0.5));
        assert_eq!(reader.text(5), Ok("abcde"));
        assert_eq!(reader.optional_text(5), Ok(None));
        assert_eq!(reader.optional_text(5), Ok(Some("")));
        assert_eq!(reader.uuid(), Ok(uuid));
        assert_eq!(reader.chars(2), Ok(b"a\xff".to_vec()));
        assert_eq!(reader.present(), Ok(true));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn lengths_are_checked_before_they_are_believed() {
        let huge = [0xff, 0xff, 0xff, 0xff, 1, 2];
        let limit = |length| XdrError::Length { at: 0, length, limit: 1000 };
        assert_eq!(Reader::new(&huge).bytes(1000), Err(limit(u32::MAX)));
        assert_eq!(Reader::new(&huge).chars(1000), Err(limit(u32::MAX)));
        let short = [0, 0, 3, 0xe8, 1, 2, 3, 4];
        assert_eq!(Reader::new(&short).bytes(1000), Err(XdrError::Short { at: 4, missing: 996 }));
        assert_eq!(Reader::new(&short).chars(1000), Err(XdrError::Short { at: 4, missing: 3996 }));
        assert_eq!(Reader::new(&short).length(1000, 24), Err(XdrError::Short { at: 4, missing: 23_996 }));
    }

    #[test]
    fn errors_say_where() {
        assert_eq!(Reader::new(&[0, 0]).u32(), Err(XdrError::Short { at: 0, missing: 2 }));
        // The padding is part of the value.
        assert_eq!(Reader::new(&[0, 0, 0, 1, b'a', 0]).text(9), Err(XdrError::Short { at: 5, missing: 2 }));
        assert_eq!(Reader::new(&[0, 0, 0, 1, 0xff, 0, 0, 0]).text(9), Err(XdrError::Text { at: 0 }));
        let boolean = XdrError::Value { at: 0, value: 2, what: "boolean" };
        assert_eq!(Reader::new(&[0, 0, 0, 2]).present(), Err(boolean));
        assert_eq!(Reader::new(&[0]).finish(), Err(XdrError::Trailing { left: 1 }));
        assert_eq!(boolean.to_string(), "2 at byte 0 is no boolean");
    }
}
