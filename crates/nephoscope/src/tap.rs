//! `nephoscope tap`: samples and events of a running agent, as they come in.
//!
//! Signals keep their meaning: Ctrl-C ends it at once, whatever it waits for.

mod print;
pub(crate) mod protocol;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use model::Value;
use observability::clock::{Clock, MonotonicTime};
use observability::control::connect_control;

use self::protocol::Said;
use crate::cli::{Invocation, TapArguments};
use crate::role::{Roles, state_dir};
use crate::surroundings::Surroundings;
use crate::{Ending, complain, settings};

/// How long an agent may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest line that is read: more than any message that an agent takes, printed.
const MAX_LINE_BYTES: u64 = 512 << 20;

/// Shows records until it is told to end; an agent that ends is a failure.
pub(crate) fn run(arguments: &TapArguments, invocation: &Invocation, surroundings: &Surroundings) -> Ending {
    let paths = match &arguments.socket {
        Some(path) => vec![path.clone()],
        None => match settings::load(invocation, surroundings) {
            Ok(loaded) => paths(&state_dir(&loaded.config), arguments.roles),
            Err(error) => return Ending::Configuration(error.to_string()),
        },
    };
    let clock = Clock::machine();
    let until = arguments.seconds.map(|seconds| clock.monotonic().plus(Duration::from_secs(seconds)));
    let shown = connect(&paths).and_then(|stream| show(&stream, arguments, &clock, until));
    match shown {
        Ok(()) => Ending::Done,
        Err(error) => Ending::Failed(error),
    }
}

fn paths(state_dir: &Path, roles: Option<Roles>) -> Vec<PathBuf> {
    let all = [Roles::All, Roles::Notification, Roles::Polling];
    let wanted = all.into_iter().filter(|one| roles.is_none_or(|roles| roles == *one));
    wanted.map(|roles| state_dir.join(roles.socket_name())).collect()
}

/// The first of `paths` at which somebody answers.
fn connect(paths: &[PathBuf]) -> anyhow::Result<UnixStream> {
    for path in paths {
        match connect_control(path) {
            Ok(stream) => return Ok(stream),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "; run tap as the user that the agent runs as, or as root"
                    }
                    io::ErrorKind::WouldBlock => "; the agent does not accept connections now",
                    _ => "",
                };
                bail!("cannot connect to {}: {error}{hint}", path.display());
            }
        }
    }
    let tried: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    bail!(
        "no agent answers at {}; start one, or name the configuration that it was started with (--config-file) or its \
         socket (--socket)",
        tried.join(" or ")
    )
}

fn show(
    stream: &UnixStream,
    arguments: &TapArguments,
    clock: &Clock,
    until: Option<MonotonicTime>,
) -> anyhow::Result<()> {
    stream.set_write_timeout(Some(ANSWER))?;
    let mut request = stream;
    // An agent that refuses a client at once does not read what it asks for; the reason is there to be read.
    let asked = request.write_all(&protocol::request(&arguments.query));
    if let Err(error) = asked.or_else(ended) {
        return Err(error).context("the agent does not listen");
    }
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut is_greeted = false;
    let mut left = arguments.count;
    loop {
        let now = clock.monotonic();
        let wait = match until {
            Some(until) if until.since(now).is_zero() => return Ok(()),
            Some(until) if is_greeted => Some(until.since(now)),
            Some(until) => Some(until.since(now).min(ANSWER)),
            None if is_greeted => None,
            None => Some(ANSWER),
        };
        stream.set_read_timeout(wait)?;
        line.clear();
        match reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).or_else(ended) {
            Ok(_) if line.ends_with(b"\n") => {}
            Ok(_) => bail!("the agent has ended"),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if until.is_some_and(|until| until.since(clock.monotonic()).is_zero()) {
                    return Ok(());
                }
                bail!("the agent does not answer");
            }
            Err(error) => return Err(error).context("the connection to the agent is lost"),
        }
        let shown = match protocol::said(&line) {
            Some(Said::Greeting) => {
                is_greeted = true;
                continue;
            }
            Some(Said::Sample(sample, publishers)) => {
                show_record(&sample, arguments.json, || print::sample(&sample, &publishers))
            }
            Some(Said::Event(event, publishers)) => {
                show_record(&event, arguments.json, || print::event(&event, &publishers))
            }
            Some(Said::Skipped(count)) => {
                complain(format_args!("tap: {count} records skipped"));
                continue;
            }
            Some(Said::End) => bail!("the agent is stopping"),
            Some(Said::Error(reason)) => return Err(anyhow!(reason).context("the agent refuses")),
            // Of a later release.
            None => continue,
        };
        if shown.is_err() {
            // Whoever read has seen enough, as `head` has.
            return Ok(());
        }
        left = left.map(|left| left.saturating_sub(1));
        if left == Some(0) {
            return Ok(());
        }
    }
}

/// An agent that has closed its end has ended, which is no error of the connection.
fn ended<T: Default>(error: io::Error) -> io::Result<T> {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(T::default()),
        _ => Err(error),
    }
}

fn show_record(record: &Value, as_json: bool, readable: impl FnOnce() -> String) -> io::Result<()> {
    let mut text = if as_json { model::json::to_string(record) } else { readable() };
    text.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
