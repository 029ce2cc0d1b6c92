//! A clean Debian in a directory, with programs run in it as root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::{Program, repository};

use crate::build::{both, checked};

/// A Debian of nothing but essential packages. Dropped, it is gone.
pub(crate) struct CleanRoot {
    directory: tempfile::TempDir,
}

/// Root of a namespace of its own, where the user is not root.
const BECOME_ROOT: &[&str] = &["unshare", "--map-root-user", "--map-auto", "--"];

/// A command that has the rights of root over the files of a root.
fn privileged(words: &[&str]) -> Vec<String> {
    let prefix: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { BECOME_ROOT };
    prefix.iter().chain(words).map(|word| (*word).to_owned()).collect()
}

fn command(words: &[&str]) -> Command {
    let words = privileged(words);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// Where `scripts/provision test` keeps the archive and Debian's packages of Ceilometer.
fn provisioned() -> PathBuf {
    let directory = repository().join("target/clean-root");
    checked(Command::new(repository().join("scripts/clean-root")).arg(&directory));
    directory
}

/// A package of Debian's Ceilometer.
pub(crate) fn upstream(package: &str) -> PathBuf {
    let prefix = format!("{package}_");
    let mut entries = fs::read_dir(provisioned()).unwrap().map(|entry| entry.unwrap().path());
    let fits = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&prefix);
    entries.find(fits).unwrap()
}

impl CleanRoot {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Self { directory };
        let path = root.path().to_str().unwrap();
        let archive = provisioned().join("root.tar");
        // Others than its owner must be able to go in; and devices cannot be made everywhere, but a file of that name does.
        let script = "chmod 755 \"$1\" && tar -C \"$1\" -xpf \"$2\" --exclude='./dev/*' --numeric-owner && \
                      : >\"$1/dev/null\" && chmod 666 \"$1/dev/null\"";
        checked(&mut command(&["sh", "-c", script, "sh", path, archive.to_str().unwrap()]));
        root
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a file in it, for this program.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Runs a shell command in it.
    pub(crate) fn try_sh(&self, script: &str) -> Output {
        let root = self.path().to_str().unwrap();
        let mut command = command(&["chroot", root, "/bin/sh", "-ec", script]);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("DEBIAN_FRONTEND", "noninteractive").output().unwrap()
    }

    /// Runs a shell command that succeeds; returns what it prints.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        assert!(output.status.success(), "{script}\n{}", both(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Copies a file into it.
    pub(crate) fn copy(&self, from: &Path, to: &str) {
        checked(&mut command(&["cp", from.to_str().unwrap(), self.at(to).to_str().unwrap()]));
    }

    /// Writes a file as root; a directory of the tree above it must be there.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        self.copy(file.path(), path);
    }

    /// Gives packages to dpkg, with these arguments before them.
    pub(crate) fn try_dpkg(&self, arguments: &str, packages: &[&Path]) -> Output {
        let mut script = format!("dpkg {arguments}");
        for package in packages {
            let name = package.file_name().unwrap().to_str().unwrap();
            self.copy(package, &format!("/tmp/{name}"));
            script = format!("{script} '/tmp/{name}'");
        }
        self.try_sh(&script)
    }

    pub(crate) fn dpkg(&self, arguments: &str, packages: &[&Path]) {
        let output = self.try_dpkg(arguments, packages);
        assert!(output.status.success(), "dpkg {arguments}\n{}", both(&output));
    }

    /// `user:group mode` of a path in it.
    pub(crate) fn owner_and_mode(&self, path: &str) -> String {
        self.sh(&format!("stat --format='%U:%G %a' '{path}'")).trim().to_owned()
    }

    /// A unit of it, started by `scripts/services/unit.py`.
    pub(crate) fn unit(&self, arguments: &[&str]) -> Program {
        let script = repository().join("scripts/services/unit.py");
        let python = testkit::launcher_python();
        let fixed = [
            python.to_str().unwrap(),
            "-B",
            script.to_str().unwrap(),
            "--root",
            self.path().to_str().unwrap(),
        ];
        let words = privileged(&[&fixed[..], arguments].concat());
        Program::new(&words[0]).args(&words[1..])
    }
}

impl Drop for CleanRoot {
    fn drop(&mut self) {
        // Much of it may belong to others than this user.
        let _ = command(&["find", self.path().to_str().unwrap_or_default(), "-mindepth", "1", "-delete"])
            .output();
    }
}
