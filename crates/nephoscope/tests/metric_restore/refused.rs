//! What cannot be restored changes nothing, and the server does not notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use super::harness::Server;
use super::{add, assert_tidy, backed_up, kept, run, times};

/// CRC-32 (ISO-HDLC), as the manifest has it.
fn crc32(bytes: &[u8]) -> String {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    format!("{:08x}", !crc)
}

/// Changes a file of a backup, and the manifest with it.
fn change(backup: &Path, name: &str, contents: &[u8]) {
    fs::write(backup.join(name), contents).unwrap();
    let path = backup.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let files = manifest["files"].as_array().unwrap();
    let entry = files.iter().find(|entry| entry["name"] == name).unwrap();
    let shown = |bytes: &str, crc: &str| format!("\"bytes\": {bytes}, \"crc32\": \"{crc}\"");
    let from = shown(&entry["bytes"].to_string(), entry["crc32"].as_str().unwrap());
    let text = text.replace(&from, &shown(&contents.len().to_string(), &crc32(contents)));
    let list = &text[text.find("\"files\": ").unwrap() + 9..text.trim_end().len() - 1];
    let text = text.replace(manifest["checksum"].as_str().unwrap(), &crc32(list.as_bytes()));
    fs::write(&path, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn limit_files(server: &Server, bytes: Option<u64>) {
    let pid = i32::try_from(server.process().pid()).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

#[test]
fn what_cannot_be_restored_changes_nothing() {
    let (mut server, metric, mut client) = backed_up(Server::new());
    let states = fs::read_dir(server.path("backup/measures/states")).unwrap();
    let state = states.map(|entry| entry.unwrap().path()).max_by_key(|path| path.metadata().unwrap().len());
    let state = format!("measures/states/{}", state.unwrap().file_name().unwrap().to_str().unwrap());
    let damaged = |backup: &Path| {
        let mut bytes = fs::read(backup.join(&state)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    type Change<'test> = &'test dyn Fn(&Path);
    let cases: [(&str, &str, Change<'_>); 6] = [
        ("absent", "manifest.json is not there", &|backup| {
            fs::remove_file(backup.join("manifest.json")).unwrap();
        }),
        ("damaged", "has changed since it was written", &|backup| {
            fs::write(backup.join(&state), damaged(backup)).unwrap();
        }),
        ("missing", "index.sqlite is missing", &|backup| {
            fs::remove_file(backup.join("index.sqlite")).unwrap();
        }),
        ("elsewhere", "the index of the backup is in postgresql", &|backup| {
            let path = backup.join("manifest.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("\"index\": \"sqlite\"", "\"index\": \"postgresql\"")).unwrap();
        }),
        // It was damaged when the backup was made: its manifest is right.
        ("unreadable", "1 places of the measures in the backup cannot be read", &|backup| {
            change(backup, &state, &damaged(backup));
        }),
        ("unopened", "the store in the backup cannot be opened", &|backup| {
            change(backup, "index.sqlite", b"no database");
        }),
    ];
    for (timestamp, (name, words, spoil)) in (2..).zip(cases) {
        let backup = server.path(name);
        copy(&server.path("backup"), &backup);
        spoil(&backup);
        let refused = run(&server, &["restore", "--replace", name]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains(words), "{name}: {refused:?}");
        assert_tidy(&server);
        assert_eq!(add(&mut client, &metric, timestamp), 202, "{name}: the connection stands");
    }
    // No room for the copy: no file of the server may become larger than this.
    limit_files(&server, Some(100_000));
    let refused = run(&server, &["restore", "--replace", "backup"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("cannot write"), "{refused:?}");
    assert_tidy(&server);
    assert_eq!(add(&mut client, &metric, 8), 202);
    limit_files(&server, None);

    assert_eq!(kept(&server), Vec::<PathBuf>::new());
    assert_eq!(times(&server, &metric), (1..9).collect());
    let without = run(&server, &["restore", "backup"]);
    let said = String::from_utf8_lossy(&without.stderr);
    assert!(without.status.code() == Some(1) && said.contains("--replace"), "{without:?}");
    let restored = run(&server, &["restore", "--replace", "backup"]);
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!(times(&server, &metric), BTreeSet::from([1]));
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
}
