//! The libvirtd fixture: several side by side, and nothing left behind, however it ends.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use testkit::{Libvirtd, TestDomain, until};

fn process(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

fn daemon_pid(daemon: &Libvirtd) -> u32 {
    fs::read_to_string(daemon.dir().join("libvirtd.pid")).unwrap().trim().parse().unwrap()
}

fn with_domain() -> (Libvirtd, TestDomain) {
    let daemon = Libvirtd::start().unwrap();
    let domain = TestDomain::new(1);
    daemon.define(&domain).unwrap();
    daemon.virsh(&["start", &domain.name, "--paused"]).unwrap();
    (daemon, domain)
}

#[test]
fn domains_outlive_their_daemon_and_end_with_the_fixture() {
    let ((one, domain), other) = (with_domain(), Libvirtd::start().unwrap());
    assert_eq!(other.virsh(&["list", "--all", "--name"]).unwrap().trim(), "");
    let pid = one.domain_pid(&domain.name).unwrap();
    one.kill().unwrap();
    assert!(process(pid).exists());
    one.start_again().unwrap();
    assert_eq!(one.domain_pid(&domain.name).unwrap(), pid);
    assert_eq!(one.virsh(&["list", "--name"]).unwrap().trim(), domain.name);
    // Hung, it ends as well.
    one.hang(&domain.name).unwrap();
    let (dir, daemon) = (one.dir().clone(), daemon_pid(&one));
    drop(one);
    assert!(!dir.exists() && !process(pid).exists() && !process(daemon).exists());
    other.virsh(&["version"]).unwrap();
}

#[test]
fn a_launcher_that_is_killed_leaves_nothing() {
    let (daemon, domain) = with_domain();
    let (pid, dir) = (daemon.domain_pid(&domain.name).unwrap(), daemon.dir().clone());
    let status = fs::read_to_string(process(daemon_pid(&daemon)).join("status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    let launcher = Pid::from_raw(parent.trim().parse().unwrap()).unwrap();
    kill_process(launcher, Signal::KILL).unwrap();
    // A process whose parent does not collect it keeps its number, but has no command line.
    let gone = || fs::read(process(pid).join("cmdline")).unwrap_or_default().is_empty() && !dir.exists();
    until("end of the domain", || gone().then_some(())).unwrap();
}
