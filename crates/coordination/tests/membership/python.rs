//! Members in both languages: Python's is what `ceilometer-polling` is.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use testkit::venv_python;

use crate::harness::{COUNT, GROUP, Member, PATIENCE, are_disjoint_and_complete, share};

/// A member in Python.
struct Python {
    process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Python {
    fn start(url: &str, name: &str) -> Self {
        let mut process = Command::new(venv_python().unwrap())
            .args(["-W", "ignore"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/member.py"))
            .args([url, GROUP, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut python = Self { process, commands, answers };
        assert_eq!(python.answer(), "joined");
        python
    }

    fn answer(&mut self) -> String {
        self.answers.next().unwrap().unwrap()
    }

    fn part(&mut self) -> Vec<usize> {
        writeln!(self.commands, "look {COUNT}").unwrap();
        serde_json::from_str(&self.answer()).unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until these share everything; returns the owner of each resource.
async fn share_with(python: &mut Python, members: &[&Member]) -> BTreeMap<usize, String> {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let mut parts = vec![("python".to_owned(), python.part())];
            for member in members {
                parts.push((member.name.clone(), member.part().await));
            }
            if are_disjoint_and_complete(&parts) {
                let owned = |(name, part): (String, Vec<usize>)| {
                    part.into_iter().map(move |number| (number, name.clone()))
                };
                return parts.into_iter().flat_map(owned).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not shared within {PATIENCE:?}"))
}

/// Two members of ours and one of Python's, which is what `ceilometer-polling` does.
pub(crate) async fn members_in_both_languages_share(url: &str) {
    // Python's never comes back once it was taken for dead, as it may be on a busy machine.
    let (url, patient) = (&format!("{url}?membership_timeout=2"), &format!("{url}?membership_timeout=8"));
    let first = Member::new(url, "rust-1");
    share(&[&first]).await;
    let mut python = Python::start(patient, "python-1");
    share_with(&mut python, &[&first]).await;
    let mut second = Member::new(url, "rust-2");
    let owners = share_with(&mut python, &[&first, &second]).await;

    // Ours dies: Python takes its part of that.
    second.suspend();
    share_with(&mut python, &[&first]).await;
    second.resume();
    assert_eq!(share_with(&mut python, &[&first, &second]).await, owners);

    // Python's leaves, comes back, and is killed.
    writeln!(python.commands, "leave").unwrap();
    assert_eq!(python.answer(), "left");
    share(&[&first, &second]).await;
    let mut python = Python::start(patient, "python-2");
    share_with(&mut python, &[&first, &second]).await;
    drop(python);
    share(&[&first, &second]).await;
}
