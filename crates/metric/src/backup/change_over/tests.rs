use buffer::medium::Disk;

use super::*;

fn change_over(directory: &Path) -> ChangeOver {
    let part = |kind, name: &str| Part {
        kind,
        place: directory.join(name),
        kept: directory.join(format!("{name}.kept")),
        new: directory.join(format!("{name}.new")),
    };
    let mut index = part(Kind::Sqlite, "elsewhere/index \"ü\"");
    index.place = directory.join("elsewhere/index");
    ChangeOver { directory: directory.join("metric"), parts: vec![index, part(Kind::Directory, "metric")] }
}

#[test]
fn a_journal_comes_back_or_says_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let change_over = change_over(directory.path());
    let path = journal(&change_over.directory);
    // What an attempt has left does not matter.
    std::fs::write(with_suffix(&path, ".new"), "left").unwrap();
    change_over.write(&Disk).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"place\": \"metric\""), "beside the journal: {text}");
    assert_eq!(ChangeOver::read(&Disk, &change_over.directory).unwrap(), change_over);
    for (from, to, words) in [
        ("metric.kept", "metric.lost", "not those that were written"),
        ("\"format\": 1", "\"format\": 2", "start the release that wrote it"),
        ("}", "", "no JSON"),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let error = settle(&Disk, &change_over.directory).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_none() {
    let beside = Path::new("/state");
    let read = |place: &str| {
        let entries = [("kind", "sqlite"), ("place", place), ("kept", "a"), ("new", "/b")];
        let entry = entries.into_iter().map(|(key, value)| (key, Value::from(value))).collect::<Map>();
        part(&entry.into(), beside)
    };
    let found = read("metric").unwrap();
    assert_eq!((found.place, found.new), ("/state/metric".into(), "/b".into()));
    for wrong in ["", "..", "a/b", "./a"] {
        assert_eq!(read(wrong), None, "{wrong:?}");
    }
}

/// The story: a command that looks at a store renamed it under the server that was about to end.
#[test]
fn nothing_is_renamed_under_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let change_over = change_over(directory.path());
    let log = change_over.directory.join("measures/log");
    std::fs::create_dir_all(&log).unwrap();
    std::fs::create_dir_all(directory.path().join("metric.new")).unwrap();
    change_over.write(&Disk).unwrap();
    let lock = Disk.lock(&log).unwrap();
    let refused = settle(&Disk, &change_over.directory);
    assert!(matches!(refused, Err(SettleError::InUse { .. })), "{refused:?}");
    assert!(log.exists());
    drop(lock);
    let kept = settle(&Disk, &change_over.directory).unwrap();
    assert_eq!(kept, Some(vec![directory.path().join("metric.kept")]));
    assert!(directory.path().join("metric.kept/measures/log").exists() && !log.exists());
    assert_eq!(settle(&Disk, &change_over.directory).unwrap(), None);
}

#[test]
fn what_is_in_the_way_stays() {
    let directory = tempfile::tempdir().unwrap();
    let change_over = change_over(directory.path());
    for name in ["metric", "metric.kept", "metric.new"] {
        std::fs::create_dir_all(directory.path().join(name)).unwrap();
    }
    change_over.write(&Disk).unwrap();
    let refused = settle(&Disk, &change_over.directory);
    assert!(matches!(refused, Err(SettleError::InTheWay { .. })), "{refused:?}");
    std::fs::remove_dir(directory.path().join("metric")).unwrap();
    settle(&Disk, &change_over.directory).unwrap();
    assert!(directory.path().join("metric").exists() && !directory.path().join("metric.new").exists());
}
