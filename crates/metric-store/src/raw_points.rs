//! Raw points in few bytes: meters measure at a steady pace, and values are packed as those of chunks.
//!
//! ```text
//! points   blocks, then 0
//! block    count of points n (number, 65 536 at most), first timestamp (ns, number),
//!          runs of (distance to the timestamp before in ns, how often), until n - 1 are told,
//!          the values (crate::codec)
//! ```

use archive::{Points, Series};

use crate::bytes::{Reader, put_count, put_number};
use crate::codec;

/// Points of a block at most, so that damaged bytes cannot ask for more memory.
const BLOCK: usize = 1 << 16;

pub(crate) fn put(bytes: &mut Vec<u8>, mut points: Points<'_>) {
    while let Some(first) = points.timestamps().first() {
        let block = points.take(BLOCK);
        put_count(bytes, block.len());
        put_number(bytes, first.cast_unsigned());
        let (mut run, mut length) = (0, 0);
        for (before, next) in block.timestamps().iter().zip(block.timestamps().iter().skip(1)) {
            let distance = next.wrapping_sub(*before);
            if distance != run {
                put_run(bytes, run, length);
                (run, length) = (distance, 0);
            }
            length += 1;
        }
        put_run(bytes, run, length);
        codec::encode(block.values(), bytes);
        points = points.skip(block.len());
    }
    put_count(bytes, 0);
}

fn put_run(bytes: &mut Vec<u8>, distance: i64, length: usize) {
    if length > 0 {
        put_number(bytes, distance.cast_unsigned());
        put_count(bytes, length);
    }
}

/// Reads what [`put`] wrote.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Series> {
    let (mut timestamps, mut values): (Vec<i64>, Vec<f64>) = (Vec::new(), Vec::new());
    loop {
        let count = usize::try_from(reader.number()?).ok().filter(|count| *count <= BLOCK)?;
        if count == 0 {
            return Some(Series::from_columns(timestamps, values));
        }
        let first = reader.number()?.cast_signed();
        if timestamps.last().is_some_and(|last| *last >= first) {
            return None;
        }
        timestamps.reserve_exact(count);
        timestamps.push(first);
        let (mut last, mut left) = (first, count - 1);
        while left > 0 {
            let distance = reader.number()?.cast_signed();
            let length =
                usize::try_from(reader.number()?).ok().filter(|length| (1..=left).contains(length))?;
            if distance <= 0 {
                return None;
            }
            for _ in 0..length {
                last = last.checked_add(distance)?;
                timestamps.push(last);
            }
            left -= length;
        }
        let block = codec::read(reader, count)?;
        if values.is_empty() { values = block } else { values.extend(block) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(points: &Series, most: usize) {
        let mut bytes = Vec::new();
        put(&mut bytes, points.points());
        assert!(bytes.len() <= most, "{} are more than {most}", bytes.len());
        let mut reader = Reader::new(&bytes);
        let found = read(&mut reader).unwrap();
        assert!(reader.is_empty());
        assert_eq!(found.points().timestamps(), points.points().timestamps());
        let bits = |series: &Series| {
            series.points().values().iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(&found), bits(points));
        for end in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            assert!(read(&mut Reader::new(&bytes[..end])).is_none(), "{end} of {}", bytes.len());
        }
    }

    #[test]
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn points_come_back_in_few_bytes() {
        let minute = 60_000_000_000;
        check(&Series::new(), 1);
        check(&[(5, f64::NAN)].into_iter().collect(), 12);
        check(&(0..60).map(|point| (point * minute, 4.0)).collect(), 30);
        check(&(0..60).map(|point| (point * minute, (point * 7_919 % 10_000) as f64 / 100.0)).collect(), 150);
        let mut random = fastrand::Rng::with_seed(7);
        let mut now = 0;
        let wild = (0..300).map(|_| {
            now += 1 + random.i64(0..3) * random.i64(0..minute);
            (now, f64::from_bits(random.u64(..)))
        });
        check(&wild.collect(), 300 * 17);
        check(&(0..70_000).map(|point| (point, 1.0)).collect(), 60);
    }

    #[test]
    fn what_is_no_points_is_refused() {
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..20_000 {
            let bytes: Vec<u8> =
                (0..random.usize(0..40)).map(|_| random.u8(..) >> random.u32(0..8)).collect();
            if let Some(series) = read(&mut Reader::new(&bytes)) {
                assert!(series.points().timestamps().is_sorted_by(|one, other| one < other));
            }
        }
    }
}
