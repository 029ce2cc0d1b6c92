//! `scripts/demo`, the program behind `make run`: real services, real notifications, the real binary; and
//! nothing left behind, however it ends.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::{Process, Program};

/// The slowest start and run on a loaded machine.
const LIMIT: Duration = Duration::from_mins(5);

/// The binary beside the tests, which a build of the workspace has made; else it is built now.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("nephoscope");
    if !binary.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--package", "nephoscope", "--target-dir"])
            .arg(binary.ancestors().nth(2).unwrap())
            .current_dir(testkit::repository())
            .status()
            .unwrap();
        assert!(built.success() && binary.exists(), "cannot build {}", binary.display());
    }
    binary
}

/// A demonstration whose temporary files lie in a directory of its own.
struct Demo {
    process: Process,
    dir: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("demo").tempdir_in("/tmp").unwrap();
        // As root, the broker runs as another user and must be able to enter.
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let process = Program::new(testkit::repository().join("scripts/demo"))
            .arg("--binary")
            .arg(binary())
            .args(arguments)
            .env("TMPDIR", dir.path())
            .start()
            .unwrap();
        Self { process, dir }
    }

    fn line(&self, text: &str) -> String {
        self.process.line_where(text, LIMIT, |line| line.contains(text)).unwrap()
    }

    /// Processes whose environment or command names the demonstration's directory, itself excepted. (QEMU gets an
    /// environment of libvirt's.)
    fn processes(&self) -> Vec<String> {
        let needle = self.dir.path().to_str().unwrap().as_bytes();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let names_it = |text: &[u8]| text.windows(needle.len()).any(|window| window == needle);
            if (names_it(&environ) || names_it(&command)) && name != self.process.pid().to_string() {
                found.push(format!("{name} {}", String::from_utf8_lossy(&command).replace('\0', " ")));
            }
        }
        found
    }

    fn ports(&self) -> Vec<u16> {
        let output = self.process.output();
        let steps: Vec<&str> = output.lines().filter(|line| line.contains(" step ")).collect();
        let steps = steps.join("\n");
        let words: Vec<&str> = steps.split([' ', ';', '\n', '/', ':']).collect();
        let numbers = words.windows(2).filter(|pair| pair[0] == "port" || pair[0] == "127.0.0.1");
        numbers.map(|pair| pair[1].parse().unwrap()).collect()
    }

    /// Waits until no process, file and port of it remains.
    fn gone(&self, ports: usize) {
        let found = self.ports();
        assert_eq!(found.len(), ports, "{found:?} in {}", self.process.output());
        let left = || {
            let files: Vec<_> = fs::read_dir(self.dir.path()).unwrap().flatten().map(|e| e.path()).collect();
            let ports: Vec<_> =
                found.iter().filter(|port| TcpStream::connect(("127.0.0.1", **port)).is_ok()).collect();
            let processes = self.processes();
            (!files.is_empty() || !ports.is_empty() || !processes.is_empty())
                .then(|| format!("{files:?} {ports:?} {processes:?}"))
        };
        testkit::until("end of everything", || left().is_none().then_some(()))
            .unwrap_or_else(|error| panic!("{error}: {:?}\n{}", left(), self.process.output()));
    }
}

