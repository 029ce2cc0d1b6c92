//! A known log is damaged in a known way; exactly the records that were not hit survive.

use nephoscope_buffer::segment_log::{DamageKind, Limits};
use testkit::faults::FaultyMedium;

use super::{
    LIMITS, RECORD_HEADER, SEGMENT_HEADER, directory, exists, files, ids, open, open_with, payload, payloads,
    read_all, segment,
};

/// Three segments: records 1 to 5, 6 to 10, 11 to 15; of which 1 and 2 are committed.
fn prepared() -> FaultyMedium {
    let medium = FaultyMedium::new();
    let (mut log, _) = open_with(&medium, Limits { segment_bytes: 300, ..LIMITS });
    for first in [1, 6, 11] {
        log.append(i64::try_from(first).unwrap(), &payloads(first..first + 2)).unwrap();
        log.append(i64::try_from(first).unwrap(), &payloads(first + 2..first + 5)).unwrap();
    }
    let second = log.read(2, 1 << 20).unwrap()[1].sequence;
    log.commit(second + 1).unwrap();
    assert_eq!(files(&medium).len(), 4, "{:?}", files(&medium));
    medium
}

/// Where record `id` begins in its segment.
fn offset(id: u64) -> usize {
    let first = (id - 1) / 5 * 5 + 1;
    SEGMENT_HEADER + (first..id).map(|before| RECORD_HEADER + payload(before).len()).sum::<usize>()
}

fn edit(medium: &FaultyMedium, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut contents = medium.contents(segment(number)).unwrap();
    change(&mut contents);
    medium.put(segment(number), &contents);
}

/// What somebody did to the directory.
struct Case {
    name: &'static str,
    damage: fn(&FaultyMedium),
    /// Records that are read afterwards.
    survivors: &'static [u64],
    missing: u64,
    kinds: &'static [DamageKind],
}

