//! No forbidden crate, no unexplained duplicate, registry sources only.

use std::collections::{BTreeMap, BTreeSet};

use crate::Finding;
use crate::workspace::Workspace;

/// The one source of other people's crates.
pub(crate) const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates that must not be built, at any depth, and why.
const FORBIDDEN: [(&str, &str); 12] = [
    ("aws-lc-rs", "the TLS provider is ring: a second one costs a minute of every cold build"),
    ("aws-lc-sys", "the TLS provider is ring: a second one costs a minute of every cold build"),
    ("openssl", "the binary must not need a TLS library of the machine"),
    ("openssl-sys", "the binary must not need a TLS library of the machine"),
    ("native-tls", "the binary must not need a TLS library of the machine"),
    ("librocksdb-sys", "three quarters of an hour of C++ in every cold build"),
    ("evalexpr", "AGPL"),
    ("virt", "LGPL, and it cannot hand out bulk statistics"),
    ("virt-sys", "LGPL, and it links libvirt"),
    ("serde_yaml", "archived, and no YAML 1.1: use crates/yaml"),
    ("serde_yml", "unsound: use crates/yaml"),
    ("async-std", "a second runtime"),
];

/// Crates that others may bring in, but that none of ours may name, and why.
const FORBIDDEN_DIRECTLY: [(&str, &str); 5] = [
    ("chrono", "use jiff"),
    ("time", "use jiff"),
    ("lazy_static", "use std::sync::LazyLock"),
    ("once_cell", "use std::sync::OnceLock or LazyLock"),
    ("log", "use tracing"),
];

/// Crates that are built in more than one version, how many, and who is to blame. An entry that is no longer true
/// fails too, so that the list stays honest.
const DUPLICATES: [(&str, usize, &str); 13] = [
    ("base64", 2, "0.22 by reqwest and hyper-util, 0.23 by lapin's URI"),
    ("block-buffer", 2, "with digest"),
    ("const-oid", 2, "with digest"),
    ("cpufeatures", 2, "with sha2"),
    ("crypto-common", 2, "with digest"),
    ("digest", 2, "0.10 by lapin's TLS (p12-keystore), 0.11 by ourselves"),
    ("fallible-iterator", 2, "0.2 by tokio-postgres, 0.3 by rusqlite"),
    ("getrandom", 2, "0.2 by ring, 0.4 by uuid and tempfile"),
    ("hmac", 2, "0.12 by lapin's TLS (p12-keystore), 0.13 by ourselves"),
    ("nom", 2, "7 by x509-parser, 8 by lapin's wire format"),
    ("sha2", 2, "0.10 by lapin's TLS (p12-keystore), 0.11 by ourselves"),
    ("syn", 2, "2 by older derive macros, 3 by newer ones"),
    ("synstructure", 2, "with syn"),
];

/// Everything about the dependencies that is to mend.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = check_names(workspace);
    findings.extend(check_duplicates(workspace, &DUPLICATES));
    findings
}

fn check_names(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in workspace.packages.values() {
        let (name, version) = (&package.name, &package.version);
        if let Some((_, reason)) = FORBIDDEN.iter().find(|(forbidden, _)| forbidden == name) {
            findings.push(format!("{name} {version} is forbidden: {reason}"));
        }
        if !package.is_member && package.source.as_deref() != Some(REGISTRY) {
            let source = package.source.as_deref().unwrap_or("a path outside the workspace");
            findings.push(format!("{name} {version} comes from {source}: only released crates of crates.io"));
        }
    }
    for package in workspace.members() {
        for (dependency, only_dev) in workspace.direct(package) {
            let forbidden = FORBIDDEN_DIRECTLY.iter().find(|(forbidden, _)| *forbidden == dependency.name);
            if let Some((_, reason)) = forbidden
                && !only_dev
            {
                findings.push(format!("{} depends on {}: {reason}", package.short_name(), dependency.name));
            }
        }
    }
    findings
}

fn check_duplicates(workspace: &Workspace, explained: &[(&str, usize, &str)]) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in workspace.packages.values() {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        let budget = explained.iter().find(|(known, ..)| known == name).map_or(1, |(_, count, _)| *count);
        if versions.len() > budget {
            let list: Vec<&str> = versions.iter().copied().collect();
            findings.push(format!(
                "{name} is built in {} versions ({}): unify them, or explain it in DUPLICATES in xtask/src/dependencies.rs",
                versions.len(),
                list.join(", ")
            ));
        }
    }
    for (name, count, _) in explained {
        let found = versions.get(name).map_or(0, BTreeSet::len);
        if found < *count {
            findings.push(format!(
                "{name} is explained as built in {count} versions and is built in {found}: correct DUPLICATES in \
                 xtask/src/dependencies.rs"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::testing::workspace;

    #[test]
    fn every_forbidden_name_and_source_is_found() {
        let others = [
            ("serde", "1.0.0", "MIT"),
            ("openssl-sys", "0.9.0", "MIT"),
            ("chrono", "0.4.0", "MIT"),
            ("forked", "1.0.0", "MIT"),
        ];
        let mut found = workspace(&[("model", &["serde", "chrono"]), ("yaml", &["dev:chrono"])], &others);
        found.packages.get_mut("forked@1.0.0").unwrap().source =
            Some("git+https://example.org/forked".to_owned());
        assert_eq!(
            check_names(&found),
            [
                "forked 1.0.0 comes from git+https://example.org/forked: only released crates of crates.io",
                "openssl-sys 0.9.0 is forbidden: the binary must not need a TLS library of the machine",
                "model depends on chrono: use jiff",
            ]
        );
    }

    #[test]
    fn duplicates_need_an_explanation_that_is_true() {
        let others = [("syn", "2.0.0", "MIT"), ("syn", "3.0.0", "MIT"), ("one", "1.0.0", "MIT")];
        let workspace = workspace(&[("model", &[])], &others);
        assert!(check_duplicates(&workspace, &[("syn", 2, "because")]).is_empty());
        let unexplained = check_duplicates(&workspace, &[]);
        assert!(unexplained[0].starts_with("syn is built in 2 versions (2.0.0, 3.0.0): "), "{unexplained:?}");
        let stale = check_duplicates(&workspace, &[("syn", 2, "because"), ("one", 2, "no longer")]);
        assert!(
            stale[0].starts_with("one is explained as built in 2 versions and is built in 1"),
            "{stale:?}"
        );
    }
}
