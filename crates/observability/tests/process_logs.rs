//! Logging of a whole process, compared with the lines that the real oslo.log writes for the same events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use nephoscope_observability::clock::Clock;
use nephoscope_observability::logs::{self, LogError, LogMetrics, LogOptions};
use tracing::{debug, error, info, info_span, warn};

/// The interpreter of the tests' virtual environment.
fn python() -> PathBuf {
    let venv = std::env::var_os("NEPHOSCOPE_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv"), PathBuf::from);
    let python = venv.join("bin/python");
    assert!(python.exists(), "{} is missing: run scripts/provision test", python.display());
    python
}

/// The same events as [`log_events`] logs, through oslo.log, into the file of the first argument.
const ORIGINAL: &str = r"
import json, logging, sys
from oslo_config import cfg
from oslo_context import context
from oslo_log import log
conf = cfg.ConfigOpts()
log.register_options(conf)
conf(['--log-file', sys.argv[1]] + sys.argv[2:])
log.setup(conf, 'nephoscope')
logger = log.getLogger('nephoscope.listener')
logger.info('consuming')
logger.warning('no such queue')
logger.error('stopped')
logger.debug('not shown')
logger.info('in a request', context=context.RequestContext(request_id='req-1'))
";

fn log_events() {
    info!(target: "nephoscope_listener", "consuming");
    warn!(target: "nephoscope_listener", "no such queue");
    error!(target: "nephoscope_listener", "stopped");
    debug!(target: "nephoscope_listener", "not shown");
    let span = info_span!("request", request_id = "req-1");
    span.in_scope(|| info!(target: "nephoscope_listener", "in a request"));
}

fn original(file: &Path, arguments: &[&str]) -> String {
    let output = Command::new(python()).args(["-c", ORIGINAL]).arg(file).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(file).unwrap()
}

/// Digits of the time and the process id become `0`, so that lines of two runs can be compared.
fn shape(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            let [date, time, process, rest] = words.as_slice() else { panic!("{line}") };
            assert!(process.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
            let masked = format!("{date} {time}").replace(|c: char| c.is_ascii_digit(), "0");
            format!("{masked} {rest}")
        })
        .collect()
}

/// One test, because a process has one subscriber, one panic hook and one logger of the `log` crate.
#[test]
fn a_process_logs_as_oslo_does_and_loses_nothing_on_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ours.log");
    let options = LogOptions { file: Some(file.clone()), ..LogOptions::default() };
    let metrics = LogMetrics::default();
    let handle = logs::start(&options, &Clock::machine(), metrics.clone()).unwrap();
    log_events();
    let ours = std::fs::read_to_string(&file).unwrap();
    let theirs = original(&directory.path().join("theirs.log"), &[]);
    assert_eq!(shape(&ours), shape(&theirs));

    // JSON: every key that we have is one of theirs.
    let theirs = original(&directory.path().join("theirs.json"), &["--use-json"]);
    let theirs: serde_json::Value = serde_json::from_str(theirs.lines().next().unwrap()).unwrap();
    for key in [
        "message",
        "asctime",
        "created",
        "msecs",
        "name",
        "levelname",
        "levelno",
        "pathname",
        "filename",
        "lineno",
        "process",
        "process_name",
        "hostname",
        "context",
        "extra",
    ] {
        assert!(theirs.get(key).is_some(), "{key} in {theirs}");
    }

    // The log crate, and panics.
    log::warn!(target: "rustls::client", "from the log crate");
    logs::log_panics();
    let panicked =
        std::thread::Builder::new().name("doomed".to_owned()).spawn(|| panic!("at {}", 7)).unwrap().join();
    assert!(panicked.is_err());
    let text = std::fs::read_to_string(&file).unwrap();
    let new: Vec<&str> = text.lines().skip(ours.lines().count()).collect();
    assert!(new[0].ends_with(" WARNING rustls.client [-] from the log crate"), "{new:?}");
    assert!(new[1].contains(" ERROR nephoscope.observability.logs [-] panic: at 7 place="), "{new:?}");
    assert!(new[1].ends_with(" thread=doomed"), "{new:?}");
    assert!(matches!(
        logs::start(&options, &Clock::machine(), LogMetrics::default()),
        Err(LogError::Twice(_))
    ));
    assert_eq!(metrics.lost.sum(), 0);
    drop(handle);
}
