//! The two agents side by side: Ceilometer's consumes the topic [`UPSTREAM`], ours the topic [`OURS`] of one virtual host.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use testkit::{Process, Program, Vhost, venv, wait_until};

use crate::harness::{Agent, read_lines};

/// The topic of Ceilometer's agent.
pub(crate) const UPSTREAM: &str = "upstream";
/// The topic of our agent.
pub(crate) const OURS: &str = "ours";
/// One queue for each priority.
const QUEUES: usize = 7;
/// How long Ceilometer's agent may take for everything that a test sends.
const LONG: Duration = Duration::from_mins(4);

/// A program of Ceilometer with a configuration in a directory of its own.
pub(crate) struct Upstream {
    pub(crate) directory: tempfile::TempDir,
    process: Process,
}

impl Upstream {
    /// Starts one of Ceilometer's programs in a directory that holds the other files of its configuration.
    pub(crate) fn start(
        directory: tempfile::TempDir,
        program: &str,
        arguments: &[&str],
        settings: &[(&str, String)],
    ) -> Self {
        // One section for each group: options of several values may come several times in it.
        let mut groups: BTreeMap<&str, String> = BTreeMap::new();
        for (group, setting) in settings {
            let _ = writeln!(groups.entry(group).or_default(), "{setting}");
        }
        let mut config = String::new();
        for (group, text) in groups {
            let _ = writeln!(config, "[{group}]\n{text}");
        }
        fs::write(directory.path().join("ceilometer.conf"), config).unwrap();
        let process = Program::new(venv().join("bin").join(program))
            .args(arguments)
            .args(["--config-file", "ceilometer.conf"])
            .dir(directory.path())
            .start()
            .unwrap();
        Self { directory, process }
    }

