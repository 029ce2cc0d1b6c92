//! A metric server of its own, and the commands beside it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::{Process, Program};

pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");

/// A running server.
pub(super) struct House {
    process: Process,
    port: u16,
    state: PathBuf,
    /// Removed after the server has ended.
    _directory: Option<tempfile::TempDir>,
}

/// What a command did.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) status: i32,
    /// Both streams.
    pub(super) output: String,
}

impl House {
    /// A server with a directory of its own; `options` are added to its configuration.
    pub(super) fn start(options: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::start_at(&directory.path().join("state"), options, Some(directory))
    }

    /// A server on the state directory of somebody else.
    pub(super) fn start_in(state: &Path, options: &str) -> Self {
        Self::start_at(state, options, None)
    }

    fn start_at(state: &Path, options: &str, directory: Option<tempfile::TempDir>) -> Self {
        std::fs::create_dir_all(state).unwrap();
        let config = state.with_extension("conf");
        let text = format!("[nephoscope]\nmetric_listen_address =\n[api]\noperation_timeout = 60\n{options}");
        std::fs::write(&config, text).unwrap();
        let process = Program::new(PROGRAM)
            .args(["metric", "--port", "0", "--config-file"])
            .arg(&config)
            .env("OS_NEPHOSCOPE__STATE_DIR", state)
            .start()
            .unwrap();
        let line = process.line("http://127.0.0.1:").unwrap();
        let digits = line.split("http://127.0.0.1:").nth(1).unwrap();
        let port = digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
        Self { process, port, state: state.to_owned(), _directory: directory }
    }

    pub(super) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A command on this server's store.
    pub(super) fn command(&self, arguments: &[&str]) -> Vec<String> {
        command(&self.state, arguments)
    }

    /// What the API answers to the administrator.
    pub(super) fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: metric\r\nConnection: close\r\nAuthorization: basic YWRtaW46\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(text).unwrap_or(Value::Null))
    }
}

/// The command line of `nephoscope metric …` on the store below a state directory.
pub(super) fn command(state: &Path, arguments: &[&str]) -> Vec<String> {
    let mut line: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    line.extend(["--state-dir".to_owned(), state.to_str().unwrap().to_owned()]);
    line
}

/// Runs a command to its end.
pub(super) fn run(arguments: &[String]) -> Done {
    run_with(&[], arguments)
}

/// The same with an environment.
pub(super) fn run_with(environment: &[(&str, &str)], arguments: &[String]) -> Done {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .arg("metric")
        .args(arguments)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let output_text = String::from_utf8_lossy(&text).into_owned();
    Done { status: output.status.code().unwrap_or(-1), output: output_text }
}
