//! Without faults.

use std::sync::Arc;

use nephoscope_buffer::medium::Disk;
use nephoscope_buffer::segment_log::{AppendError, Limits, OpenError, SegmentLog};
use testkit::faults::{Fault, FaultyMedium, Survival};

use super::{
    DIRECTORY, LIMITS, RECORD_HEADER, SEGMENT_HEADER, directory, exists, files, id, ids, open, open_with,
};
use super::{payload, payloads, read_all, segment};

#[test]
fn records_come_out_in_order_and_again_until_they_are_committed() {
    let medium = FaultyMedium::new();
    let (mut log, recovery) = open(&medium);
    assert_eq!((recovery.records, log.len(), log.is_empty(), log.oldest()), (0, 0, true, None));
    assert_eq!(log.append(1000, &payloads(1..=4)).unwrap(), 5);
    assert_eq!(log.append(2000, &payloads(5..=20)).unwrap(), 21);
    assert_eq!((log.len(), log.end(), log.oldest()), (20, 21, Some(1000)));
    let first = log.read(6, 1 << 20).unwrap();
    assert_eq!(ids(&first), [1, 2, 3, 4, 5, 6]);
    assert_eq!((first[3].time_microseconds, first[4].time_microseconds), (1000, 2000));
    log.rewind();
    assert_eq!(log.read(2, 1 << 20).unwrap(), first[..2]);
    log.commit(3).unwrap();
    assert_eq!((log.len(), log.oldest()), (18, Some(1000)));
    log.commit(5).unwrap();
    assert_eq!((log.len(), log.oldest()), (16, Some(2000)));
    assert_eq!(ids(&read_all(&mut log)), (5..=20).collect::<Vec<_>>());
    drop(log);
    let (mut log, recovery) = open(&medium);
    assert_eq!((recovery.records, recovery.found.is_empty()), (16, true));
    assert_eq!((log.len(), log.oldest(), log.end()), (16, Some(2000), 21));
    assert_eq!(ids(&read_all(&mut log)), (5..=20).collect::<Vec<_>>());
    log.commit(21).unwrap();
    assert_eq!((log.len(), log.bytes(), log.oldest()), (0, 0, None));
    assert_eq!(files(&medium), ["cursor"], "an empty log takes no space");
    log.append(3000, &payloads([21])).unwrap();
    assert_eq!(ids(&read_all(&mut log)), [21]);
}

#[test]
fn a_read_ends_at_the_count_or_at_the_bytes() {
    let medium = FaultyMedium::new();
    let (mut log, _) = open(&medium);
    log.append(0, &vec![vec![7; 100]; 9]).unwrap();
    assert_eq!(log.read(2, 1 << 20).unwrap().len(), 2);
    assert_eq!(log.read(9, 250).unwrap().len(), 3);
    assert_eq!(
        log.read(9, 1).unwrap().len(),
        1,
        "a record that is larger than the bytes still passes, alone"
    );
    assert_eq!(log.read(9, 1 << 20).unwrap().len(), 3);
    assert_eq!(log.read(9, 1 << 20).unwrap().len(), 0);
}

#[test]
fn what_was_read_elsewhere_is_skipped() {
    let medium = FaultyMedium::new();
    let (mut log, _) = open(&medium);
    let end = log.append(0, &payloads(1..=7)).unwrap();
    log.append(0, &payloads(8..=9)).unwrap();
    log.skip_to(end);
    assert_eq!((log.len(), ids(&read_all(&mut log))), (9, vec![8, 9]));
    log.commit(end).unwrap();
    log.rewind();
    assert_eq!((log.len(), ids(&read_all(&mut log))), (2, vec![8, 9]));
}

#[test]
fn disk_space_is_given_back_in_steps_of_a_segment() {
    let medium = FaultyMedium::new();
    let (mut log, _) = open(&medium);
    for id in 1..=30 {
        log.append(0, &payloads([id])).unwrap();
    }
    let before = log.bytes();
    assert!(exists(&medium, &segment(4)), "{:?}", files(&medium));
    read_all(&mut log);
    log.commit(16).unwrap();
    assert!(!exists(&medium, &segment(1)) && log.bytes() < before, "{:?}", files(&medium));
    assert_eq!(log.len(), 15);
}

#[test]
fn a_full_log_refuses_until_there_is_room() {
    let medium = FaultyMedium::new();
    let limits = Limits { max_bytes: 1000, ..LIMITS };
    let (mut log, _) = open_with(&medium, limits);
    let record = vec![0; 300 - RECORD_HEADER - SEGMENT_HEADER];
    for _ in 0..3 {
        log.append(0, &[&record]).unwrap();
    }
    let refused = log.append(0, &[&record]).unwrap_err();
    assert!(matches!(refused, AppendError::Full { max_bytes: 1000, .. }), "{refused}");
    assert_eq!((refused.cause(), log.len()), ("full", 3));
    drop(log);
    let (mut log, _) = open_with(&medium, limits);
    log.append(0, &[&record]).unwrap_err();
    let first = log.read(1, 1).unwrap()[0].sequence;
    log.commit(first + 1).unwrap();
    log.append(0, &[&record]).unwrap();
    assert_eq!(log.len(), 3);
}

#[test]
fn a_group_is_one_write_and_one_sync() {
    let medium = FaultyMedium::new();
    let (mut log, _) = open(&medium);
    log.append(0, &payloads(1..=2)).unwrap();
    let before = medium.operations();
    log.append(0, &payloads(3..=5)).unwrap();
    assert_eq!(medium.operations() - before, 2);
}