    /// The end of its log, for messages.
    pub(crate) fn log_tail(&self) -> String {
        let output = self.process.output();
        let skipped = output.lines().count().saturating_sub(60);
        output.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn terminate(&mut self) {
        self.process.terminate().unwrap();
    }

    /// Kills it with its workers, which would tell others that they go if they saw it die.
    #[allow(dead_code, reason = "one comparison of several needs it")]
    pub(crate) fn kill(&mut self) {
        let pid = self.process.pid();
        // Any of its threads may have started one; threads come and go.
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let workers =
            threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
        let workers: String = workers.collect();
        let workers: Vec<Pid> =
            workers.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect();
        assert!(!workers.is_empty());
        for worker in &workers {
            kill_process(*worker, Signal::STOP).unwrap();
        }
        self.process.kill().unwrap();
        for worker in workers {
            kill_process(worker, Signal::KILL).unwrap();
        }
    }
}

/// What both agents are told beside the broker.
#[derive(Default)]
pub(crate) struct Setup {
    /// Texts of meter and event definitions; without, each has those that come with it.
    pub(crate) definitions: Option<(String, String)>,
    /// Further settings of both.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Settings of ours alone.
    pub(crate) own: Vec<(&'static str, String)>,
    /// Settings of Ceilometer's alone.
    pub(crate) theirs: Vec<(&'static str, String)>,
    /// The publisher of both pipelines of both; without, each writes to files of its own.
    pub(crate) publisher: Option<&'static str>,
}

/// Both agents at work.
pub(crate) struct Both<'broker> {
    vhost: &'broker Vhost<'broker>,
    pub(crate) upstream: Upstream,
    pub(crate) ours: Agent,
}

/// What the agents wrote, line by line.
pub(crate) struct Written {
    pub(crate) samples: Vec<String>,
    pub(crate) events: Vec<String>,
}

pub(crate) fn pipeline(kind: &str, publisher: &str) -> String {
    format!(
        "sources:\n  - name: source\n    {kind}: ['*']\n    sinks: [sink]\nsinks:\n  - name: sink\n    \
         publishers: ['{publisher}']\n"
    )
}

impl<'broker> Both<'broker> {
    /// Starts both, and waits until both consume.
    pub(crate) fn start(vhost: &'broker Vhost<'broker>, setup: &Setup) -> Self {
        let topics = |topic: &str| ("oslo_messaging_notifications", format!("topics = {topic}"));
        let mut common = vec![("oslo_messaging_rabbit", "amqp_durable_queues = true".to_owned())];
        common.extend(setup.settings.iter().cloned());
        let directory = tempfile::tempdir().unwrap();
        let mut ours = Agent::new(&vhost.transport_url());
        if let Some((meters, events)) = &setup.definitions {
            for folder in [directory.path(), ours.directory.path()] {
                fs::create_dir(folder.join("meters.d")).unwrap();
                fs::write(folder.join("meters.d/meters.yaml"), meters).unwrap();
                fs::write(folder.join("event_definitions.yaml"), events).unwrap();
            }
            common.push(("meter", "meter_definitions_dirs = meters.d".to_owned()));
        }
        for (group, setting) in common.iter().cloned().chain([topics(OURS)]).chain(setup.own.iter().cloned())
        {
            ours = ours.with(group, setting);
        }
        fs::create_dir(directory.path().join("out")).unwrap();
        for (name, kind, output) in
            [("pipeline.yaml", "meters", "out/samples"), ("event_pipeline.yaml", "events", "out/events")]
        {
            let file = format!("file://{}?json", directory.path().join(output).display());
            let text = pipeline(kind, setup.publisher.unwrap_or(&file));
            if setup.publisher.is_some() {
                fs::write(ours.path(name), &text).unwrap();
            }
            fs::write(directory.path().join(name), text).unwrap();
        }
        ours.start();
        common.extend([
            ("DEFAULT", format!("transport_url = {}", vhost.transport_url())),
            // One thread, so that upstream keeps the order of each queue.
            ("DEFAULT", "max_parallel_requests = 1".to_owned()),
            ("oslo_messaging_rabbit", "rabbit_qos_prefetch_count = 1000".to_owned()),
            ("notification", "batch_size = 100".to_owned()),
            ("notification", "batch_timeout = 1".to_owned()),
            topics(UPSTREAM),
        ]);
        common.extend(setup.theirs.iter().cloned());
        let upstream = Upstream::start(directory, "ceilometer-agent-notification", &[], &common);
        ours.wait_ready();
        let consumed = wait_until("queues that both consume", LONG, || {
            let queues = vhost.queues().ok()?;
            let of = |topic: &str| {
                let consumed = queues.iter().filter(|queue| queue.consumers > 0);
                consumed.filter(|queue| queue.name.starts_with(&format!("{topic}."))).count()
            };
            (of(UPSTREAM) == QUEUES && of(OURS) == QUEUES).then_some(())
        });
        if let Err(late) = consumed {
            panic!("{late}\n{}", upstream.log_tail());
        }
        Self { vhost, upstream, ours }
    }

    /// Waits until both have acknowledged everything.
    pub(crate) fn drained(&self) {
        let drained =
            wait_until("empty queues", LONG, || (self.vhost.total_depth().ok()? == 0).then_some(()));
        if let Err(late) = drained {
            let depths: Vec<_> =
                self.vhost.queues().unwrap().into_iter().filter(|queue| queue.messages > 0).collect();
            panic!("{late}: {depths:?}\n{}", self.upstream.log_tail());
        }
    }

    /// Waits until both have acknowledged everything, ends them, and returns what Ceilometer's agent wrote, and ours.
    pub(crate) fn finish(mut self) -> (Written, Written) {
        self.drained();
        self.upstream.terminate();
        assert!(self.ours.terminate().success());
        let written = |folder: &Path| Written {
            samples: read_lines(&folder.join("out/samples")),
            events: read_lines(&folder.join("out/events")),
        };
        (written(self.upstream.directory.path()), written(self.ours.directory.path()))
    }
}
