//! Any bytes in any file: the log opens, reads, takes records, and stays within bounds.

use std::time::{Duration, Instant};

use nephoscope_buffer::segment_log::{Limits, MAX_DESCRIBED};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use testkit::faults::FaultyMedium;

use super::{directory, open, open_with, payload, payloads, segment};

/// No input may take longer.
const LONGEST: Duration = Duration::from_secs(10);

fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc32fast::hash(bytes).to_le_bytes()
}

/// An entry of a cursor file, written down from the format's page.
pub(crate) fn cursor_entry(sequence: u64) -> [u8; 16] {
    let mut entry = [0; 16];
    entry[..8].copy_from_slice(&sequence.to_le_bytes());
    entry[8..12].copy_from_slice(&checksum(&sequence.to_le_bytes()));
    entry
}

/// Gives a header that ends with a checksum at `sum` another version.
pub(crate) fn make_newer(bytes: &mut [u8], version: u16, sum: usize) {
    bytes[8..10].copy_from_slice(&version.to_le_bytes());
    let checksum = checksum(&bytes[..sum]);
    bytes[sum..sum + 4].copy_from_slice(&checksum);
}

fn record(number: u64, sequence: u64, payload: &[u8]) -> Vec<u8> {
    record_at(5, number, sequence, payload)
}

/// A record of segment `number`, written down from the format's page.
fn record_at(time: i64, number: u64, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let seeded = |bytes: &[u8]| {
        let mut hasher = crc32fast::Hasher::new_with_initial(crc32fast::hash(&number.to_le_bytes()));
        hasher.update(bytes);
        hasher.finalize().to_le_bytes()
    };
    let mut bytes = vec![0xf5, b'R', b'E', b'C'];
    bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(time.to_le_bytes());
    bytes.extend(seeded(payload));
    let header = seeded(&bytes);
    bytes.extend(header);
    bytes.extend(payload);
    bytes
}

fn segment_header(first: u64) -> Vec<u8> {
    let mut bytes = b"NEPHSEG\n\x01\0\0\0".to_vec();
    bytes.extend(first.to_le_bytes());
    bytes.extend(7_i64.to_le_bytes());
    let sum = checksum(&bytes);
    bytes.extend(sum);
    bytes
}

#[test]
fn the_format_is_the_one_that_is_drawn() {
    let medium = FaultyMedium::new();
    let mut first = segment_header(41);
    first.extend(record(1, 41, &payload(1)));
    first.extend(record(1, 42, &payload(2)));
    medium.put(segment(1), &first);
    let mut cursor = b"NEPHCUR\n\x01\0\0\0".to_vec();
    cursor.extend(checksum(&cursor));
    cursor.extend(cursor_entry(42));
    medium.put(directory().join("cursor"), &cursor);
    let (mut log, recovery) = open(&medium);
    assert_eq!((recovery.records, recovery.found.is_empty()), (1, true), "{recovery:?}");
    let entries = log.read(9, 1 << 20).unwrap();
    assert_eq!((entries[0].sequence, entries[0].time_microseconds), (42, 5));
    log.append(7, &payloads([3])).unwrap();
    let mut second = segment_header(43);
    second.extend(record_at(7, 2, 43, &payload(3)));
    assert_eq!(medium.contents(segment(2)).unwrap(), second);
}

/// What stands in a file of the directory.
fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        (0..200_usize).prop_map(|count| vec![0; count]),
        (0..90_usize).prop_map(|count| b"\xf5REC".repeat(count)),
        sequence().prop_map(segment_header),
        (1..4_u64, sequence(), 0..50_u64).prop_map(|(number, sequence, id)| record(
            number,
            sequence,
            &payload(id)
        )),
        (1..4_u64, sequence(), any::<u32>()).prop_map(|(number, sequence, length)| {
            let mut bytes = record(number, sequence, b"");
            bytes[4..8].copy_from_slice(&length.to_le_bytes());
            bytes
        }),
        sequence().prop_map(|sequence| cursor_entry(sequence).to_vec()),
    ]
}

