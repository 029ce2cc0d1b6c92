//! Prometheus' remote write, version 1: a protobuf message in a block of snappy.
//!
//! A few bytes can say that there is much: what a body unpacks to is bounded before it is unpacked, the number of series and
//! samples while they are read, and of labels only those are kept that somebody asks for.

use crate::room::Room;

/// What a series, a sample, and a label take at most until they are in the store; labels and names of series are copied so
/// many times at most.
const SERIES_BYTES: usize = 512;
const SAMPLE_BYTES: usize = 64;
const LABEL_BYTES: usize = 192;
const LABEL_COPIES: usize = 12;

/// One series.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TimeSeries {
    /// Names and values of the labels in [`KEPT`].
    pub(crate) labels: Vec<(String, String)>,
    /// Milliseconds since 1970, and values.
    pub(crate) samples: Vec<(i64, f64)>,
}

/// Labels that are kept.
pub(crate) const KEPT: [&str; 3] = ["__name__", "job", "instance"];

/// The message is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RemoteWriteError {
    #[error("the body is no block of snappy")]
    Snappy,
    #[error("the body has too many series or samples")]
    TooMany,
    #[error("there is no room for what the body has")]
    NoRoom,
    #[error("the body is no WriteRequest")]
    Message,
}

/// How many bytes a body says that it unpacks to.
pub(crate) fn unpacked_bytes(body: &[u8]) -> Result<usize, RemoteWriteError> {
    snap::raw::decompress_len(body).map_err(|_| RemoteWriteError::Snappy)
}

/// Reads a body that may be unpacked, of so many series, and samples, at most.
pub(crate) fn read(
    body: &[u8],
    at_most: usize,
    room: &mut Room,
) -> Result<Vec<TimeSeries>, RemoteWriteError> {
    let plain = snap::raw::Decoder::new().decompress_vec(body).map_err(|_| RemoteWriteError::Snappy)?;
    let mut series = Vec::new();
    let mut samples = at_most;
    let mut fields = Fields(&plain);
    while let Some(field) = fields.next_field()? {
        if let (1, Field::Bytes(bytes)) = field {
            if series.len() >= at_most {
                return Err(RemoteWriteError::TooMany);
            }
            room.take(SERIES_BYTES).ok_or(RemoteWriteError::NoRoom)?;
            series.push(time_series(bytes, &mut samples, room)?);
        }
    }
    Ok(series)
}

/// One series; `left` says how many samples it may have.
fn time_series(bytes: &[u8], left: &mut usize, room: &mut Room) -> Result<TimeSeries, RemoteWriteError> {
    let mut series = TimeSeries::default();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next_field()? {
        match field {
            (1, Field::Bytes(bytes)) => {
                let (name, value) = label(bytes).ok_or(RemoteWriteError::Message)?;
                // The first one of a name counts.
                let is_new = KEPT.contains(&name) && series.labels.iter().all(|(known, _)| known != name);
                if is_new {
                    let bytes = LABEL_BYTES + (name.len() + value.len()) * LABEL_COPIES;
                    room.take(bytes).ok_or(RemoteWriteError::NoRoom)?;
                    series.labels.push((name.to_owned(), value.to_owned()));
                }
            }
            (2, Field::Bytes(bytes)) => {
                *left = left.checked_sub(1).ok_or(RemoteWriteError::TooMany)?;
                room.take(SAMPLE_BYTES).ok_or(RemoteWriteError::NoRoom)?;
                series.samples.push(sample(bytes).ok_or(RemoteWriteError::Message)?);
            }
            _ => {}
        }
    }
    Ok(series)
}

fn label(bytes: &[u8]) -> Option<(&str, &str)> {
    let (mut name, mut value) = ("", "");
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next_field().ok()? {
        match field {
            (1, Field::Bytes(bytes)) => name = std::str::from_utf8(bytes).ok()?,
            (2, Field::Bytes(bytes)) => value = std::str::from_utf8(bytes).ok()?,
            _ => {}
        }
    }
    Some((name, value))
}

fn sample(bytes: &[u8]) -> Option<(i64, f64)> {
    let (mut timestamp, mut value) = (0, 0.0);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next_field().ok()? {
        match field {
            (1, Field::Fixed(bits)) => value = f64::from_bits(bits),
            (2, Field::Number(number)) => timestamp = number.cast_signed(),
            _ => {}
        }
    }
    Some((timestamp, value))
}

enum Field<'b> {
    Number(u64),
    Fixed(u64),
    Bytes(&'b [u8]),
}

/// The fields of a message that are still to be read.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)? else { return None };
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The next field with its number; `None` at the end.
    fn next_field(&mut self) -> Result<Option<(u64, Field<'b>)>, RemoteWriteError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        self.field().map(Some).ok_or(RemoteWriteError::Message)
    }

    fn field(&mut self) -> Option<(u64, Field<'b>)> {
        let key = self.number()?;
        let field = match key & 7 {
            0 => Field::Number(self.number()?),
            1 => Field::Fixed(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed(u64::from(u32::from_le_bytes(self.take(4)?.try_into().ok()?))),
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(body: &[u8], at_most: usize) -> Result<Vec<TimeSeries>, RemoteWriteError> {
        read(body, at_most, &mut Room::unbounded())
    }

    #[test]
    fn a_message() {
        let label = label_of_a();
        let sample = [&[0x09][..], &1.5_f64.to_le_bytes(), &[0x10, 0xe8, 0x07]].concat();
        let field = |number: u8, bytes: &[u8]| {
            [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
        };
        let series = [field(1, &label), field(2, &sample)].concat();
        let packed = snap::raw::Encoder::new().compress_vec(&field(1, &series)).unwrap();
        let labels = vec![("__name__".to_owned(), "a".to_owned())];
        assert_eq!(read_all(&packed, 1), Ok(vec![TimeSeries { labels, samples: vec![(1_000, 1.5)] }]));
        assert_eq!(unpacked_bytes(&packed), Ok(field(1, &series).len()));
        assert_eq!(read_all(&packed, 0), Err(RemoteWriteError::TooMany));
        assert_eq!(read_all(b"nothing of the kind", 1), Err(RemoteWriteError::Snappy));
        let broken = snap::raw::Encoder::new().compress_vec(&[0x0a, 0x05]).unwrap();
        assert_eq!(read_all(&broken, 1), Err(RemoteWriteError::Message));
        // Two samples of one series, and two series: one too many.
        let two = [field(1, &label), field(2, &sample), field(2, &sample)].concat();
        for message in [field(1, &two), [field(1, &series), field(1, &series)].concat()] {
            let packed = snap::raw::Encoder::new().compress_vec(&message).unwrap();
            assert_eq!(read_all(&packed, 1), Err(RemoteWriteError::TooMany));
            assert!(read_all(&packed, 2).is_ok());
        }
        // Of labels only the first of those that count is kept.
        let other = [b"\x0a\x01x".as_slice(), b"\x12\x01y"].concat();
        let again = [b"\x0a\x08__name__".as_slice(), b"\x12\x01b"].concat();
        let series = [field(1, &other), field(1, &label_of_a()), field(1, &again)].concat();
        let packed = snap::raw::Encoder::new().compress_vec(&field(1, &series)).unwrap();
        let labels = vec![("__name__".to_owned(), "a".to_owned())];
        assert_eq!(read_all(&packed, 1), Ok(vec![TimeSeries { labels, samples: vec![] }]));
    }

    fn label_of_a() -> Vec<u8> {
        [b"\x0a\x08__name__".as_slice(), b"\x12\x01a"].concat()
    }
}
