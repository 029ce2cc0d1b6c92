//! Commands on this host: each within a time, with output of a bounded size, and with an environment that is not the agent's.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use observability::clock::Clock;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{ChildStdin, Command};

/// The time for a command, where its definition does not say otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_mins(5);
/// Characters of a command that a message shows.
const SHOWN: usize = 80;
/// How much is read at a time.
const CHUNK: usize = 64 << 10;
/// How much is kept of what a program says on its error output; the rest is read and dropped.
const SAID_MAX: usize = 16 << 10;
/// The variables of the agent's environment that a program has as well.
const COMMON: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ"];

/// Why a command gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum CommandError {
    #[error("cannot run {command:?}: {reason}")]
    Start { command: String, reason: String },
    #[error("{command:?} was killed: it did not end within {seconds} s (timeout of the definition)")]
    Time { command: String, seconds: f64 },
    #[error("{command:?} was killed: it wrote more than {bytes} bytes")]
    Size { command: String, bytes: usize },
}

/// Variables with their values. What they hold is never shown.
#[derive(Clone, Default)]
pub(super) struct Environment(Arc<[(OsString, OsString)]>);

impl Environment {
    pub(super) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The few variables that every program needs, and `more`.
    pub(super) fn of_program(&self, more: &[(String, String)]) -> Self {
        let common = self.0.iter().filter(|(name, _)| COMMON.iter().any(|common| name == common)).cloned();
        Self(common.chain(more.iter().map(|(name, value)| (name.into(), value.into()))).collect())
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What a program wrote, and how it ended.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) text: String,
    /// The beginning of its error output.
    pub(super) said: String,
    /// How it ended, if not well.
    pub(super) failure: Option<String>,
}

/// Kills a command, its children included, when it is dropped before the command has ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What `sh -c command` writes to its output and error output, without the last line's end. How it ends does not matter.
pub(super) async fn shell(
    command: &str,
    environment: &Environment,
    limit: Duration,
    bytes: usize,
    clock: &Clock,
) -> Result<String, CommandError> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).env_clear().envs(environment.0.iter().cloned());
    let job = Job { shown: command.chars().take(SHOWN).collect(), input: None, limit, bytes };
    let output = job.run(shell, clock).await?;
    // Python reads it as a text, in which there is one kind of line's end.
    let text = output.text.replace("\r\n", "\n").replace('\r', "\n");
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

/// What a program writes when it is given `input`.
pub(super) async fn program(
    (program, arguments): (&str, &[String]),
    environment: &Environment,
    input: Vec<u8>,
    (limit, bytes): (Duration, usize),
    clock: &Clock,
) -> Result<Output, CommandError> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear().envs(environment.0.iter().cloned());
    Job { shown: program.to_owned(), input: Some(input), limit, bytes }.run(command, clock).await
}

struct Job {
    /// The command in messages.
    shown: String,
    /// What it reads; without that its error output is taken for output, as a shell's user sees it.
    input: Option<Vec<u8>>,
    limit: Duration,
    bytes: usize,
}