fn sequence() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..12_u64,
        Just(u64::MAX),
        Just((1 << 62) - 1),
        Just(1 << 62),
        Just((1 << 60) - 1),
        Just(1 << 60),
        any::<u64>()
    ]
}

fn file() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        (0..4_u64).prop_map(|number| format!("segment-{number:020}.log")),
        Just("segment-04611686018427387903.log".to_owned()),
        Just("segment-18446744073709551615.log".to_owned()),
        Just("cursor".to_owned()),
        Just("cursor.new".to_owned()),
        Just("quarantine".to_owned()),
        Just("quarantine/segment-1".to_owned()),
        "[a-z]{1,8}",
    ];
    let well_begun = prop_oneof![
        Just(Vec::new()),
        sequence().prop_map(segment_header),
        Just(b"NEPHCUR\n\x01\0\0\0\x11\x22\x33\x44".to_vec()),
    ];
    (name, well_begun, proptest::collection::vec(part(), 0..12))
        .prop_map(|(name, begin, parts)| (name, [begin, parts.concat()].concat()))
}

#[test]
fn any_directory_opens_reads_and_takes_records() {
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    runner
        .run(&proptest::collection::vec(file(), 0..7), |files| {
            let medium = FaultyMedium::new();
            for (name, contents) in &files {
                medium.put(directory().join(name), contents);
            }
            let started = Instant::now();
            let (mut log, recovery) = open(&medium);
            prop_assert!(recovery.found.damage.len() <= MAX_DESCRIBED);
            let held: usize = files.iter().map(|(_, contents)| contents.len()).sum();
            let mut read = 0;
            let mut bytes = 0;
            let mut last = None;
            loop {
                let entries = log.read(2, 1 << 20).unwrap();
                if entries.is_empty() {
                    break;
                }
                for entry in entries {
                    prop_assert!(last.is_none_or(|last| last < entry.sequence), "sequence numbers grow");
                    last = Some(entry.sequence);
                    read += 1;
                    bytes += entry.payload.len();
                }
            }
            prop_assert_eq!(read, recovery.records);
            prop_assert!(bytes <= held);
            let end = log.append(1, &payloads([77])).unwrap();
            log.rewind();
            prop_assert_eq!(log.len(), read + 1);
            log.commit(end - 1).unwrap();
            let left = log.read(9, 1 << 20).unwrap();
            prop_assert_eq!(left.len(), 1);
            prop_assert_eq!(&left[0].payload, &payload(77));
            prop_assert!(started.elapsed() < LONGEST, "took {:?}", started.elapsed());
            Ok(())
        })
        .unwrap();
}

/// The worst that was thought of, a megabyte or more of each.
#[test]
fn large_hostile_segments_take_no_long_time() {
    let mut alternating = segment_header(1);
    for sequence in 1..20_000 {
        alternating.extend(record(1, sequence * 2, b""));
        alternating.push(0xf5);
    }
    let mut truncated = segment_header(1);
    for sequence in 1..30_000 {
        let mut header = record(1, sequence, b"x");
        header.pop();
        truncated.extend(header);
    }
    let markers = [segment_header(1), b"\xf5REC".repeat(1 << 19)].concat();
    let same = [segment_header(1), record(1, 1, b"x").repeat(1 << 15)].concat();
    for (name, contents) in [
        ("alternating", alternating),
        ("truncated", truncated),
        ("markers", markers),
        ("same", same),
        ("0xf5", vec![0xf5; 2 << 20]),
    ] {
        let medium = FaultyMedium::new();
        medium.put(segment(1), &contents);
        let started = Instant::now();
        let (mut log, recovery) = open_with(&medium, Limits::default());
        let mut read = 0;
        loop {
            let count = log.read(1000, 1 << 20).unwrap().len() as u64;
            if count == 0 {
                break;
            }
            read += count;
        }
        assert_eq!(read, recovery.records, "{name}");
        // More, because tests are not optimised.
        assert!(started.elapsed() < 2 * LONGEST, "{name} took {:?}", started.elapsed());
    }
}
