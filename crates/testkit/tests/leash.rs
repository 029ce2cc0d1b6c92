//! Nothing is left behind: not after a drop, not after a panic, not when the owner is killed with -9.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Ids of processes whose environment, command line or directory names one of these directories.
fn processes_of(dirs: &[PathBuf]) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let text = [read("environ"), read("cmdline")].concat();
        let named = |dir: &PathBuf| {
            let needle = dir.to_str().unwrap().as_bytes();
            text.windows(needle.len()).any(|window| window == needle)
        };
        if dirs.iter().any(named) {
            found.push(pid);
        }
    }
    found
}

struct Held {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    ports: Vec<u16>,
    dirs: Vec<PathBuf>,
    program: u32,
}

/// Runs the `holder` example until it holds everything.
fn hold(argument: &str) -> Held {
    let test = std::env::current_exe().unwrap();
    let holder = test.ancestors().nth(2).unwrap().join("examples/holder");
    let mut child = Command::new(&holder)
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", holder.display()));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut read = |prefix: &str| {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let rest = line.strip_prefix(prefix).unwrap_or_else(|| panic!("{line:?} instead of {prefix:?}"));
        rest.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let (held, program) = (read("held "), read("program "));
    let ports = held[0].split(',').map(|port| port.parse().unwrap()).collect();
    let dirs = held[1].split(',').map(PathBuf::from).collect();
    Held { child, _stdout: stdout, ports, dirs, program: program[0].parse().unwrap() }
}

/// Waits until processes, ports and directories are gone.
fn gone(held: &Held) {
    let is_gone = || {
        processes_of(&held.dirs).is_empty()
            && held.ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_err())
            && held.dirs.iter().all(|dir| !dir.exists())
            && !is_alive(held.program)
    };
    testkit::until("end of everything", || is_gone().then_some(())).unwrap_or_else(|error| {
        panic!("{error}: processes {:?}, dirs {:?}", processes_of(&held.dirs), held.dirs)
    });
}

/// Whether a process with this id runs `sleep 1000` still.
fn is_alive(pid: u32) -> bool {
    std::fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline"))
        .is_ok_and(|text| text.starts_with(b"sleep\0"))
}

#[test]
fn an_owner_that_is_killed_leaves_nothing() {
    let mut held = hold("wait");
    assert!(processes_of(&held.dirs).len() >= 6, "epmd, broker and more of two brokers, PostgreSQL");
    testkit::until("the program", || is_alive(held.program).then_some(())).unwrap();
    held.child.kill().unwrap();
    held.child.wait().unwrap();
    gone(&held);
}

#[test]
fn an_owner_that_panics_leaves_nothing() {
    let mut held = hold("panic");
    assert!(!held.child.wait().unwrap().success());
    gone(&held);
}

#[test]
fn an_owner_that_drops_nothing_leaves_nothing() {
    let mut held = hold("exit");
    assert!(held.child.wait().unwrap().success());
    gone(&held);
}
