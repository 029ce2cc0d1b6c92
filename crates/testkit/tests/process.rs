//! Programs under test: output, signals, exit status, measures.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use testkit::{Process, Program};

fn shell(script: &str) -> Process {
    Program::new("/bin/sh").arg("-c").arg(script).start().unwrap()
}

#[test]
fn lines_of_both_streams_and_the_exit_status_arrive() {
    let mut process = shell("echo to stdout; echo to stderr >&2; exit 3");
    assert_eq!(process.line("stdout").unwrap(), "to stdout");
    assert_eq!(process.line("stderr").unwrap(), "to stderr");
    assert_eq!(process.wait(testkit::wait::PATIENCE).unwrap().code(), Some(3));
    let error = process.line("never").unwrap_err();
    assert!(format!("{error:?}").contains("to stderr"), "{error:?}");
    assert_eq!(process.output().lines().count(), 2);
}

/// Tests look into the output of a program when it has ended, and must not be quicker than the pipe.
#[test]
fn what_a_program_has_printed_is_there_when_it_has_ended() {
    let mut process = shell("(sleep 0.5; echo late) & echo early");
    assert!(process.wait(testkit::wait::PATIENCE).unwrap().success());
    assert_eq!(process.output(), "early\nlate\n");
}

#[test]
fn the_process_id_is_the_programs_own_and_its_surroundings_are_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Program::new("/bin/sh")
        .args(["-c", "echo $$ $PPID $COLOUR; pwd; wc -c; exec sleep 1000"])
        .clear_env()
        .env("PATH", "/usr/bin:/bin")
        .env("COLOUR", "green")
        .dir(dir.path())
        .start()
        .unwrap();
    let line = process.line("green").unwrap();
    assert_eq!(line, format!("{} {} green", process.pid(), std::process::id()));
    process.line(dir.path().to_str().unwrap()).unwrap();
    process.line_where("an empty input", testkit::wait::PATIENCE, |line| line == "0").unwrap();
    assert!(process.is_running());
    assert_eq!(process.terminate().unwrap().signal(), Some(15));
    assert!(!process.is_running());
}

#[test]
fn a_killed_process_says_so() {
    let mut process = shell("echo ready; exec sleep 1000");
    process.line("ready").unwrap();
    assert_eq!(process.kill().unwrap().signal(), Some(9));
}

#[test]
fn a_broken_pipe_ends_a_program_as_usual() {
    let mut process = shell("yes | head -n 1; echo ${PIPESTATUS:-done}; kill -PIPE $$");
    process.line("y").unwrap();
    process.line("done").unwrap();
    assert_eq!(process.wait(testkit::wait::PATIENCE).unwrap().signal(), Some(13));
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let process = Program::new("/no/such/program").start().unwrap();
    process.line("/no/such/program").unwrap();
}

#[test]
fn memory_time_and_files_are_measured() {
    let process = shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo counted; sleep 1000; true");
    process.line("counted").unwrap();
    assert!(process.cpu_seconds().unwrap() > 0.0);
    let memory = process.memory().unwrap();
    assert!(memory.resident_bytes > 100_000 && memory.peak_bytes >= memory.resident_bytes, "{memory:?}");
    assert!(process.open_files().unwrap() >= 3);
}

#[test]
fn a_late_line_is_an_error_with_what_was_printed() {
    let process = shell("echo early; exec sleep 1000");
    process.line("early").unwrap();
    let error = process.line_where("late", Duration::from_millis(50), |line| line == "late").unwrap_err();
    assert!(format!("{error:?}").contains("early"), "{error:?}");
}

#[test]
fn children_of_a_dropped_program_go_with_it() {
    let process = shell("sleep 1000 & echo child $!; wait");
    let line = process.line("child ").unwrap();
    let child = std::path::Path::new("/proc").join(line.strip_prefix("child ").unwrap()).join("cmdline");
    assert!(child.exists());
    drop(process);
    // A zombie that nobody has collected yet has an empty command line.
    testkit::until("end of the child", || {
        std::fs::read(&child).map_or(true, |text| text.is_empty()).then_some(())
    })
    .unwrap();
}
