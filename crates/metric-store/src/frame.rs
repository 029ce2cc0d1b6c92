//! Frames: pieces of a file that are found again, and checked, when what is around them is damaged.
//!
//! ```text
//! offset size
//!      0    4  F5 and three letters that tell the kind
//!      4    4  length n of the body
//!      8    4  crc of the body
//!     12    4  crc of bytes 0..12
//!     16    n  body
//! ```
//!
//! `crc` is CRC-32 (ISO-HDLC), numbers are little-endian.

use std::ops::Range;

pub(crate) const HEADER_BYTES: usize = 16;

/// What a frame holds.
pub(crate) type Kind = [u8; 4];

/// Appends a frame.
pub(crate) fn put(bytes: &mut Vec<u8>, kind: Kind, body: &[u8]) {
    bytes.reserve(HEADER_BYTES + body.len());
    put_with(bytes, kind, |bytes| bytes.extend_from_slice(body));
}

/// Appends a frame whose body `put` appends.
pub(crate) fn put_with(bytes: &mut Vec<u8>, kind: Kind, put: impl FnOnce(&mut Vec<u8>)) {
    let begin = bytes.len();
    bytes.extend_from_slice(&[0; HEADER_BYTES]);
    put(bytes);
    let Some((header, body)) =
        bytes.get_mut(begin..).and_then(|frame| frame.split_at_mut_checked(HEADER_BYTES))
    else {
        return;
    };
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let [checked @ .., own] = header.as_chunks_mut::<4>().0 else { return };
    for (part, value) in
        checked.iter_mut().zip([kind, length.to_le_bytes(), crc32fast::hash(body).to_le_bytes()])
    {
        *part = value;
    }
    *own = crc32fast::hash(checked.as_flattened()).to_le_bytes();
}

/// The body of the frame that `bytes` begin with; `None` when there is no intact one of this kind.
pub(crate) fn read(bytes: &[u8], kind: Kind) -> Option<&[u8]> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let (checked, own) = header.split_at_checked(12)?;
    let number =
        |at: Range<usize>| -> Option<u32> { Some(u32::from_le_bytes(header.get(at)?.try_into().ok()?)) };
    if !checked.starts_with(&kind) || crc32fast::hash(checked).to_le_bytes() != *own {
        return None;
    }
    let body = rest.get(..usize::try_from(number(4..8)?).ok()?)?;
    (crc32fast::hash(body) == number(8..12)?).then_some(body)
}

/// The bodies of the intact frames of a kind with the places of the frames, in order, and how many bytes are none.
pub(crate) fn scan(bytes: &[u8], kind: Kind) -> (Vec<(usize, &[u8])>, usize) {
    let (mut frames, mut damaged, mut place) = (Vec::new(), 0, 0);
    while let Some(rest) = bytes.get(place..).filter(|rest| !rest.is_empty()) {
        if let Some(body) = read(rest, kind) {
            frames.push((place, body));
            place += HEADER_BYTES + body.len();
        } else {
            let next = rest.windows(kind.len()).skip(1).position(|window| window == kind);
            let skipped = next.map_or(rest.len(), |next| next + 1);
            damaged += skipped;
            place += skipped;
        }
    }
    (frames, damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = [0xf5, b'A', b'B', b'C'];

    #[test]
    fn each_damage_costs_the_frames_that_it_touches() {
        let mut bytes = Vec::new();
        for body in [&b"first"[..], b"", b"third \xf5ABC"] {
            put(&mut bytes, KIND, body);
        }
        let lengths = [21, 16, 26];
        assert_eq!(scan(&bytes, KIND), (vec![(0, &b"first"[..]), (21, b""), (37, b"third \xf5ABC")], 0));
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x10;
            let hit = if place < 21 { 0 } else { 1 + usize::from(place >= 37) };
            let (frames, lost) = scan(&damaged, KIND);
            assert_eq!((frames.len(), lost), (2, lengths[hit]), "{place}");
        }
    }
}
