//! `scripts/provision`: which packages it asks for, and that the machine's service policy survives whatever
//! happens. The system's files are a directory of the test's own, and `apt-get` is a script of the test.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::Program;

/// What the temporary policy says to packages: do not start.
const FORBIDDEN: &str = "exit 101";

struct Machine {
    root: TempDir,
}

impl Machine {
    /// A machine without RabbitMQ and PostgreSQL, whose `apt-get install` runs this shell text.
    fn new(user: u32, install: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["usr/sbin", "usr/bin", "run/lock", "bin"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let machine = Self { root };
        machine.script("bin/id", &format!("echo {user}"));
        machine.script("bin/systemctl", "exit 0");
        machine.script(
            "bin/apt-get",
            &format!("echo \"$@\" >> $R/calls\ncase \" $* \" in *' update '*) exit 0 ;; esac\n{install}"),
        );
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a program. In sh, not bash, which outlives a Ctrl-C that comes between two of its commands.
    fn script(&self, name: &str, text: &str) {
        let text = format!("#!/bin/sh\nR={}\n{text}\n", self.root.path().display());
        // By another process: a program that this one has open for writing while a neighbour starts something cannot be run.
        let mut writer = Command::new("/bin/sh")
            .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"])
            .arg(self.path(name))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }

    fn policy(&self) -> PathBuf {
        self.path("usr/sbin/policy-rc.d")
    }

    fn search_path(&self) -> String {
        format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap())
    }

    fn provision(&self, arguments: &[&str]) -> Output {
        Command::new(testkit::repository().join("scripts/provision"))
            .args(arguments)
            .env("NEPHOSCOPE_SYSTEM_ROOT", self.root.path())
            .env("PATH", self.search_path())
            .output()
            .unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }
}

/// Installs RabbitMQ and PostgreSQL, and records the policy that packages would have met.
const INSTALLS: &str = r"
cat $R/usr/sbin/policy-rc.d > $R/met 2>&1
[ -x $R/usr/sbin/policy-rc.d ] || echo not executable >> $R/met
mkdir -p $R/usr/lib/rabbitmq/bin $R/usr/lib/postgresql/15/bin $R/usr/lib/any/faketime
mkdir -p $R/usr/lib/any/libvirt/connection-driver $R/usr/lib/any/sasl2 $R/usr/lib/python3/dist-packages
touch $R/usr/lib/rabbitmq/bin/rabbitmq-server $R/usr/lib/postgresql/15/bin/postgres $R/usr/lib/any/faketime/libfaketimeMT.so.1
touch $R/usr/lib/any/libvirt/connection-driver/libvirt_driver_qemu.so $R/usr/lib/any/sasl2/libscram.so
touch $R/usr/lib/any/libvirt/connection-driver/libvirt_driver_lxc.so
touch $R/usr/lib/python3/dist-packages/libvirt.py $R/usr/sbin/libvirtd
cd $R/usr/bin
touch erl memcached redis-server etcd prometheus-pushgateway prometheus dpkg-shlibdeps mmdebstrap lintian systemd-analyze newuidmap
touch qemu-system-x86_64 virsh ip ipmitool ipmi_sim
chmod +x $R/usr/lib/rabbitmq/bin/rabbitmq-server $R/usr/sbin/libvirtd *";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Nothing but the policy itself remains beside it.
fn assert_clean(machine: &Machine, policy_exists: bool) {
    let names = fs::read_dir(machine.path("usr/sbin")).unwrap().map(|e| e.unwrap().file_name());
    let names: Vec<_> = names.filter(|name| name != "libvirtd").collect();
    assert_eq!(names.len(), usize::from(policy_exists), "{names:?}");
    assert_eq!(machine.policy().exists(), policy_exists);
}

#[test]
fn root_installs_what_is_missing_under_a_policy_that_starts_nothing() {
    let machine = Machine::new(0, INSTALLS);
    let output = machine.provision(&["packages", "test"]);
    assert!(output.status.success(), "{}", text(&output));
    let met = fs::read_to_string(machine.path("met")).unwrap();
    assert!(met.contains(FORBIDDEN) && !met.contains("not executable"), "{met}");
    assert!(machine.calls().contains(
        "install --no-install-recommends --no-upgrade rabbitmq-server libvirt-daemon libvirt-daemon-driver-qemu \
         qemu-system-x86 libvirt-clients postgresql libfaketime memcached redis-server etcd-server prometheus-pushgateway prometheus \
         dpkg-dev mmdebstrap lintian systemd uidmap python3-libvirt libvirt-daemon-driver-lxc iproute2 libsasl2-modules ipmitool \
         openipmi"
    ));
    assert_clean(&machine, false);
    // A second run has nothing to do.
    let calls = machine.calls();
    assert!(machine.provision(&["packages", "test"]).status.success());
    assert_eq!(machine.calls(), calls);
}

#[test]
fn make_run_needs_a_broker_and_a_hypervisor_and_no_postgresql() {
    let machine = Machine::new(0, INSTALLS);
    assert!(machine.provision(&["packages", "run"]).status.success());
    let calls = machine.calls();
    assert!(!calls.contains("postgresql") && calls.contains(" libvirt-daemon "), "{calls}");
}

#[test]
fn the_machines_own_policy_is_put_back_exactly() {
    let machine = Machine::new(0, INSTALLS);
    fs::write(machine.path("elsewhere"), "#!/bin/sh\nexit 0\n").unwrap();
    symlink(machine.path("elsewhere"), machine.policy()).unwrap();
    assert!(machine.provision(&["packages", "test"]).status.success());
    assert!(fs::read_to_string(machine.path("met")).unwrap().contains(FORBIDDEN));
    assert_eq!(fs::read_link(machine.policy()).unwrap(), machine.path("elsewhere"));
    assert_eq!(fs::read_to_string(machine.policy()).unwrap(), "#!/bin/sh\nexit 0\n");
    assert_clean(&machine, true);
}

#[test]
fn a_failing_installation_puts_the_policy_back_and_says_so() {
    let machine = Machine::new(0, "exit 100");
    fs::write(machine.policy(), "own").unwrap();
    let output = machine.provision(&["packages", "test"]);
    assert!(!output.status.success());
    assert!(text(&output).contains("could not install"), "{}", text(&output));
    assert!(machine.calls().contains("update"), "stale package lists are refreshed once");
    assert_eq!(fs::read_to_string(machine.policy()).unwrap(), "own");
    assert_clean(&machine, true);
}

/// Starts an installation that hangs, and returns once it has met the policy.
fn hanging(machine: &Machine) -> testkit::Process {
    // A shell cannot catch what its parent ignores, as one does that runs the tests in the background.
    let process = Program::new("env")
        .arg("--default-signal=INT")
        .arg(testkit::repository().join("scripts/provision"))
        .args(["packages", "test"])
        .env("NEPHOSCOPE_SYSTEM_ROOT", machine.root.path())
        .env("PATH", machine.search_path())
        .start()
        .unwrap();
    testkit::until("installation", || machine.path("met").exists().then_some(())).unwrap();
    assert!(fs::read_to_string(machine.policy()).unwrap().contains(FORBIDDEN));
    process
}

const HANGS: &str = "cp $R/usr/sbin/policy-rc.d $R/met.new; mv $R/met.new $R/met; exec sleep 1000";

#[test]
fn ctrl_c_puts_the_policy_back() {
    let machine = Machine::new(0, HANGS);
    fs::write(machine.policy(), "own").unwrap();
    let mut process = hanging(&machine);
    // As the terminal does it: to the whole group.
    let group = rustix::process::Pid::from_raw(i32::try_from(process.pid()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, Signal::INT).unwrap();
    assert!(!process.wait(testkit::wait::PATIENCE).unwrap().success());
    assert_eq!(fs::read_to_string(machine.policy()).unwrap(), "own");
    assert_clean(&machine, true);
}

#[test]
fn the_next_run_mends_what_a_killed_one_left() {
    for own in [Some("own"), None] {
        let machine = Machine::new(0, HANGS);
        if let Some(own) = own {
            fs::write(machine.policy(), own).unwrap();
        }
        drop(hanging(&machine));
        assert!(fs::read_to_string(machine.policy()).unwrap().contains(FORBIDDEN));
        machine.script("bin/apt-get", INSTALLS);
        assert!(machine.provision(&["packages", "test"]).status.success());
        assert_eq!(fs::read_to_string(machine.policy()).ok().as_deref(), own);
        assert_clean(&machine, own.is_some());
    }
}

#[test]
fn another_user_is_told_the_command_and_nothing_is_done() {
    let machine = Machine::new(1000, INSTALLS);
    let output = machine.provision(&["test"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let wanted = "apt-get install -y --no-install-recommends rabbitmq-server libvirt-daemon \
                  libvirt-daemon-driver-qemu qemu-system-x86 libvirt-clients postgresql libfaketime memcached \
                  redis-server etcd-server prometheus-pushgateway prometheus dpkg-dev mmdebstrap lintian systemd uidmap \
                  python3-libvirt libvirt-daemon-driver-lxc iproute2 libsasl2-modules ipmitool openipmi\n";
    assert!(text(&output).contains(wanted), "{}", text(&output));
    assert_eq!(machine.calls(), "");
    assert_clean(&machine, false);
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for arguments in [&[][..], &["everything"], &["packages"], &["packages", "all"]] {
        assert_eq!(Machine::new(0, "").provision(arguments).status.code(), Some(64), "{arguments:?}");
    }
}

/// How a line of the lock file begins that has the digest of one of a package's files.
const HASH: &str = "--hash=sha256:";

/// A package of a requirements or lock file: its name as PyPI normalises it, and its version.
fn pins(file: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with(HASH))
        .map(|line| {
            // What follows a blank is a condition or the sign that the line goes on.
            let pin = line.split_whitespace().next().unwrap_or_default();
            let (name, version) =
                pin.split_once("==").unwrap_or_else(|| panic!("{}: {line:?} is not pinned", file.display()));
            (name.to_lowercase().replace(['_', '.'], "-"), version.to_owned())
        })
        .collect()
}

#[test]
fn every_package_of_the_lock_has_the_hashes_of_its_files() {
    let text = fs::read_to_string(testkit::repository().join("tests/requirements.lock")).unwrap();
    let mut hashes = 1;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((_, digest)) = line.split_once(HASH) {
            let digest = digest.trim_end_matches(['\\', ' ']);
            assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            hashes += 1;
        } else {
            assert!(hashes > 0, "the package before {line:?} has no hash");
            hashes = 0;
        }
    }
    assert!(hashes > 0, "the last package has no hash");
}

#[test]
fn every_python_package_is_pinned_and_the_environment_is_what_the_lock_says() {
    let tests = testkit::repository().join("tests");
    let lock = pins(&tests.join("requirements.lock"));
    for pin in pins(&tests.join("requirements.txt")) {
        assert!(lock.contains(&pin), "{pin:?} is not in requirements.lock: run `scripts/provision lock`");
    }
    let python = testkit::venv_python().unwrap();
    let listed = Command::new(python).args(["-m", "pip", "list", "--format=freeze"]).output().unwrap();
    assert!(listed.status.success(), "{}", text(&listed));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), listed.stdout).unwrap();
    for pin in pins(file.path()) {
        assert!(pin.0 == "pip" || lock.contains(&pin), "{pin:?} is installed and not locked");
    }
}
