//! The packages themselves: what is in them, that they come out the same again, and what lintian says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use testkit::{LastingDirectory, repository};

/// The version of packages that the tests make, and of the next one.
pub(crate) const VERSION: &str = "1.2.3~test-1";
pub(crate) const NEXT_VERSION: &str = "1.2.3-1";

/// The packages.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) nephoscope: PathBuf,
    pub(crate) names: PathBuf,
    pub(crate) compute: PathBuf,
    pub(crate) ipmi: PathBuf,
    pub(crate) gnocchi: PathBuf,
    _directory: LastingDirectory,
}

/// Runs a command and returns what it printed; panics unless it succeeds.
pub(crate) fn checked(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", both(&output));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The program to be packaged: the one under test, unless a soak names the one that is shipped.
fn binary() -> PathBuf {
    std::env::var_os("NEPHOSCOPE_PACKAGE_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_nephoscope").into(), |path| repository().join(path))
}

fn command(output: &Path, version: &str) -> Command {
    let mut command = Command::new(repository().join("scripts/package"));
    command.env("SOURCE_DATE_EPOCH", "1790000000");
    command.arg("--binary").arg(binary()).arg("--output").arg(output).args(["--version", version]);
    if std::env::var_os("NEPHOSCOPE_PACKAGE_BINARY").is_none() {
        command.arg("--quick");
    }
    command
}

fn build(version: &str, change: impl FnOnce(&mut Command)) -> Packages {
    let directory = LastingDirectory::new().unwrap();
    let mut command = command(directory.path(), version);
    change(&mut command);
    let printed = checked(&mut command);
    let [nephoscope, names, compute, ipmi, gnocchi] =
        printed.lines().map(PathBuf::from).collect::<Vec<_>>().try_into().unwrap();
    Packages { nephoscope, names, compute, ipmi, gnocchi, _directory: directory }
}

impl Packages {
    /// Those of the agents of a namespace, with its name.
    pub(crate) fn of_namespaces(&self) -> [(&'static str, &Path); 2] {
        [("compute", &self.compute), ("ipmi", &self.ipmi)]
    }
}

/// The packages of [`VERSION`], made once.
pub(crate) fn packages() -> &'static Packages {
    static PACKAGES: OnceLock<Packages> = OnceLock::new();
    PACKAGES.get_or_init(|| build(VERSION, |_| {}))
}

/// The packages of [`NEXT_VERSION`], made once.
pub(crate) fn next_packages() -> &'static Packages {
    static PACKAGES: OnceLock<Packages> = OnceLock::new();
    PACKAGES.get_or_init(|| build(NEXT_VERSION, |_| {}))
}

/// Mode, owner and name (with the target of a link) of everything in a package.
fn contents(package: &Path) -> Vec<(String, String, String)> {
    let listed = checked(Command::new("dpkg-deb").arg("--contents").arg(package));
    let lines = listed.lines().map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields[0].to_owned(), fields[1].to_owned(), fields[5..].join(" "))
    });
    lines.collect()
}

fn field(package: &Path, name: &str) -> String {
    checked(Command::new("dpkg-deb").arg("--field").arg(package).arg(name)).trim().to_owned()
}

#[test]
fn the_packages_hold_what_they_should_and_all_of_it_belongs_to_root() {
    let packages = packages();
    let program = contents(&packages.nephoscope);
    let has = |mode: &str, name: &str| {
        assert!(
            program.iter().any(|entry| (entry.0.as_str(), entry.2.as_str()) == (mode, name)),
            "{mode} {name}\n{program:#?}"
        );
    };
    for (mode, name) in [
        ("-rwxr-xr-x", "./usr/bin/nephoscope"),
        ("-rw-r--r--", "./lib/systemd/system/nephoscope.service"),
        ("-rw-r--r--", "./lib/systemd/system/nephoscope-notification.service"),
        ("-rw-r--r--", "./lib/systemd/system/nephoscope-compute.service"),
        ("-rw-r--r--", "./lib/systemd/system/nephoscope-ipmi.service"),
        ("-rw-r--r--", "./lib/systemd/system/nephoscope-metric.service"),
        ("-rw-r--r--", "./usr/lib/sysusers.d/nephoscope.conf"),
        ("-rw-r--r--", "./usr/lib/tmpfiles.d/nephoscope.conf"),
        ("drwxr-x---", "./etc/ceilometer/"),
        ("-rw-r-----", "./etc/ceilometer/ceilometer.conf.d/nephoscope.conf"),
        ("-rw-r--r--", "./usr/share/doc/nephoscope/copyright"),
        ("-rw-r--r--", "./usr/share/doc/nephoscope/changelog.Debian.gz"),
        ("-rw-r--r--", "./usr/share/doc/nephoscope/migrate.md.gz"),
        ("-rw-r--r--", "./usr/share/doc/nephoscope/examples/ceilometer.conf"),
        ("-rw-r--r--", "./usr/share/doc/nephoscope/examples/sudoers"),
    ] {
        has(mode, name);
    }
    let names = contents(&packages.names);
    for name in upstreams_names() {
        let link = format!("./usr/bin/{name} -> nephoscope");
        assert!(names.iter().any(|entry| entry.2 == link), "{link}\n{names:#?}");
    }
    let mut all = [program, names].concat();
    for (namespace, package) in packages.of_namespaces() {
        let (agent, held) = (format!("ceilometer-agent-{namespace}"), contents(package));
        for link in [
            format!("./usr/bin/{agent} -> nephoscope"),
            format!("./lib/systemd/system/{agent}.service -> nephoscope-{namespace}.service"),
        ] {
            assert!(held.iter().any(|entry| entry.2 == link), "{link}\n{held:#?}");
        }
        assert_eq!(field(package, "Depends"), format!("nephoscope (= {VERSION})"));
        assert_eq!(field(package, "Conflicts"), agent);
        all.extend(held);
    }
    let gnocchi = contents(&packages.gnocchi);
    for link in [
        "./usr/bin/gnocchi-api -> nephoscope",
        "./usr/share/man/man8/gnocchi-api.8.gz -> nephoscope.8.gz",
        "./lib/systemd/system/gnocchi-api.service -> nephoscope-metric.service",
    ] {
        assert!(gnocchi.iter().any(|entry| entry.2 == link), "{link}\n{gnocchi:#?}");
    }
    assert_eq!(field(&packages.gnocchi, "Conflicts"), "gnocchi-api");
    all.extend(gnocchi);
    for (_, owner, name) in &all {
        assert_eq!(owner, "root/root", "{name}");
    }
    let dependencies = field(&packages.nephoscope, "Depends");
    assert!(dependencies.contains("libc6 (>= 2."), "{dependencies}");
    assert_eq!(field(&packages.nephoscope, "Version"), VERSION);
    assert_eq!(field(&packages.names, "Depends"), format!("nephoscope (= {VERSION})"));
    assert_eq!(field(&packages.names, "Conflicts"), "ceilometer-agent-notification");
}

