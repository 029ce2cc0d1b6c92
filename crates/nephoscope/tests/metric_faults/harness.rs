//! `nephoscope metric` in a directory of its own, and clients that keep their connections.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Port, Process, Program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");
/// How long an answer is waited for.
const ANSWER_WAIT: Duration = Duration::from_mins(1);

/// The program.
pub(crate) struct Server {
    pub(crate) directory: tempfile::TempDir,
    api: Port,
    health: Port,
    process: Option<Process>,
    settings: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, String)>,
}

/// A connection that is made anew when it has broken.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Server {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (api, health) = (Port::take().unwrap(), Port::take().unwrap());
        let settings = vec![
            ("api", format!("port = {}", api.number())),
            ("nephoscope", format!("metric_listen_address = 127.0.0.1:{}", health.number())),
            ("nephoscope", format!("state_dir = {}", directory.path().join("state").display())),
        ];
        Self { directory, api, health, process: None, settings, environment: Vec::new() }
    }

    pub(crate) fn with(mut self, group: &'static str, setting: impl Into<String>) -> Self {
        self.settings.push((group, setting.into()));
        self
    }

    /// Sets a variable of the process's environment.
    #[allow(dead_code, reason = "not every test program that has this module needs it")]
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write_config(&self) {
        let mut config = String::new();
        for (group, setting) in &self.settings {
            let _ = writeln!(config, "[{group}]\n{setting}");
        }
        fs::write(self.path("gnocchi.conf"), config).unwrap();
    }

    pub(crate) fn start(&mut self) {
        self.write_config();
        let program = Program::new(PROGRAM)
            .args(["metric", "--config-file", "gnocchi.conf"])
            .dir(self.directory.path())
            .clear_env()
            .env("HOME", self.directory.path());
        let program =
            self.environment.iter().fold(program, |program, (name, value)| program.env(name, value));
        self.process = Some(program.start().unwrap());
    }

    /// Starts it and waits until it serves.
    pub(crate) fn started(mut self) -> Self {
        self.start();
        self.wait_started();
        self
    }

    pub(crate) fn wait_started(&self) {
        self.process().line("api=http").unwrap();
    }

    pub(crate) fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub(crate) fn process_mut(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().kill().unwrap();
    }

    pub(crate) fn terminate(&mut self) -> (ExitStatus, String) {
        let mut process = self.process.take().unwrap();
        let status = process.terminate().unwrap();
        (status, process.output())
    }

    /// Waits for the end of a process that was told to stop.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        let mut process = self.process.take().unwrap();
        let status = process.wait(ANSWER_WAIT).unwrap();
        (status, process.output())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.api.number()))
    }

    pub(crate) fn client(&self) -> Client {
        Client { address: self.address(), stream: None }
    }

    /// What the port of health and metrics says.
    pub(crate) fn health(&self, path: &str) -> Answer {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.health.number()));
        Client { address, stream: None }.get(path)
    }

    /// An archive policy that keeps each second's last value.
    pub(crate) fn make_policy(&self) {
        let policy = json!({
            "name": "seconds",
            "back_window": 0,
            "definition": [{"granularity": 1, "points": 3_000_000}],
            "aggregation_methods": ["last"],
        });
        let made = self.client().post("/v1/archive_policy", &policy);
        assert_eq!(made.status, 201, "{made:?}");
    }

    /// The id of a new metric.
    pub(crate) fn make_metric(&self) -> String {
        let made = self.client().post("/v1/metric", &json!({"archive_policy_name": "seconds"}));
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "").unwrap()
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &body.to_string()).unwrap()
    }

    /// Asks as the administrator. After an error nobody knows what became of the request.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let asked = self.exchange(method, path, body);
        if asked.is_err() {
            self.stream = None;
        }
        asked
    }

    /// Sends a request whose answer [`Self::answer`] takes.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: api\r\nAuthorization: basic YWRtaW46\r\nAccept: application/json\r\n"
        );
        if !body.is_empty() {
            let _ = write!(text, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.send_text(&text)
    }

    /// Sends these bytes.
    pub(crate) fn send_text(&mut self, text: &str) -> io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER_WAIT))?;
            self.stream = Some(BufReader::new(stream));
        }
        self.stream.as_mut().unwrap().get_mut().write_all(text.as_bytes())
    }

    fn exchange(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        self.send(method, path, body)?;
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let stream = self.stream.as_mut().unwrap();
        let ended = || io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended");
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(ended());
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(ended)?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(ended());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: String::new() };
        let length = answer.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).map_err(|_| ended())?;
        if answer.header("connection").is_some_and(|text| text.eq_ignore_ascii_case("close")) {
            self.stream = None;
        }
        Ok(answer)
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.as_mut().is_none_or(|stream| matches!(stream.fill_buf(), Ok([]) | Err(_)))
    }
}