impl Job {
    async fn run(self, mut command: Command, clock: &Clock) -> Result<Output, CommandError> {
        let failed = |reason: std::io::Error| CommandError::Start {
            command: self.shown.clone(),
            reason: reason.to_string(),
        };
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        let mut receiver = Receiver::from_owned_fd(reader.into()).map_err(failed)?;
        if self.input.is_some() {
            command.stdin(Stdio::piped()).stderr(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stderr(writer.try_clone().map_err(failed)?);
        }
        command.stdout(writer).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        // Our ends of its pipe are closed with the command.
        drop(command);
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let mut group = Group(id.and_then(Pid::from_raw));
        let (input, errors) = (child.stdin.take(), child.stderr.take());
        let mut said = Vec::new();
        let work = async {
            let output = async {
                let mut output = Vec::new();
                let mut chunk = vec![0; CHUNK];
                loop {
                    let count = receiver.read(&mut chunk).await.map_err(failed)?;
                    if count == 0 {
                        return Ok(output);
                    }
                    if output.len() + count > self.bytes {
                        return Err(CommandError::Size { command: self.shown.clone(), bytes: self.bytes });
                    }
                    output.extend_from_slice(chunk.get(..count).unwrap_or_default());
                }
            };
            let speech = async {
                let Some(mut errors) = errors else { return Ok(()) };
                let mut chunk = vec![0; SAID_MAX];
                while let Ok(count @ 1..) = errors.read(&mut chunk).await {
                    let room = SAID_MAX - said.len();
                    said.extend_from_slice(chunk.get(..count.min(room)).unwrap_or_default());
                }
                Ok(())
            };
            let feeding = feed(input, self.input.as_deref().unwrap_or_default());
            let (output, (), ()) = tokio::try_join!(output, speech, feeding)?;
            // What it does without its outputs counts as its time.
            let status = child.wait().await.map_err(failed)?;
            Ok::<_, CommandError>((output, status))
        };
        let (output, status) = tokio::select! {
            biased;
            done = work => done?,
            () = clock.sleep(self.limit) => {
                return Err(CommandError::Time { command: self.shown.clone(), seconds: self.limit.as_secs_f64() });
            }
        };
        // Its number may be another's by now; children that it has left behind are its own affair.
        group.0 = None;
        Ok(Output {
            text: String::from_utf8_lossy(&output).into_owned(),
            said: String::from_utf8_lossy(&said).into_owned(),
            failure: (!status.success()).then(|| status.to_string()),
        })
    }
}

/// Writes what a program is to read. One that does not want it all closes its end, which is no mistake.
async fn feed(input: Option<ChildStdin>, text: &[u8]) -> Result<(), CommandError> {
    if let Some(mut input) = input {
        let _ = input.write_all(text).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::new([
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("SITE".to_owned(), "x".to_owned()),
        ])
    }

    async fn output(command: &str) -> Result<String, CommandError> {
        shell(command, &environment(), Duration::from_secs(20), 1000, &Clock::machine()).await
    }

    async fn said(command: &str, input: &str) -> Result<Output, CommandError> {
        let arguments = ["-c".to_owned(), command.to_owned()];
        let environment = environment().of_program(&[("OWN".to_owned(), "y".to_owned())]);
        let bounds = (Duration::from_secs(20), 1000);
        program(("/bin/sh", &arguments), &environment, input.into(), bounds, &Clock::machine()).await
    }

    #[tokio::test]
    async fn both_outputs_are_one_and_the_status_does_not_matter() {
        for (command, expected) in [
            ("echo a; echo b >&2; exit 3", "a\nb"),
            ("printf 'a\\r\\nb\\n\\n'", "a\nb\n"),
            ("cat", ""),
            ("echo '{\"a\": 1}' | tr a b", "{\"b\": 1}"),
            ("true", ""),
            ("echo $SITE$HOME", "x"),
        ] {
            assert_eq!(output(command).await.unwrap(), expected, "{command}");
        }
        assert!(output("no-such-command-at-all").await.unwrap().contains("not found"));
    }

    #[tokio::test]
    async fn a_program_has_its_input_its_environment_and_its_end() {
        let done = said("cat; echo $SITE/$OWN/$PWD; echo oops >&2; exit 3", "in ").await.unwrap();
        assert_eq!((done.text.as_str(), done.said.as_str()), ("in /y//\n", "oops\n"));
        assert_eq!(done.failure.as_deref(), Some("exit status: 3"));
        // More than it wants to read, and more on its error output than is kept.
        let done = said("yes | head -c 100000 >&2; echo ok", &"x".repeat(1_000_000)).await.unwrap();
        assert_eq!((done.text.as_str(), done.said.len(), done.failure), ("ok\n", SAID_MAX, None));
        assert!(matches!(said("yes", "").await, Err(CommandError::Size { .. })));
        let bounds = (Duration::from_secs(20), 1000);
        let missing = program(("/no/such", &[]), &environment(), Vec::new(), bounds, &Clock::machine()).await;
        assert!(matches!(missing, Err(CommandError::Start { .. })));
    }

    #[tokio::test]
    async fn too_much_and_too_long_are_killed_with_their_children() {
        let error = output("yes").await.unwrap_err();
        assert!(matches!(error, CommandError::Size { .. }), "{error}");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("child");
        // The children keep no output open, so that nothing but the deadline ends it.
        let command = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let (clock, hand) = Clock::test("2026-11-26T05:00:00Z".parse().unwrap());
        let environment = environment();
        let running = shell(&command, &environment, Duration::from_mins(1), 1000, &clock);
        let passing = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            hand.advance(Duration::from_mins(2));
        };
        let both = async { tokio::join!(running, passing) };
        let (ended, ()) = tokio::time::timeout(Duration::from_mins(1), both).await.unwrap();
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("did not end within 60 s"), "{error}");
        let child = std::fs::read_to_string(&file).unwrap();
        let child = Pid::from_raw(child.trim().parse().unwrap()).unwrap();
        // The signal is on its way.
        let gone = async {
            while rustix::process::test_kill_process(child).is_ok() {
                let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
                if state.contains(") Z") || state.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), gone).await.unwrap();
    }
}
