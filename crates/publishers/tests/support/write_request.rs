//! Reads `prometheus.WriteRequest`, strictly: what our publisher need not write is an error.

#![allow(dead_code, reason = "each suite uses its part")]

/// A series of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    /// Names and values in the order in which they came.
    pub(crate) labels: Vec<(String, String)>,
    /// The bits of the value.
    pub(crate) value: u64,
    /// Milliseconds.
    pub(crate) time: i64,
}

impl Written {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// The series of a request's body.
pub(crate) fn read(body: &[u8]) -> Vec<Written> {
    let message = snap::raw::Decoder::new().decompress_vec(body).unwrap();
    let mut message = message.as_slice();
    let mut all = Vec::new();
    while !message.is_empty() {
        let mut series = part(0x0a, &mut message);
        let mut labels = Vec::new();
        while series[0] == 0x0a {
            let mut label = part(0x0a, &mut series);
            labels.push((text(part(0x0a, &mut label)), text(part(0x12, &mut label))));
            assert!(label.is_empty());
        }
        let point = part(0x12, &mut series);
        assert!(series.is_empty());
        assert_eq!((point[0], point[9]), (0x09, 0x10));
        let value = u64::from_le_bytes(point[1..9].try_into().unwrap());
        let mut time = &point[10..];
        let number = varint(&mut time).cast_signed();
        assert!(time.is_empty());
        all.push(Written { labels, value, time: number });
    }
    all
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for place in 0.. {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn part<'b>(key: u8, bytes: &mut &'b [u8]) -> &'b [u8] {
    assert_eq!(bytes[0], key);
    *bytes = &bytes[1..];
    let length = usize::try_from(varint(bytes)).unwrap();
    let (part, rest) = bytes.split_at(length);
    *bytes = rest;
    part
}
