//! Prometheus' remote write, version 1: a protobuf message in a block of snappy.

/// One series.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TimeSeries {
    /// Names and values.
    pub(crate) labels: Vec<(String, String)>,
    /// Milliseconds since 1970, and values.
    pub(crate) samples: Vec<(i64, f64)>,
}

/// The message is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RemoteWriteError {
    #[error("the body is no block of snappy")]
    Snappy,
    #[error("the body unpacks to more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the body is no WriteRequest")]
    Message,
}

/// The most bytes that a body may unpack to.
const MAX_BYTES: usize = 256 << 20;

/// Reads a body.
pub(crate) fn read(body: &[u8]) -> Result<Vec<TimeSeries>, RemoteWriteError> {
    let length = snap::raw::decompress_len(body).map_err(|_| RemoteWriteError::Snappy)?;
    if length > MAX_BYTES {
        return Err(RemoteWriteError::TooLarge);
    }
    let plain = snap::raw::Decoder::new().decompress_vec(body).map_err(|_| RemoteWriteError::Snappy)?;
    message(&plain).ok_or(RemoteWriteError::Message)
}

fn message(bytes: &[u8]) -> Option<Vec<TimeSeries>> {
    let mut series = Vec::new();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next_field().ok()? {
        if let (1, Field::Bytes(bytes)) = field {
            series.push(time_series(bytes)?);
        }
    }
    Some(series)
}

fn time_series(bytes: &[u8]) -> Option<TimeSeries> {
    let mut series = TimeSeries::default();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next_field().ok()? {
        match field {
            (1, Field::Bytes(bytes)) => series.labels.push(label(bytes)?),
            (2, Field::Bytes(bytes)) => series.samples.push(sample(bytes)?),
            _ => {}
        }
    }
    Some(series)
}

fn label(bytes: &[u8]) -> Option<(String, String)> {
    let (mut name, mut value) = (String::new(), String::new());
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next_field().ok()? {
        match field {
            (1, Field::Bytes(bytes)) => name = String::from_utf8(bytes.to_vec()).ok()?,
            (2, Field::Bytes(bytes)) => value = String::from_utf8(bytes.to_vec()).ok()?,
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

    #[test]
    fn a_message() {
        let label = [b"\x0a\x08__name__".as_slice(), b"\x12\x01a"].concat();
        let sample = [&[0x09][..], &1.5_f64.to_le_bytes(), &[0x10, 0xe8, 0x07]].concat();
        let field = |number: u8, bytes: &[u8]| {
            [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
        };
        let series = [field(1, &label), field(2, &sample)].concat();
        let packed = snap::raw::Encoder::new().compress_vec(&field(1, &series)).unwrap();
        let labels = vec![("__name__".to_owned(), "a".to_owned())];
        assert_eq!(read(&packed), Ok(vec![TimeSeries { labels, samples: vec![(1_000, 1.5)] }]));
        assert_eq!(read(b"nothing of the kind"), Err(RemoteWriteError::Snappy));
        let broken = snap::raw::Encoder::new().compress_vec(&[0x0a, 0x05]).unwrap();
        assert_eq!(read(&broken), Err(RemoteWriteError::Message));
    }
}
