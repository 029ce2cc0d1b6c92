//! One run of a program: with a deadline, with bounds on what it prints, and without anything of it left behind.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use observability::clock::Clock;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// The most that is read of what it prints: hundreds of sensors take a part of a megabyte.
pub(super) const OUTPUT_MAX: usize = 8 << 20;
/// What is kept of its error output, from the end.
const COMPLAINT_MAX: usize = 1 << 10;
/// How long a program that was killed is waited for.
const GRACE: Duration = Duration::from_secs(5);
/// Its environment, beside `LC_ALL=C`: nothing of ours, which may have passwords in it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program that ended by itself has left.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) printed: Vec<u8>,
    /// The end of its error output, as one line.
    pub(super) complaint: String,
}

/// Why there is nothing of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was not started.
    Start(std::io::Error),
    /// Its output could not be read.
    Read(std::io::Error),
    /// It took too long. What it had complained of by then is not known.
    Late,
    /// It printed more than [`OUTPUT_MAX`].
    TooMuch,
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

/// A program that was started, in a process group of its own. Dropped, the group is killed.
#[derive(Debug)]
pub(super) struct Running(Child);

impl Running {
    /// Its process id; [`None`] once it has been waited for.
    pub(super) fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// Whether it has not ended yet. One of which that cannot be said has.
    pub(super) fn is_there(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Kills it with everything that it has started and that has not left its group.
    pub(super) fn kill(&self) {
        // As long as it has not been waited for its id is its own, even if it has ended.
        let group = self.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::debug!(process = self.id(), "a program could not be killed: {error}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `words`, a program with its arguments. Past `timeout` it is killed; should it be there still, because it belongs to
/// another account (`sudo`) or hangs in the kernel, it is given back with the failure.
pub(super) async fn run(
    words: &[&str],
    timeout: Duration,
    clock: &Clock,
) -> Result<Ended, (Failure, Option<Running>)> {
    let mut running = start(words).map_err(|error| (Failure::Start(error), None))?;
    let ended = {
        let ending = end(&mut running.0);
        tokio::select! {
            biased;
            ended = ending => ended,
            () = clock.sleep(timeout) => Err(Failure::Late),
        }
    };
    match ended {
        Ok(ended) => Ok(ended),
        Err(failure) => {
            running.kill();
            let is_gone = tokio::select! {
                biased;
                _ = running.0.wait() => true,
                () = clock.sleep(GRACE) => false,
            };
            Err((failure, (!is_gone).then_some(running)))
        }
    }
}

/// Starts it.
pub(super) fn start(words: &[&str]) -> std::io::Result<Running> {
    let (program, arguments) = words.split_first().unwrap_or((&"", &[]));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command.spawn().map(Running)
}

/// Reads it to its end. Only then is it waited for, so that its group can be killed until then.
async fn end(child: &mut Child) -> Result<Ended, Failure> {
    let (printed, complaint) = tokio::try_join!(all(child.stdout.take()), tail(child.stderr.take()))?;
    let status = child.wait().await?;
    Ok(Ended { status, printed, complaint: one_line(&complaint) })
}

async fn all(stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Failure> {
    let mut printed = Vec::new();
    if let Some(stream) = stream {
        let limit = u64::try_from(OUTPUT_MAX).unwrap_or(u64::MAX).saturating_add(1);
        stream.take(limit).read_to_end(&mut printed).await?;
    }
    if printed.len() > OUTPUT_MAX { Err(Failure::TooMuch) } else { Ok(printed) }
}

/// The end of a stream.
async fn tail(stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Failure> {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        while stream.read_buf(&mut kept).await? > 0 {
            let too_much = kept.len().saturating_sub(COMPLAINT_MAX);
            kept.drain(..too_much);
        }
    }
    Ok(kept)
}

/// What was said, without what a log cannot show.
fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let joined = lines.collect::<Vec<_>>().join("; ");
    joined.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    async fn shell(script: &str, timeout: Duration) -> Result<Ended, (Failure, Option<Running>)> {
        Box::pin(run(&["sh", "-c", script], timeout, &Clock::machine())).await
    }

    /// Whether that process is there, and not merely waited for.
    fn runs(pid: &str) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        state.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
    }

    #[tokio::test]
    async fn status_and_both_streams_are_given() {
        let ended =
            shell("echo out; echo ' one' >&2; echo; echo 'two\tthree\r' >&2; exit 3", LONG).await.unwrap();
        assert_eq!((ended.status.code(), ended.printed.as_slice()), (Some(3), &b"out\n\n"[..]));
        assert_eq!(ended.complaint, "one; two three");
        let ended = shell(
            "echo $LC_ALL; env | grep -c -v -e ^PATH= -e ^LC_ALL= -e ^PWD= -e ^OLDPWD= -e ^_= -e ^SHLVL=",
            LONG,
        );
        assert_eq!(ended.await.unwrap().printed, b"C\n0\n");
    }

    #[tokio::test]
    async fn what_does_not_exist_is_not_started() {
        let failure = run(&["/does/not/exist"], LONG, &Clock::machine()).await.unwrap_err();
        assert!(matches!(failure, (Failure::Start(_), None)), "{failure:?}");
        assert!(matches!(run(&[], LONG, &Clock::machine()).await, Err((Failure::Start(_), None))));
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_what_it_has_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("child");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let failure = shell(&script, Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(failure, (Failure::Late, None)), "{failure:?}");
        let child = std::fs::read_to_string(&file).unwrap();
        testkit::until("the end of what it had started", || (!runs(&child)).then_some(())).unwrap();
        // One that has ended, and whose child holds its output open.
        let failure = shell("sleep 600 & echo ended", Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(failure, (Failure::Late, None)), "{failure:?}");
    }

    #[tokio::test]
    async fn output_without_an_end_is_not_read_without_an_end() {
        let failure = shell("yes 'Sensor Reading : 1 V'", LONG).await.unwrap_err();
        assert!(matches!(failure, (Failure::TooMuch, None)), "{failure:?}");
        let ended =
            shell("yes complaint | head -c 3000000 >&2; echo >&2; echo last >&2", LONG).await.unwrap();
        assert!(
            ended.complaint.ends_with("; last") && ended.complaint.len() <= COMPLAINT_MAX * 2,
            "{}",
            ended.complaint
        );
    }

    #[tokio::test]
    async fn one_that_is_given_up_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("self");
        let script = format!("echo $$ > {}; exec sleep 600", file.display());
        {
            let clock = Clock::machine();
            let running = shell(&script, LONG);
            let started = async {
                while std::fs::read_to_string(&file).unwrap_or_default().is_empty() {
                    clock.sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                _ = running => unreachable!(),
                () = started => {}
            }
        }
        let pid = std::fs::read_to_string(&file).unwrap();
        testkit::until("its end", || (!runs(&pid)).then_some(())).unwrap();
    }
}
