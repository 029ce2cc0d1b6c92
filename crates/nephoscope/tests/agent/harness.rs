//! The agent under test: its configuration in a directory of its own, its process, its output.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use serde_json::Value;
use testkit::{Judge, Oracle, Process, Program, Verdict, until, wait_until};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");
/// Where [`testkit::producer`]'s notifications claim to come from.
pub(crate) const EXCHANGE: &str = "glance";
pub(crate) const ROUTING_KEY: &str = "notifications.info";
/// The most that a text trait holds.
const TEXT_TRAIT_CHARACTERS: usize = 255;
const PATIENCE: Duration = Duration::from_mins(1);

/// An agent with file publishers.
pub(crate) struct Agent {
    pub(crate) directory: tempfile::TempDir,
    process: Option<Process>,
    program: PathBuf,
    arguments: Vec<String>,
    settings: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Agent {
    pub(crate) fn new(transport_url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, key, output) in
            [("pipeline.yaml", "meters", "samples"), ("event_pipeline.yaml", "events", "events")]
        {
            let path = directory.path().join("out").join(output);
            let text = format!(
                "sources:\n  - name: source\n    {key}: ['*']\n    sinks: [sink]\nsinks:\n  - name: sink\n    \
                 publishers: ['file://{}?json']\n",
                path.display()
            );
            fs::write(directory.path().join(name), text).unwrap();
        }
        fs::create_dir(directory.path().join("out")).unwrap();
        let state = directory.path().join("state");
        Self {
            directory,
            process: None,
            program: PROGRAM.into(),
            arguments: vec!["notification".into()],
            settings: vec![
                ("DEFAULT", format!("transport_url = {transport_url}")),
                ("nephoscope", "notification_listen_address = 127.0.0.1:0".into()),
                ("nephoscope", "run_listen_address = 127.0.0.1:0".into()),
                ("nephoscope", "run_metric_address =".into()),
                ("nephoscope", "polling_listen_address = 127.0.0.1:0".into()),
                ("nephoscope", format!("state_dir = {}", state.display())),
                // Reconnect quickly: the tests break connections on purpose.
                ("oslo_messaging_rabbit", "kombu_reconnect_delay = 0.1".into()),
                ("oslo_messaging_rabbit", "rabbit_interval_max = 1".into()),
            ],
            environment: Vec::new(),
        }
    }

    /// Declares durable queues, as a site that cares does.
    pub(crate) fn durable(self) -> Self {
        self.with("oslo_messaging_rabbit", "amqp_durable_queues = true")
    }

    pub(crate) fn with(mut self, group: &'static str, setting: impl Into<String>) -> Self {
        self.settings.push((group, setting.into()));
        self
    }