/// The names that the command line knows are those that are installed, no more and no fewer.
#[test]
fn every_name_that_the_program_answers_to_has_a_link() {
    let source = repository().join("crates/nephoscope/src/cli");
    let mut known = Vec::new();
    for file in [source.with_extension("rs"), source.join("publish.rs"), source.join("upgrade.rs")] {
        let text = fs::read_to_string(file).unwrap();
        let constants =
            text.lines().filter(|line| line.contains("const ") && line.contains("= \"ceilometer-"));
        known.extend(constants.map(|line| line.split('"').nth(1).unwrap().to_owned()));
    }
    known.sort();
    let mut linked = upstreams_names();
    linked.sort();
    assert_eq!(known, linked);
}

/// What `scripts/package` makes links of.
pub(crate) fn upstreams_names() -> Vec<String> {
    let script = fs::read_to_string(repository().join("scripts/package")).unwrap();
    let line = script.lines().find_map(|line| line.strip_prefix("readonly names='")).unwrap();
    line.trim_end_matches('\'').split(' ').map(str::to_owned).collect()
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let first = packages();
    // Another user's surroundings.
    let second = build(VERSION, |command| {
        command.env("TZ", "Asia/Tokyo").env("LC_ALL", "C.UTF-8").env("HOME", "/").current_dir("/");
        command.env("CARGO_HOME", cargo_home());
        if let Some(home) = std::env::var_os("RUSTUP_HOME").or_else(rustup_home) {
            command.env("RUSTUP_HOME", home);
        }
    });
    for (one, other) in [
        (&first.nephoscope, &second.nephoscope),
        (&first.names, &second.names),
        (&first.compute, &second.compute),
        (&first.ipmi, &second.ipmi),
    ] {
        assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{} differs", one.display());
    }
}

fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from)
}

fn rustup_home() -> Option<std::ffi::OsString> {
    let default = home().join(".rustup");
    default.exists().then(|| default.into_os_string())
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| "/".into(), PathBuf::from)
}

/// The manual page has every command that the help has.
#[test]
fn the_manual_page_is_complete() {
    let page = fs::read_to_string(repository().join("packaging/nephoscope.8")).unwrap();
    let help = checked(Command::new(env!("CARGO_BIN_EXE_nephoscope")).arg("--help"));
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    for line in commands.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let command = line.split_whitespace().next().unwrap();
        let heading = format!(".TP\n.B {}\n", command.replace('-', "\\-"));
        assert!(page.contains(&heading), "{command}");
    }
}

/// Warnings are for a person to weigh; errors are not.
#[test]
fn lintian_finds_no_error() {
    let packages = packages();
    let mut command = Command::new("lintian");
    command.args(["--allow-root", "--no-cfg", "--tag-display-limit=0", "--fail-on=error"]);
    let Packages { nephoscope, names, compute, ipmi, gnocchi, _directory: _ } = packages;
    checked(command.args([nephoscope, names, compute, ipmi, gnocchi]));
}

#[test]
fn a_wrong_command_line_of_the_script_is_a_usage_error() {
    for arguments in [&["--nonsense"][..], &["--binary"]] {
        let output = Command::new(repository().join("scripts/package")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{}", both(&output));
        assert!(both(&output).contains("usage: package"), "{}", both(&output));
    }
}
