//! From bytes to samples and events.

use super::{MAX_DEPTH, VERSION, kind, tag, trait_tag};
use crate::json::MAX_INTEGER_DIGITS;
use crate::{Event, Map, MeterKind, Sample, Subject, Timestamp, Trait, TraitValue, Value};

/// Room that is made for a list before its items are there.
const MAX_RESERVED: usize = 64;

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A later release wrote it.
    #[error("the record has version {0}, and this release reads version {VERSION}")]
    Version(u8),
    /// A record of the other kind, or of none.
    #[error("the record is of kind {found}, not {expected}")]
    Kind {
        /// The kind that was asked for.
        expected: u8,
        /// The kind that it says it is.
        found: u8,
    },
    /// It ends too early.
    #[error("the record ends too early")]
    Short,
    /// Something stands behind its end.
    #[error("{0} bytes stand behind the record's end")]
    Long(usize),
    /// A byte has no meaning where it stands.
    #[error("{what} of the record begins with {found}")]
    Tag {
        /// What should stand there.
        what: &'static str,
        /// What does.
        found: u8,
    },
    /// A number, text or time is none.
    #[error("{0} of the record is malformed")]
    Malformed(&'static str),
    /// Values nest deeper than [`MAX_DEPTH`].
    #[error("values nest deeper than {MAX_DEPTH} levels")]
    Depth,
}

/// Reads what [`write_sample`](super::write_sample) wrote.
///
/// # Errors
/// [`DecodeError`] for anything else.
pub fn read_sample(bytes: &[u8]) -> Result<Sample, DecodeError> {
    let mut reader = Reader::new(bytes, kind::SAMPLE)?;
    let name = reader.text()?.into();
    let kind = match reader.byte()? {
        0 => MeterKind::Gauge,
        1 => MeterKind::Delta,
        2 => MeterKind::Cumulative,
        found => return Err(DecodeError::Tag { what: "a meter's kind", found }),
    };
    let (unit, volume) = (reader.value(0)?, reader.value(0)?);
    let (user_id, user_name) = (reader.value(0)?, reader.value(0)?);
    let (project_id, project_name) = (reader.value(0)?, reader.value(0)?);
    let (resource_id, timestamp) = (reader.value(0)?, reader.value(0)?);
    let resource_metadata = reader.value(0)?.into();
    let subject = Subject { user_id, user_name, project_id, project_name, resource_id, resource_metadata };
    let sample = Sample {
        name,
        kind,
        unit,
        volume,
        subject: subject.into(),
        timestamp,
        source: reader.value(0)?,
        id: reader.text()?.into(),
        monotonic_time: match reader.byte()? {
            0 => None,
            1 => Some(reader.float()?),
            found => return Err(DecodeError::Tag { what: "the monotonic time", found }),
        },
    };
    reader.end(sample)
}

/// Reads what [`write_event`](super::write_event) wrote.
///
/// # Errors
/// [`DecodeError`] for anything else.
pub fn read_event(bytes: &[u8]) -> Result<Event, DecodeError> {
    let mut reader = Reader::new(bytes, kind::EVENT)?;
    let message_id = reader.value(0)?;
    let event_type = reader.text()?.into();
    let generated = reader.time()?;
    let count = reader.count()?;
    let mut traits = Vec::with_capacity(count.min(MAX_RESERVED));
    for _ in 0..count {
        let name = reader.text()?.into();
        let value = match reader.byte()? {
            trait_tag::UNTYPED => TraitValue::Untyped(reader.text()?.into()),
            trait_tag::TEXT => TraitValue::Text(reader.text()?.into()),
            trait_tag::INTEGER => TraitValue::Integer(reader.signed()?),
            trait_tag::BIG_INTEGER => TraitValue::BigInteger(reader.digits()?.into()),
            trait_tag::FLOAT => TraitValue::Float(reader.float()?),
            trait_tag::DATETIME => TraitValue::Datetime(reader.time()?),
            found => return Err(DecodeError::Tag { what: "a trait", found }),
        };
        traits.push(Trait { name, value });
    }
    let raw = reader.value(0)?;
    reader.end(Event { message_id, event_type, generated, traits, raw })
}

/// Takes off the front of `bytes` what [`write_value`](super::write_value) wrote.
///
/// # Errors
/// [`DecodeError`] for anything else; `bytes` are then as they were.
pub fn read_value(bytes: &mut &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    *bytes = reader.rest;
    Ok(value)
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn new(bytes: &'b [u8], expected: u8) -> Result<Self, DecodeError> {
        let mut reader = Self { rest: bytes };
        match (reader.byte()?, reader.byte()?) {
            (VERSION, found) if found == expected => Ok(reader),
            (VERSION, found) => Err(DecodeError::Kind { expected, found }),
            (version, _) => Err(DecodeError::Version(version)),
        }
    }

    fn end<T>(self, record: T) -> Result<T, DecodeError> {
        if self.rest.is_empty() { Ok(record) } else { Err(DecodeError::Long(self.rest.len())) }
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        let mut held = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if low << shift >> shift != low {
                return Err(DecodeError::Malformed("a number"));
            }
            held |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(held);
            }
        }
        Err(DecodeError::Malformed("a number"))
    }

    fn signed(&mut self) -> Result<i64, DecodeError> {
        let held = self.number()?;
        Ok((held >> 1).cast_signed() ^ -(held & 1).cast_signed())
    }

    /// A count of things that take a byte each at least.
    fn count(&mut self) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.number()?).map_err(|_| DecodeError::Short)?;
        if count > self.rest.len() { Err(DecodeError::Short) } else { Ok(count) }
    }

    fn text(&mut self) -> Result<&'b str, DecodeError> {
        let length = self.count()?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Short)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| DecodeError::Malformed("a text"))
    }

    fn float(&mut self) -> Result<f64, DecodeError> {
        let (bits, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(f64::from_bits(u64::from_le_bytes(*bits)))
    }

    fn time(&mut self) -> Result<Timestamp, DecodeError> {
        Timestamp::from_microseconds(self.signed()?).ok_or(DecodeError::Malformed("a time"))
    }

    fn digits(&mut self) -> Result<&'b str, DecodeError> {
        let text = self.text()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let fine = (1..=MAX_INTEGER_DIGITS).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if fine { Ok(text) } else { Err(DecodeError::Malformed("an integer")) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::Depth);
        }
        Ok(match self.byte()? {
            tag::NULL => Value::Null,
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::INT => Value::Int(self.signed()?),
            tag::BIG_INT => Value::BigInt(self.digits()?.into()),
            tag::FLOAT => Value::Float(self.float()?),
            tag::TEXT => Value::from(self.text()?),
            tag::LIST => {
                let count = self.count()?;
                let mut list = Vec::with_capacity(count.min(MAX_RESERVED));
                for _ in 0..count {
                    list.push(self.value(depth + 1)?);
                }
                Value::List(list)
            }
            tag::MAP => {
                let count = self.count()?;
                let mut pairs = Vec::with_capacity(count.min(MAX_RESERVED));
                for _ in 0..count {
                    pairs.push((self.text()?.into(), self.value(depth + 1)?));
                }
                Value::Map(Map::from_pairs(pairs))
            }
            found => return Err(DecodeError::Tag { what: "a value", found }),
        })
    }
}
