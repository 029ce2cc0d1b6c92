//! What the code of some crates must not do, read off their sources: who reads the environment, does I/O on the
//! ground floor, names the TLS provider.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::Finding;
use crate::code::{find_word, line_of, test_modules, without_tests, without_text};
use crate::floors::{BESIDE, FLOORS};
use crate::workspace::Workspace;

/// Paths that only some crates' code may hold.
struct Rule {
    paths: &'static [&'static str],
    allowed: fn(&str) -> bool,
    reason: &'static str,
}

const RULES: [Rule; 4] = [
    Rule {
        paths: &[
            "std::fs",
            "std::process",
            "std::thread",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "UnixStream",
        ],
        allowed: |name| !is_ground(name),
        reason: "floor 0 does no I/O and spawns nothing",
    },
    Rule {
        paths: &["Instant::now", "SystemTime::now", "Timestamp::now", "ZonedDateTime::now"],
        allowed: |name| !is_ground(name),
        reason: "floor 0 reads no clock: time is a parameter",
    },
    Rule {
        paths: &[
            "env::var",
            "env::var_os",
            "env::vars",
            "env::vars_os",
            "env::args",
            "env::args_os",
            "env::home_dir",
        ],
        allowed: |name| name == "nephoscope",
        reason: "only the binary reads the environment and argv",
    },
    Rule {
        paths: &["crypto::ring", "crypto::aws_lc_rs"],
        allowed: |name| name == "http",
        reason: "the TLS provider is named in crates/http alone",
    },
];

fn is_ground(name: &str) -> bool {
    FLOORS[0].contains(&name)
}

/// Reads the sources of our crates; tests are exempt, and so are the crates beside the floors.
pub(crate) fn check(root: &Path, workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in workspace.members().filter(|package| !BESIDE.contains(&package.short_name())) {
        let mut files = Vec::new();
        collect(&package.folder.join("src"), &mut files)?;
        for file in files {
            let source =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            findings.extend(check_source(package.short_name(), &shown, &source));
        }
    }
    Ok(findings)
}

fn check_source(crate_name: &str, shown: &str, source: &str) -> Vec<Finding> {
    let code = expand_groups(&without_tests(&without_text(source)));
    let mut findings = Vec::new();
    for rule in RULES.iter().filter(|rule| !(rule.allowed)(crate_name)) {
        for path in rule.paths {
            for at in find_word(&code, path) {
                findings.push(format!("{shown}:{}: {path}: {}", line_of(&code, at), rule.reason));
            }
        }
    }
    findings
}

/// Makes `std::{fs, io}` read `std::fs, std::io` as well, by adding the long form behind the file's text, in the line
/// of the group.
fn expand_groups(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    for line in code.split_inclusive('\n') {
        let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
        out.push_str(text);
        for group in ["std::", "env::"] {
            let opening = format!("{group}{{");
            if let Some((_, names)) = text.split_once(&opening) {
                for name in names.split([',', '}', ';']).map(str::trim).filter(|name| !name.is_empty()) {
                    out.push(' ');
                    out.push_str(group);
                    out.push_str(name);
                }
            }
        }
        out.push_str(end);
    }
    out
}

/// The `.rs` files below `folder`, without those that are modules of tests only.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut here = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        here.push(entry?.path());
    }
    here.sort();
    let mut test_stems = vec!["tests".to_owned()];
    for file in here.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        test_stems.extend(test_modules(&without_text(&fs::read_to_string(file)?)));
    }
    for path in here {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if test_stems.iter().any(|test| test == stem) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_breach_is_found_with_its_line() {
        for (crate_name, source, expected) in [
            ("model", "use std::fs::File;\n", "x.rs:1: std::fs: floor 0 does no I/O"),
            ("model", "\nuse std::{fmt, fs};\n", "x.rs:2: std::fs: floor 0"),
            ("yaml", "let now = Instant::now();\n", "reads no clock"),
            ("yaml", "fn f() { jiff::Timestamp::now() }\n", "reads no clock"),
            ("pipeline", "\n\nlet home = std::env::var(\"HOME\");\n", "x.rs:3: env::var: only the binary"),
            ("oslo-config", "use std::env::{args, var};", "only the binary reads"),
            ("oslo-messaging", "rustls::crypto::ring::default_provider()", "crates/http alone"),
        ] {
            let findings = check_source(crate_name, "x.rs", source);
            assert!(findings.iter().any(|finding| finding.contains(expected)), "{source}: {findings:?}");
        }
    }

    #[test]
    fn what_is_allowed_or_no_code_passes() {
        for (crate_name, source) in [
            ("nephoscope", "std::env::args();"),
            ("http", "rustls::crypto::ring::default_provider()"),
            ("observability", "std::fs::read(path); SystemTime::now();"),
            ("model", "// std::fs is not for us\nconst A: &str = \"std::fs\";"),
            ("model", "#[cfg(test)]\nmod tests { use std::fs; }"),
            ("model", "use std::fmt; env!(\"CARGO_PKG_VERSION\"); my_std::fs_like();"),
        ] {
            assert_eq!(check_source(crate_name, "x.rs", source), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn files_of_tests_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("lib.rs", "mod a;\n#[cfg(test)]\nmod support;\n");
        for name in ["a.rs", "a/b.rs", "a/tests.rs", "support.rs", "support/c.rs", "notes.txt"] {
            write(name, "");
        }
        let mut files = Vec::new();
        collect(directory.path(), &mut files).unwrap();
        let names: Vec<String> = files
            .iter()
            .map(|file| file.strip_prefix(directory.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["a/b.rs", "a.rs", "lib.rs"]);
    }
}