#[test]
fn two_never_use_one_directory() {
    let medium = FaultyMedium::new();
    let held = open(&medium);
    let refused = SegmentLog::open(Arc::new(medium.clone()), directory(), LIMITS).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains(DIRECTORY), "{refused}");
    drop(held);
    open(&medium);
}

#[test]
fn a_failed_sync_ends_the_segment_and_is_not_repeated() {
    let medium = FaultyMedium::new();
    let (mut log, _) = open(&medium);
    log.append(0, &payloads([1])).unwrap();
    // The write is the first operation, the sync the second.
    medium.fail_at(medium.operations() + 2, Fault::InputOutput);
    let error = log.append(0, &payloads([2])).unwrap_err();
    assert_eq!(error.cause(), "input_output", "{error}");
    assert_eq!(log.len(), 1);
    log.append(0, &payloads([3])).unwrap();
    assert!(exists(&medium, &segment(2)), "{:?}", files(&medium));
    assert_eq!(ids(&read_all(&mut log)), [1, 3]);
    for survival in [Survival::OnlySynced, Survival::Everything] {
        let (mut log, recovery) = open(&medium.after_crash(survival));
        assert_eq!(ids(&read_all(&mut log)), [1, 3], "{survival:?}");
        assert_eq!((recovery.records, recovery.found.missing_records), (2, 0), "{survival:?}");
    }
}

#[test]
fn a_full_disk_refuses_leaves_nothing_behind_and_accepts_again_once_there_is_room() {
    let medium = FaultyMedium::new();
    let (mut log, _) = open(&medium);
    log.append(0, &payloads(1..=3)).unwrap();
    medium.set_capacity(Some(log.bytes() + 10));
    for _ in 0..50 {
        let refused = log.append(0, &payloads(4..=9)).unwrap_err();
        assert_eq!(refused.cause(), "no_space", "{refused}");
    }
    assert!(files(&medium).len() <= 2, "{:?}", files(&medium));
    assert_eq!(ids(&log.read(2, 1 << 20).unwrap()), [1, 2]);
    medium.set_capacity(None);
    log.append(0, &payloads(4..=9)).unwrap();
    assert_eq!(ids(&read_all(&mut log)), (3..=9).collect::<Vec<_>>());
    let (mut log, recovery) = open(&medium.after_crash(Survival::OnlySynced));
    assert_eq!(ids(&read_all(&mut log)), (1..=9).collect::<Vec<_>>());
    assert_eq!(recovery.found.missing_records, 0);
}

#[test]
fn a_segment_that_cannot_be_read_is_set_aside_after_some_attempts() {
    let medium = FaultyMedium::new();
    let (mut log, _) = open(&medium);
    log.append(0, &payloads(1..=8)).unwrap();
    log.append(0, &payloads(9..=10)).unwrap();
    medium.fail_from_now(Fault::InputOutput);
    let errors = (0..5).map(|_| log.read(9, 1 << 20).unwrap_err().to_string()).collect::<Vec<_>>();
    assert!(errors[0].contains("segment-00000000000000000001.log"), "{errors:?}");
    medium.recover();
    assert_eq!(ids(&read_all(&mut log)), [9, 10]);
    let found = log.take_found();
    assert_eq!((found.missing_records, found.damage_count, log.len()), (8, 1, 2), "{found:?}");
    log.commit(11).unwrap();
    assert_eq!(log.len(), 0);
}

#[test]
fn a_record_that_the_caller_cannot_decode_is_kept_aside() {
    let medium = FaultyMedium::new();
    let (mut log, _) = open(&medium);
    log.append(0, &payloads(1..=2)).unwrap();
    let entries = log.read(2, 1 << 20).unwrap();
    log.set_record_aside(&entries[0]);
    log.commit(3).unwrap();
    let found = log.take_found();
    let name = found.damage[0].quarantined_as.clone().unwrap();
    assert_eq!(medium.contents(directory().join(name)).unwrap(), payload(1));
    assert!(log.take_found().is_empty());
}

#[test]
fn the_real_disk_does_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("deep/buffer");
    let limits = Limits { segment_bytes: 1 << 16, ..Limits::default() };
    let (mut log, _) = SegmentLog::open(Arc::new(Disk), &directory, limits).unwrap();
    let locked = SegmentLog::open(Arc::new(Disk), &directory, limits).unwrap_err();
    assert!(matches!(locked, OpenError::Locked { .. }));
    for group in 0..50 {
        log.append(group, &payloads((0..100).map(|record| u64::try_from(group).unwrap() * 100 + record)))
            .unwrap();
    }
    drop(log);
    let (mut log, recovery) = SegmentLog::open(Arc::new(Disk), &directory, limits).unwrap();
    assert_eq!((recovery.records, recovery.found.is_empty()), (5000, true));
    let mut next = 0;
    loop {
        let entries = log.read(700, 1 << 20).unwrap();
        let Some(last) = entries.last() else { break };
        let committed = last.sequence + 1;
        for entry in &entries {
            assert_eq!(id(entry), next);
            next += 1;
        }
        log.commit(committed).unwrap();
    }
    assert_eq!((next, log.len(), log.bytes()), (5000, 0, 0));
    let left: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["cursor"]);
}
