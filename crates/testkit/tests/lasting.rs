//! A directory that lasts as long as the process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use testkit::LastingDirectory;
use testkit::wait;

const INNER: &str = "NEPHOSCOPE_LASTING_INNER";

#[test]
fn a_directory_of_a_static_goes_with_the_process() {
    if std::env::var_os(INNER).is_some() {
        let directory = LastingDirectory::new().unwrap();
        std::fs::write(directory.path().join("file"), "x").unwrap();
        println!("\n{}", directory.path().display());
        std::mem::forget(directory);
        return;
    }
    let mut own = Command::new(std::env::current_exe().unwrap());
    own.args(["--nocapture", "--exact", "a_directory_of_a_static_goes_with_the_process"]).env(INNER, "1");
    let output = own.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let path = PathBuf::from(text.lines().find(|line| line.starts_with('/')).unwrap());
    wait::until("the directory goes", || (!path.exists()).then_some(())).unwrap();
}

#[test]
fn it_goes_when_it_is_dropped() {
    let directory = LastingDirectory::new().unwrap();
    let path = directory.path().to_owned();
    assert!(path.is_dir());
    drop(directory);
    assert!(!path.exists());
}