/// The number before a word in the summary.
fn counted(output: &str, what: &str) -> u64 {
    let line = output.lines().find(|line| line.trim_end().ends_with(what) && line.starts_with(' '));
    let line = line.unwrap_or_else(|| panic!("no {what:?} in the summary: {output}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn for_some_seconds_it_shows_samples_and_events_and_sums_them_up() {
    let mut demo = Demo::start(&["--seconds", "15"]);
    let status = demo.process.wait(LIMIT).unwrap();
    let output = demo.process.output();
    assert!(status.success(), "{output}");
    for shown in [
        "operation create image",
        "sample    image.size",
        "event     image.upload",
        "event     identity.project.created",
        "instance web-1 runs",
        "sample    cpu ",
        "sample    memory ",
        "sample    disk.device.read.bytes ",
        "sample    network.incoming.bytes ",
        "step      openstack metric resource list --type instance",
        "step      gnocchi resource list --type image",
        "step      gnocchi aggregates ",
        "summary",
    ] {
        assert!(output.contains(shown), "no {shown:?} in {output}");
    }
    // What Gnocchi's client shows of the store.
    let row = |word: &str| output.lines().any(|line| line.starts_with('|') && line.contains(word));
    for word in ["| web-1 ", "| db-1 ", "| cpu "] {
        assert!(row(word), "no row with {word:?} in {output}");
    }
    assert!(row("| picture-") || row("| renamed-"), "no image in {output}");
    let lines =
        |kind: &str| output.lines().filter(|line| line.get(9..).is_some_and(|l| l.starts_with(kind))).count();
    assert_eq!(counted(&output, " samples"), lines("sample ") as u64, "{output}");
    assert_eq!(counted(&output, " events"), lines("event ") as u64, "{output}");
    // Each notification of these services is an event; a repeated delivery would show as one more received.
    assert!(counted(&output, " notifications received") >= counted(&output, " events"), "{output}");
    assert!(counted(&output, " events from Glance") > 0 && counted(&output, " events from Keystone") > 0);
    // Two QEMUs that run: what they have used and read and written grows from one cycle to the next.
    for instance in ["web-1", "db-1"] {
        let samples = counted(&output, &format!(" samples of the instance {instance}"));
        assert!(samples >= 14, "{instance}: {output}");
        for meter in ["cpu", "disk.device.write.bytes"] {
            let volumes = volumes(&output, meter, instance);
            assert!(volumes.len() >= 2, "{instance}: {meter}: {volumes:?}");
            assert!(volumes.is_sorted() && volumes[0] < volumes[volumes.len() - 1], "{meter}: {volumes:?}");
        }
    }
    demo.gone(4);
}

/// What was shown of a meter of an instance.
fn volumes(output: &str, meter: &str, instance: &str) -> Vec<u64> {
    let of_instance = format!(" instance={instance} ");
    let lines = output.lines().filter(|line| line.contains(&of_instance));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.get(2) == Some(&meter)).map(|words| words[3].parse().unwrap()).collect()
}

#[test]
fn ctrl_c_stops_everything() {
    let mut demo = Demo::start(&[]);
    demo.line("sample    image.size");
    demo.line("sample    cpu ");
    // What it says to whoever wants to look at the store in another terminal.
    let output = demo.process.output();
    let is_command = |line: &&str| {
        ["gnocchi", "openstack"].iter().any(|name| line.contains(&format!("/bin/{name} --os-auth-type")))
    };
    let commands: Vec<&str> = output.lines().filter(is_command).collect();
    assert_eq!(commands.len(), 4, "{output}");
    let shows = |word: &str, command: &str| {
        let done = Command::new("sh").args(["-c", command]).output().unwrap();
        let shown = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{command}: {done:?}");
        shown.contains(word)
    };
    assert!(commands.iter().any(|command| shows("web-1", command)), "{output}");
    assert!(commands.iter().any(|command| shows("image.size", command)), "{output}");
    let processes = demo.processes();
    assert!(processes.len() >= 9, "{processes:?}");
    assert_eq!(
        processes.iter().filter(|process| process.contains("qemu-system")).count(),
        2,
        "{processes:?}"
    );
    demo.process.signal(Signal::INT).unwrap();
    let status = demo.process.wait(LIMIT).unwrap();
    assert!(status.success(), "{}", demo.process.output());
    demo.line("stopped and removed everything");
    demo.gone(4);
}

#[test]
fn killed_it_leaves_nothing() {
    let mut demo = Demo::start(&[]);
    demo.line("operations begin");
    demo.process.kill().unwrap();
    demo.gone(4);
}

#[test]
fn ctrl_c_during_the_start_stops_everything() {
    let mut demo = Demo::start(&[]);
    demo.line("RabbitMQ listens");
    demo.process.signal(Signal::INT).unwrap();
    assert!(demo.process.wait(LIMIT).unwrap().success(), "{}", demo.process.output());
    demo.gone(1);
}

#[test]
fn an_agent_that_ends_by_itself_is_a_failure_that_shows_its_log() {
    let mut demo = Demo::start(&["--seconds", "100"]);
    let line = demo.line("Nephoscope is ready: process ");
    let pid = line.split("process ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(demo.process.wait(LIMIT).unwrap().code(), Some(1));
    demo.line("Nephoscope ended by itself");
    demo.gone(4);
}
