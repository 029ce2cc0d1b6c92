//! MessagePack as Python's `msgpack.dumps(…, use_bin_type=True)` writes it: the shortest form of each value.

use model::{Map, Value};

/// Why a value has no MessagePack form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MsgpackError {
    /// An integer below −2⁶³ or above 2⁶⁴ − 1.
    #[error("an integer has more than 64 bits, which MessagePack cannot carry")]
    Integer,
    /// A text, list or map of 2³² or more.
    #[error("a text, list or map is longer than MessagePack can carry")]
    Length,
}

/// Appends a map.
pub(crate) fn write_map(map: &Map, out: &mut Vec<u8>) -> Result<(), MsgpackError> {
    write_head(map.len(), &Head { fix: (0x80, 15), byte: None, half: 0xde, word: 0xdf }, out)?;
    for (key, value) in map.iter() {
        write_text(key, out)?;
        write_value(value, out)?;
    }
    Ok(())
}

fn write_value(value: &Value, out: &mut Vec<u8>) -> Result<(), MsgpackError> {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(false) => out.push(0xc2),
        Value::Bool(true) => out.push(0xc3),
        Value::Int(number) => write_integer(*number, out),
        Value::BigInt(digits) => write_unsigned(digits.parse().map_err(|_| MsgpackError::Integer)?, out),
        Value::Float(number) => {
            out.push(0xcb);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Str(text) => write_text(text, out)?,
        Value::List(items) => {
            write_head(items.len(), &Head { fix: (0x90, 15), byte: None, half: 0xdc, word: 0xdd }, out)?;
            for item in items {
                write_value(item, out)?;
            }
        }
        Value::Map(map) => write_map(map, out)?,
    }
    Ok(())
}

fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), MsgpackError> {
    write_head(text.len(), &Head { fix: (0xa0, 31), byte: Some(0xd9), half: 0xda, word: 0xdb }, out)?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// The first bytes of the forms of one kind.
struct Head {
    /// The form whose length stands in the first byte, and the longest that it takes.
    fix: (u8, u8),
    /// With a length of 8 bits, where there is such a form.
    byte: Option<u8>,
    /// With a length of 16 bits.
    half: u8,
    /// With a length of 32 bits.
    word: u8,
}

fn write_head(length: usize, head: &Head, out: &mut Vec<u8>) -> Result<(), MsgpackError> {
    let length = u32::try_from(length).map_err(|_| MsgpackError::Length)?;
    match (u8::try_from(length), u16::try_from(length), head.byte) {
        (Ok(short), _, _) if short <= head.fix.1 => out.push(head.fix.0 | short),
        (Ok(short), _, Some(byte)) => out.extend_from_slice(&[byte, short]),
        (_, Ok(medium), _) => {
            out.push(head.half);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(head.word);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    Ok(())
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    if let Ok(unsigned) = u64::try_from(number) {
        write_unsigned(unsigned, out);
    } else if let Ok(small) = i8::try_from(number) {
        // The fixed form of −32 to −1 is the byte itself.
        if small < -32 {
            out.push(0xd0);
        }
        out.extend_from_slice(&small.to_be_bytes());
    } else if let Ok(half) = i16::try_from(number) {
        out.push(0xd1);
        out.extend_from_slice(&half.to_be_bytes());
    } else if let Ok(word) = i32::try_from(number) {
        out.push(0xd2);
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn write_unsigned(number: u64, out: &mut Vec<u8>) {
    if let Ok(byte) = u8::try_from(number) {
        if byte >= 0x80 {
            out.push(0xcc);
        }
        out.push(byte);
    } else if let Ok(half) = u16::try_from(number) {
        out.push(0xcd);
        out.extend_from_slice(&half.to_be_bytes());
    } else if let Ok(word) = u32::try_from(number) {
        out.push(0xce);
        out.extend_from_slice(&word.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(value: &Value) -> Result<Vec<u8>, MsgpackError> {
        let mut out = Vec::new();
        write_value(value, &mut out).map(|()| out)
    }

    #[test]
    fn integers_take_the_shortest_form() {
        for (number, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0xcc, 128]),
            (255, &[0xcc, 255]),
            (256, &[0xcd, 1, 0]),
            (65_536, &[0xce, 0, 1, 0, 0]),
            (4_294_967_296, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
            (-1, &[0xff]),
            (-32, &[0xe0]),
            (-33, &[0xd0, 0xdf]),
            (-129, &[0xd1, 0xff, 0x7f]),
            (-32_769, &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
            (i64::MIN, &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(packed(&Value::Int(number)).unwrap(), bytes, "{number}");
        }
        assert_eq!(
            packed(&Value::BigInt("18446744073709551615".into())).unwrap(),
            [0xcf, 255, 255, 255, 255, 255, 255, 255, 255]
        );
        for digits in ["18446744073709551616", "-9223372036854775809"] {
            assert_eq!(packed(&Value::BigInt(digits.into())), Err(MsgpackError::Integer));
        }
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        for (length, head) in [
            (31, &[0xbf][..]),
            (32, &[0xd9, 32]),
            (255, &[0xd9, 255]),
            (256, &[0xda, 1, 0]),
            (65_536, &[0xdb, 0, 1, 0, 0]),
        ] {
            assert!(packed(&"x".repeat(length).into()).unwrap().starts_with(head), "{length}");
        }
        for (length, head) in [(15, &[0x9f][..]), (16, &[0xdc, 0, 16]), (65_536, &[0xdd, 0, 1, 0, 0])] {
            assert!(packed(&Value::List(vec![Value::Null; length])).unwrap().starts_with(head), "{length}");
        }
        let map: Map = (0..16).map(|n| (format!("{n}"), Value::Bool(true))).collect();
        assert!(packed(&map.into()).unwrap().starts_with(&[0xde, 0, 16, 0xa1, b'0', 0xc3]));
    }
}