const INTACT: &[u64] = &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    use DamageKind::{
        BadCursor, CorruptRecord, Foreign, NewerVersion, NotASegment, OutOfOrder, TornTail, Unreadable,
    };
    vec![
        Case { name: "nothing", damage: |_| {}, survivors: INTACT, missing: 0, kinds: &[] },
        Case {
            name: "torn tail: the last record is cut",
            damage: |medium| edit(medium, 3, |bytes| bytes.truncate(bytes.len() - 3)),
            survivors: &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
            missing: 0,
            kinds: &[TornTail],
        },
        Case {
            name: "torn tail: the last record's header is cut",
            damage: |medium| edit(medium, 3, |bytes| bytes.truncate(offset(15) + 9)),
            survivors: &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
            missing: 0,
            kinds: &[TornTail],
        },
        Case {
            name: "torn tail in the middle segment",
            damage: |medium| edit(medium, 2, |bytes| bytes.truncate(offset(9) + 33)),
            survivors: &[3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15],
            missing: 2,
            kinds: &[TornTail],
        },
        Case {
            name: "zeros behind the last record",
            damage: |medium| edit(medium, 3, |bytes| bytes.extend([0; 100])),
            survivors: INTACT,
            missing: 0,
            kinds: &[TornTail],
        },
        Case {
            name: "bad length, too small",
            damage: |medium| edit(medium, 2, |bytes| bytes[offset(7) + 4] -= 1),
            survivors: &[3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 1,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "bad length, huge",
            damage: |medium| edit(medium, 2, |bytes| bytes[offset(7) + 7] = 0xff),
            survivors: &[3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 1,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "bad checksum of the payload",
            damage: |medium| edit(medium, 2, |bytes| bytes[offset(6) + 24] ^= 1),
            survivors: &[3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 1,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "bad checksum of the record's header",
            damage: |medium| edit(medium, 2, |bytes| bytes[offset(10) + 28] ^= 0x80),
            survivors: &[3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15],
            missing: 1,
            kinds: &[TornTail],
        },
        Case {
            name: "a flipped bit in a payload",
            damage: |medium| edit(medium, 1, |bytes| bytes[offset(4) + 34] ^= 0x10),
            survivors: &[3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 1,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "a flipped bit in what is committed",
            damage: |medium| edit(medium, 1, |bytes| bytes[offset(1) + 34] ^= 0x10),
            survivors: INTACT,
            missing: 0,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "flipped bits in two neighbours and in a third",
            damage: |medium| {
                edit(medium, 2, |bytes| {
                    for id in [7, 8, 10] {
                        bytes[offset(id) + 1] ^= 2;
                    }
                });
            },
            survivors: &[3, 4, 5, 6, 9, 11, 12, 13, 14, 15],
            missing: 3,
            kinds: &[CorruptRecord, TornTail],
        },
        Case {
            name: "a flipped bit in a segment's header",
            damage: |medium| edit(medium, 2, |bytes| bytes[13] ^= 1),
            survivors: INTACT,
            missing: 0,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "zeroed page: the beginning of a segment",
            damage: |medium| edit(medium, 2, |bytes| bytes[..offset(7) + 5].fill(0)),
            survivors: &[3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 2,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "zeroed page: the middle of a segment",
            damage: |medium| edit(medium, 2, |bytes| bytes[offset(7) + 5..=offset(9)].fill(0)),
            survivors: &[3, 4, 5, 6, 10, 11, 12, 13, 14, 15],
            missing: 3,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "zeroed page: a whole segment",
            damage: |medium| edit(medium, 2, |bytes| bytes.fill(0)),
            survivors: &[3, 4, 5, 11, 12, 13, 14, 15],
            missing: 5,
            kinds: &[NotASegment],
        },
        Case {
            name: "bytes inserted between two records",
            damage: |medium| {
                edit(medium, 2, |bytes| {
                    bytes.splice(offset(8)..offset(8), [1, 2, 3, 0xf5, b'R', b'E', b'C']);
                });
            },
            survivors: INTACT,
            missing: 0,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "a record twice",
            damage: |medium| {
                edit(medium, 2, |bytes| {
                    let record = bytes[offset(7)..offset(8)].to_vec();
                    bytes.splice(offset(9)..offset(9), record);
                });
            },
            survivors: INTACT,
            missing: 0,
            kinds: &[CorruptRecord],
        },
        Case {
            name: "missing segment, the first",
            damage: |medium| remove(medium, 1),
            survivors: &[6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 3,
            kinds: &[],
        },
        Case {
            name: "missing segment, the middle one",
            damage: |medium| remove(medium, 2),
            survivors: &[3, 4, 5, 11, 12, 13, 14, 15],
            missing: 5,
            kinds: &[],
        },
        Case {
            name: "missing segment, the last (nothing tells that it was there)",
            damage: |medium| remove(medium, 3),
            survivors: &[3, 4, 5, 6, 7, 8, 9, 10],
            missing: 0,
            kinds: &[],
        },
        Case {
            name: "a segment cut to nothing",
            damage: |medium| edit(medium, 2, Vec::clear),
            survivors: &[3, 4, 5, 11, 12, 13, 14, 15],
            missing: 5,
            kinds: &[],
        },
        Case {
            name: "a segment under another's number",
            damage: |medium| {
                let contents = medium.contents(segment(2)).unwrap();
                medium.put(segment(7), &contents);
            },
            survivors: INTACT,
            missing: 0,
            // Its header is intact and says 6, its records are none of segment 7.
            kinds: &[OutOfOrder],
        },
        Case {
            name: "extra files",
            damage: |medium| {
                medium.put(directory().join("notes.txt"), b"do not touch");
                medium.put(directory().join("segment-3.log"), b"short number");
                medium.put(directory().join("segment-99999999999999999999.log"), b"number too large");
            },
            survivors: INTACT,
            missing: 0,
            kinds: &[Foreign, Foreign, Foreign],
        },
        Case {
            name: "a directory in the place of a segment",
            damage: |medium| {
                remove(medium, 2);
                medium.put(segment(2).join("inside"), b"x");
                nephoscope_buffer::medium::Medium::create_directory(medium, &segment(2)).unwrap();
            },
            survivors: &[3, 4, 5, 11, 12, 13, 14, 15],
            missing: 5,
            kinds: &[Unreadable],
        },
        Case {
            name: "stale cursor",
            damage: |medium| {
                let contents = medium.contents(directory().join("cursor")).unwrap();
                // Header, entry 1 (sequence 1), as it may have been before the commit.
                let mut stale = contents[..16].to_vec();
                stale.extend_from_slice(&super::hostile::cursor_entry(1));
                medium.put(directory().join("cursor"), &stale);
            },
            survivors: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 0,
            kinds: &[],
        },
        Case {
            name: "no cursor",
            damage: |medium| {
                nephoscope_buffer::medium::Medium::remove(medium, &directory().join("cursor")).unwrap();
            },
            survivors: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 0,
            kinds: &[],
        },
        Case {
            name: "a cursor that is something else",
            damage: |medium| medium.put(directory().join("cursor"), b"3"),
            survivors: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 0,
            kinds: &[BadCursor],
        },
        Case {
            name: "a huge cursor file",
            damage: |medium| medium.put(directory().join("cursor"), &vec![b'N'; 2 << 20]),
            survivors: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 0,
            kinds: &[BadCursor],
        },
        Case {
            name: "a damaged entry between two intact ones of the cursor",
            damage: |medium| {
                let mut contents = medium.contents(directory().join("cursor")).unwrap();
                contents.extend_from_slice(&[7; 16]);
                contents.extend_from_slice(&super::hostile::cursor_entry(5));
                medium.put(directory().join("cursor"), &contents);
            },
            survivors: &[5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 0,
            kinds: &[BadCursor],
        },
        Case {
            name: "a torn entry of the cursor, and zeros",
            damage: |medium| {
                let mut contents = medium.contents(directory().join("cursor")).unwrap();
                contents.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0, 0, 1]);
                contents.extend_from_slice(&[0; 30]);
                medium.put(directory().join("cursor"), &contents);
            },
            survivors: INTACT,
            missing: 0,
            kinds: &[],
        },
        Case {
            name: "an unfinished new cursor",
            damage: |medium| medium.put(directory().join("cursor.new"), b"NEPH"),
            survivors: INTACT,
            missing: 0,
            kinds: &[],
        },
        Case {
            name: "a segment of a later version",
            damage: |medium| edit(medium, 2, |bytes| super::hostile::make_newer(bytes, 2, 28)),
            survivors: &[3, 4, 5, 11, 12, 13, 14, 15],
            missing: 5,
            kinds: &[NewerVersion(2)],
        },
        Case {
            name: "a cursor of a later version",
            damage: |medium| {
                let mut contents = medium.contents(directory().join("cursor")).unwrap();
                super::hostile::make_newer(&mut contents, 9, 12);
                medium.put(directory().join("cursor"), &contents);
            },
            survivors: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            missing: 0,
            kinds: &[NewerVersion(9)],
        },
        Case {
            name: "a file where the quarantine should be, and something to put there",
            damage: |medium| {
                medium.put(directory().join("quarantine"), b"");
                edit(medium, 2, |bytes| bytes.fill(0));
            },
            survivors: &[3, 4, 5, 11, 12, 13, 14, 15],
            missing: 5,
            kinds: &[NotASegment],
        },
    ]
}

fn remove(medium: &FaultyMedium, number: u64) {
    nephoscope_buffer::medium::Medium::remove(medium, &segment(number)).unwrap();
}

#[test]
fn each_damage_costs_exactly_the_records_that_it_hit() {
    for Case { name, damage, survivors, missing, kinds } in cases() {
        let medium = prepared();
        damage(&medium);
        let (mut log, recovery) = open(&medium);
        let seen = read_all(&mut log);
        assert_eq!(ids(&seen), survivors, "{name}");
        assert_eq!(recovery.records, survivors.len() as u64, "{name}: {recovery:?}");
        assert_eq!(recovery.found.missing_records, missing, "{name}: {recovery:?}");
        let mut found: Vec<_> = recovery.found.damage.iter().map(|damage| damage.kind).collect();
        found.sort_by_key(|kind| kinds.iter().position(|known| known == kind));
        assert_eq!(found, kinds, "{name}: {recovery:?}");
        assert_eq!(recovery.found.damage_count, kinds.len() as u64, "{name}");
        assert!(log.take_found().is_empty(), "{name}: reading found what the open had not");
        for damage in &recovery.found.damage {
            match &damage.quarantined_as {
                Some(kept) => {
                    let is_there =
                        exists(&medium, &directory().join(kept)) || name.starts_with("a directory");
                    assert!(is_there, "{name}: {damage}");
                }
                None => assert!(name.starts_with("a file where"), "{name}: {damage}"),
            }
        }
        // Life goes on: what is appended comes after the survivors, also after another start.
        log.append(99, &payloads([500])).unwrap();
        drop(log);
        let (mut log, again) = open(&medium);
        assert_eq!(ids(&read_all(&mut log)), [survivors, &[500]].concat(), "{name}, opened again");
        assert_eq!(again.found.missing_records, missing, "{name}, opened again: {again:?}");
        let end = log.end();
        log.commit(end).unwrap();
        drop(log);
        let (log, clean) = open(&medium);
        assert_eq!((log.len(), clean.found.missing_records), (0, 0), "{name}, when all is done");
    }
}

#[test]
fn damage_that_comes_up_while_reading_is_counted_and_kept_too() {
    let medium = prepared();
    let (mut log, _) = open(&medium);
    edit(&medium, 2, |bytes| bytes[offset(7) + 33] ^= 1);
    edit(&medium, 2, |bytes| bytes[offset(8) + 2] ^= 1);
    assert_eq!(log.len(), 13);
    assert_eq!(ids(&read_all(&mut log)), [3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15]);
    let found = log.take_found();
    assert_eq!((found.missing_records, found.damage_count, log.len()), (2, 1, 11), "{found:?}");
    let kept = found.damage[0].quarantined_as.clone().unwrap();
    assert_eq!(medium.contents(directory().join(kept)).unwrap().len(), offset(9) - offset(7));
    log.rewind();
    assert_eq!(read_all(&mut log).len(), 11);
    assert!(log.take_found().is_empty(), "counted once");
    let end = log.end();
    log.commit(end).unwrap();
    assert_eq!((log.len(), log.bytes(), log.missing()), (0, 0, 0));
}

#[test]
fn the_quarantine_is_bounded_and_the_oldest_goes_first_but_never_what_a_later_release_wrote() {
    let medium = prepared();
    let quarantine = directory().join("quarantine");
    for number in 0..9 {
        medium.put(quarantine.join(format!("old-{number}.corrupt")), &[0; 300]);
    }
    medium.put(quarantine.join("a-precious.newer_version"), &[0; 5000]);
    let limits = Limits { quarantine_bytes: 6000, ..LIMITS };
    let (log, recovery) = open_with(&medium, limits);
    assert_eq!(recovery.pruned_files, 6);
    let left: Vec<_> = files(&medium).into_iter().filter(|name| name.starts_with("quarantine/")).collect();
    assert_eq!(
        left,
        ["a-precious.newer_version", "old-6.corrupt", "old-7.corrupt", "old-8.corrupt"]
            .map(|name| format!("quarantine/{name}"))
    );
    drop(log);
    edit(&medium, 1, |bytes| bytes[offset(3) + 33] ^= 1);
    let (_log, recovery) = open_with(&medium, Limits { quarantine_bytes: 100, ..LIMITS });
    assert_eq!(recovery.found.damage[0].quarantined_as, None, "there is no room");
    assert!(
        recovery.found.damage[0].to_string().ends_with("damaged; not kept"),
        "{}",
        recovery.found.damage[0]
    );
}