    /// Takes settings of that name out again.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.settings
            .retain(|(_, setting)| setting.split('=').next().is_none_or(|known| known.trim() != name));
        self
    }

    /// Sets a variable of the process's environment.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<PathBuf>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Starts another command, or the program under another name.
    pub(crate) fn command(mut self, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        self.program = program.into();
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn start(&mut self) {
        self.rewritten();
        let program = Program::new(&self.program)
            .args(&self.arguments)
            .args(["--config-file", "ceilometer.conf"])
            .dir(self.directory.path());
        let program =
            self.environment.iter().fold(program, |program, (name, value)| program.env(name, value));
        self.process = Some(program.start().unwrap());
    }

    /// Writes the configuration anew.
    pub(crate) fn rewritten(&self) -> &Self {
        let mut config = String::new();
        for (group, setting) in &self.settings {
            let _ = writeln!(config, "[{group}]\n{setting}");
        }
        fs::write(self.path("ceilometer.conf"), config).unwrap();
        self
    }

    /// Runs `nephoscope dead-letter` with the agent's configuration, whether the agent runs or not.
    pub(crate) fn dead_letter(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .arg("dead-letter")
            .args(arguments)
            .args(["--config-file", "ceilometer.conf"])
            .current_dir(self.directory.path())
            .output()
            .unwrap()
    }

    /// The dead letters, without their bodies.
    pub(crate) fn letters(&self) -> Vec<Value> {
        let output = self.dead_letter(&["list", "--json"]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Starts `nephoscope tap` with the agent's configuration.
    pub(crate) fn tap(&self, arguments: &[&str]) -> Process {
        let program = Program::new(PROGRAM).arg("tap").args(arguments);
        program.args(["--config-file", "ceilometer.conf"]).dir(self.directory.path()).start().unwrap()
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the agent was not started")
    }

    pub(crate) fn kill(&mut self) {
        self.process().kill().unwrap();
    }

    /// SIGTERM, and the status with which it ends.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.process().terminate().unwrap()
    }

    fn health_address(&mut self) -> String {
        let line = self.process().line("health=http://").unwrap();
        let (_, rest) = line.split_once("health=http://").unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    }

    /// Status and body of a page of the health server.
    pub(crate) fn get(&mut self, page: &str) -> (u16, String) {
        let address = self.health_address();
        try_get(&address, page).unwrap()
    }

    pub(crate) fn wait_ready(&mut self) {
        let address = self.health_address();
        let mut last = String::new();
        let ready = wait_until("readiness", PATIENCE, || {
            let (status, body) = try_get(&address, "/readyz").ok()?;
            last = body;
            (status == 200).then_some(())
        });
        if let Err(late) = ready {
            panic!("{late}: {last}\n{}", self.process().output());
        }
    }

    /// The sum of all series of a metric.
    pub(crate) fn metric_sum(&mut self, name: &str) -> f64 {
        sum_of(&self.get("/metrics").1, name)
    }

    /// The value of a metric's line that begins with `series`.
    pub(crate) fn metric(&mut self, series: &str) -> Option<f64> {
        let (_, page) = self.get("/metrics");
        page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    /// Waits until every publisher has accepted everything that was handed to it by now, and is not behind.
    pub(crate) fn wait_written(&mut self) {
        let waiting = ["nephoscope_pipeline_records_waiting", "nephoscope_pipeline_buffer_records"];
        let written = wait_until("publishers that are not behind", PATIENCE, || {
            let (_, page) = self.get("/metrics");
            waiting.iter().all(|name| sum_of(&page, name) < 0.5).then_some(())
        });
        written.unwrap_or_else(|late| panic!("{late}\n{}", self.process().output()));
    }

    pub(crate) fn samples(&self) -> PathBuf {
        self.path("out/samples")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.path("out/events")
    }

    /// Whether an event was written twice by now.
    pub(crate) fn has_duplicates(&self, oracle: &Oracle) -> bool {
        judge_events(oracle, &self.events()).duplicates() > 0
    }

    /// Waits until an event satisfies `wanted`, and returns it.
    pub(crate) fn event_where(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || read_records(&self.events()).into_iter().find(&wanted)).unwrap()
    }
}

/// The sum of all series of a metric on a page.
fn sum_of(page: &str, name: &str) -> f64 {
    let of_metric = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    page.lines().filter(of_metric).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

pub(crate) fn try_get(address: &str, page: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {page} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| std::io::Error::other(format!("not HTTP: {answer:?}")))
}

/// The whole lines of an output file; what is behind the last line end is still being written.
pub(crate) fn read_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(str::to_owned).collect()
}

pub(crate) fn read_records(path: &Path) -> Vec<Value> {
    read_lines(path).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The text of a trait of an event as the file publisher writes it.
pub(crate) fn trait_of<'event>(event: &'event Value, name: &str) -> Option<&'event Value> {
    let traits = event["traits"].as_array()?;
    Some(&traits.iter().find(|known| known["name"] == name)?["value"])
}

pub(crate) fn judge_events(oracle: &Oracle, path: &Path) -> Verdict {
    let mut judge = Judge::new(oracle);
    for line in read_lines(path) {
        match serde_json::from_str::<Value>(&line) {
            Ok(event) => {
                let id = event["message_id"].as_str().unwrap_or_default();
                let text = trait_of(&event, "name").and_then(Value::as_str).unwrap_or_default();
                let whole = id.parse().map(Oracle::payload).unwrap_or_default();
                // Ceilometer cuts text traits.
                let is_cut = text.len() == TEXT_TRAIT_CHARACTERS && whole.starts_with(text);
                judge.delivered(id, if is_cut { &whole } else { text });
            }
            Err(_) => judge.unreadable(&line),
        }
    }
    judge.verdict()
}

pub(crate) fn judge_samples(oracle: &Oracle, path: &Path) -> Verdict {
    let mut judge = Judge::new(oracle);
    for line in read_lines(path) {
        match serde_json::from_str::<Value>(&line) {
            Ok(sample) => {
                let payload = sample["resource_metadata"]["name"].as_str().unwrap_or_default();
                judge.delivered(sample["resource_id"].as_str().unwrap_or_default(), payload);
            }
            Err(_) => judge.unreadable(&line),
        }
    }
    judge.verdict()
}

/// Panics unless events and samples hold every obligation and nothing else; returns the events' verdict.
pub(crate) fn assert_complete(oracle: &Oracle, events: &Path, samples: &Path) -> Verdict {
    let samples = judge_samples(oracle, samples);
    assert!(samples.is_good(), "samples: {samples}");
    let events = judge_events(oracle, events);
    assert!(events.is_good(), "events: {events}");
    events
}
