//! A script of a test that asks one of Python's originals.

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::Error;
use crate::paths::venv_python;

/// What is shown of a script's complaints.
const TAIL_CHARACTERS: usize = 2_000;

/// Runs `script` in the Python environment, with one question a line on its input, and returns its answers: one line of
/// JSON for each question.
pub fn ask_python(script: impl AsRef<Path>, questions: &[impl Display]) -> Result<Vec<Value>, Error> {
    let what = script.as_ref().display().to_string();
    let mut child = Command::new(venv_python()?)
        .arg("-B")
        .arg(script.as_ref())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Error::io(&*what, error))?;
    let mut lines = String::new();
    for question in questions {
        let _ = writeln!(lines, "{question}");
    }
    let input = child.stdin.take();
    // A script may answer before it has read everything.
    let writing = thread::spawn(move || input.map_or(Ok(()), |mut input| input.write_all(lines.as_bytes())));
    let output = child.wait_with_output().map_err(|error| Error::io(&*what, error))?;
    let written = writing.join().unwrap_or(Ok(()));
    let complaints = || {
        let text = String::from_utf8_lossy(&output.stderr);
        let skipped = text.chars().count().saturating_sub(TAIL_CHARACTERS);
        text.chars().skip(skipped).collect::<String>()
    };
    if !output.status.success() {
        return Err(Error::refused(what, format!("{}\n{}", output.status, complaints())));
    }
    written.map_err(|error| Error::io(&*what, error))?;
    let mut answers = Vec::with_capacity(questions.len());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let answer = serde_json::from_str(line);
        answers.push(answer.map_err(|_| Error::Answer { what: what.clone(), answer: line.to_owned() })?);
    }
    if answers.len() == questions.len() {
        return Ok(answers);
    }
    let reason = format!("{} answers to {} questions\n{}", answers.len(), questions.len(), complaints());
    Err(Error::refused(what, reason))
}
