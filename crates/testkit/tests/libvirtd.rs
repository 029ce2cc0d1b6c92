//! The libvirtd fixture: several side by side, and nothing left behind, however it ends.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use testkit::{Libvirtd, Program, SystemLibvirtd, TestDomain, until};

fn process(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

fn parent_of(pid: u32) -> Pid {
    parent_if_there(pid).unwrap()
}

fn parent_if_there(pid: u32) -> Option<Pid> {
    let status = fs::read_to_string(process(pid).join("status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(parent.trim().parse().ok()?)
}

fn id_of(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
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
    kill_process(parent_of(daemon_pid(&daemon)), Signal::KILL).unwrap();
    // A process whose parent does not collect it keeps its number, but has no command line.
    let gone = || fs::read(process(pid).join("cmdline")).unwrap_or_default().is_empty() && !dir.exists();
    until("end of the domain", || gone().then_some(())).unwrap();
}

/// The daemon asks a QEMU what it can do in a process of its own, which outlives it and is no domain.
#[test]
fn a_qemu_that_is_being_asked_ends_with_the_fixture() {
    for is_killed in [false, true] {
        let daemon = Libvirtd::start().unwrap();
        let dir = daemon.dir().clone();
        let emulator = dir.join("qemu-system-held");
        fs::write(&emulator, "#!/bin/sh\nkill -STOP $$\n").unwrap();
        fs::set_permissions(&emulator, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let asks = Program::new("virsh")
            .args(["--connect", daemon.uri(), "domcapabilities", "--emulatorbin"])
            .arg(&emulator)
            .start()
            .unwrap();
        let qmp = dir.join("c/libvirt/qemu/lib/qmp-");
        let is_stopped = |pid: &u32| {
            let status = fs::read_to_string(process(*pid).join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:\tT"))
        };
        let held = || processes_of(qmp.to_str().unwrap()).into_iter().find(is_stopped);
        let pid = until("a QEMU that is asked", held).unwrap();
        let launcher = parent_of(daemon_pid(&daemon));
        if is_killed {
            kill_process(launcher, Signal::KILL).unwrap();
            let gone = || processes_of(qmp.to_str().unwrap()).is_empty() && !dir.exists();
            until("end of the QEMU", || gone().then_some(())).unwrap();
        } else {
            drop(daemon);
            assert!(!dir.exists() && !process(pid).exists());
        }
        drop(asks);
    }
}

/// Processes that have the text on their command lines.
fn processes_of(text: &str) -> Vec<u32> {
    let entries =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let command = |pid: u32| {
        String::from_utf8_lossy(&fs::read(process(pid).join("cmdline")).unwrap_or_default()).into_owned()
    };
    entries.filter(|pid| command(*pid).contains(text)).collect()
}

#[test]
fn a_systems_daemon_ends_with_its_fixture_and_so_do_its_containers() {
    for is_killed in [false, true] {
        let daemon = SystemLibvirtd::start().unwrap();
        let container = daemon.container(1, "running").unwrap();
        let dir = daemon.dir().clone();
        assert_eq!(processes_of(&container.name).is_empty(), !daemon.starts());
        // The one that the launcher has started.
        let own = processes_of(dir.to_str().unwrap());
        let parents: Vec<(u32, Pid)> =
            own.iter().filter_map(|pid| Some((*pid, parent_if_there(*pid)?))).collect();
        let is_among_them = |parent: &Pid| own.iter().any(|pid| *parent == id_of(*pid));
        let (first, _) = parents.into_iter().find(|(_, parent)| !is_among_them(parent)).unwrap();
        if is_killed {
            kill_process(parent_of(first), Signal::KILL).unwrap();
        } else {
            drop(daemon);
        }
        // A process whose parent does not collect it has no command line.
        let is_over =
            || processes_of(&container.name).is_empty() && processes_of(dir.to_str().unwrap()).is_empty();
        let gone = || is_over() && !dir.exists();
        until("end of the container", || gone().then_some(())).unwrap();
        if !is_killed {
            let groups =
                fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path().join("machine"));
            let left = groups.filter_map(|group| fs::read_dir(group).ok()).flatten().filter(|entry| {
                entry.as_ref().unwrap().file_name().to_string_lossy().contains(&container.name)
            });
            assert_eq!(left.count(), 0);
        }
    }
}
