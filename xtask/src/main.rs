//! House gates and generated references, without network: `cargo xtask <command>`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks to its user")]

mod code;
mod dependencies;
mod docs;
mod files;
mod floors;
mod licences;
mod sources;
mod workspace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <command>

  gates         runs every gate below and docs --check
  floors        crates import lower floors only; who may do I/O, know AMQP, read the environment
  licences      every dependency has a licence of the allowed list
  deps          no forbidden crate, no unexplained duplicate, registry sources only
  files         length of files, unsafe code, machine paths, unfinished work
  docs          writes the generated references under docs/reference
  docs --check  tells whether the committed references are up to date
";

/// One finding of a gate: where, and what to do.
type Finding = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<bool> {
    let root = root();
    match arguments {
        ["gates"] => {
            let workspace = Workspace::load(&root)?;
            let mut passed = true;
            for (name, findings) in [
                ("floors", floors(&root, &workspace)?),
                ("licences", licences::check(&workspace)),
                ("deps", dependencies::check(&workspace)),
                ("files", files::check(&root)?),
                ("docs", docs::check(&root)?),
            ] {
                passed &= report(name, &findings);
            }
            Ok(passed)
        }
        ["floors"] => Ok(report("floors", &floors(&root, &Workspace::load(&root)?)?)),
        ["licences"] => Ok(report("licences", &licences::check(&Workspace::load(&root)?))),
        ["deps"] => Ok(report("deps", &dependencies::check(&Workspace::load(&root)?))),
        ["files"] => Ok(report("files", &files::check(&root)?)),
        ["docs"] => docs::write(&root).map(|()| true),
        ["docs", "--check"] => Ok(report("docs", &docs::check(&root)?)),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(true)
        }
        other => bail!("unknown command: {}\n\n{USAGE}", other.join(" ")),
    }
}

fn floors(root: &Path, workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = floors::check(workspace);
    findings.extend(sources::check(root, workspace)?);
    Ok(findings)
}

fn report(gate: &str, findings: &[Finding]) -> bool {
    if findings.is_empty() {
        println!("{gate}: ok");
        return true;
    }
    println!("{gate}: {} to mend", findings.len());
    for finding in findings {
        println!("  {finding}");
    }
    false
}

/// The repository's root, which is the parent of this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
