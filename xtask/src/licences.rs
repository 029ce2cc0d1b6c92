//! Every dependency has a licence of the allowed list.

use crate::Finding;
use crate::workspace::Workspace;

/// Permissive licences. Nothing here asks more of us than to keep a notice.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Our own.
const OWN: &str = "Apache-2.0";

/// Everything whose licence is not allowed, not readable or missing.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in workspace.packages.values() {
        let (name, version) = (&package.name, &package.version);
        let Some(licence) = &package.licence else {
            findings.push(format!("{name} {version} names no licence"));
            continue;
        };
        if package.is_member && licence != OWN {
            findings.push(format!("{name} is ours and must be {OWN}, not {licence}"));
        }
        match is_allowed(licence) {
            Some(true) => {}
            Some(false) => {
                findings.push(format!("{name} {version} is licensed under {licence}, which is not allowed"));
            }
            None => findings.push(format!("{name} {version} has an unreadable licence: {licence:?}")),
        }
    }
    findings
}

/// Whether an SPDX expression can be met with allowed licences; `None` when it is no expression.
fn is_allowed(expression: &str) -> Option<bool> {
    // The older way of writing OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let (result, rest) = any(&tokens)?;
    rest.is_empty().then_some(result)
}

fn any<'a, 'b>(tokens: &'a [&'b str]) -> Option<(bool, &'a [&'b str])> {
    let (mut result, mut rest) = all(tokens)?;
    while let ["OR", more @ ..] = rest {
        let (next, after) = all(more)?;
        result |= next;
        rest = after;
    }
    Some((result, rest))
}

fn all<'a, 'b>(tokens: &'a [&'b str]) -> Option<(bool, &'a [&'b str])> {
    let (mut result, mut rest) = one(tokens)?;
    while let ["AND", more @ ..] = rest {
        let (next, after) = one(more)?;
        result &= next;
        rest = after;
    }
    Some((result, rest))
}

fn one<'a, 'b>(tokens: &'a [&'b str]) -> Option<(bool, &'a [&'b str])> {
    match tokens {
        ["(", inner @ ..] => match any(inner)? {
            (result, [")", rest @ ..]) => Some((result, rest)),
            _ => None,
        },
        [licence, "WITH", exception, rest @ ..] => {
            Some((ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()), rest))
        }
        ["OR" | "AND" | "WITH" | ")", ..] | [] => None,
        [licence, rest @ ..] => Some((ALLOWED.contains(licence), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::testing::workspace;

    #[test]
    fn expressions_are_judged_by_their_meaning() {
        for (expression, allowed) in [
            ("MIT", Some(true)),
            ("MIT/Apache-2.0", Some(true)),
            ("GPL-3.0 OR MIT", Some(true)),
            ("MIT AND GPL-3.0", Some(false)),
            ("(MIT OR GPL-2.0) AND Unicode-3.0", Some(true)),
            ("MIT AND (GPL-2.0 OR LGPL-2.1)", Some(false)),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", Some(true)),
            ("GPL-2.0 WITH Classpath-exception-2.0", Some(false)),
            ("AGPL-3.0", Some(false)),
            ("", None),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT Apache-2.0", None),
        ] {
            assert_eq!(is_allowed(expression), allowed, "{expression}");
        }
    }

    #[test]
    fn every_breach_is_found() {
        let others = [("good", "1.0.0", "MIT"), ("bad", "1.0.0", "AGPL-3.0"), ("odd", "1.0.0", "see file")];
        let mut workspace = workspace(&[("model", &["good", "bad"])], &others);
        assert_eq!(check(&workspace).len(), 2, "{:?}", check(&workspace));
        workspace.packages.get_mut("good@1.0.0").unwrap().licence = None;
        workspace.packages.get_mut("model").unwrap().licence = Some("MIT".to_owned());
        let findings = check(&workspace).join("\n");
        for expected in [
            "bad 1.0.0 is licensed under AGPL-3.0, which is not allowed",
            "good 1.0.0 names no licence",
            "odd 1.0.0 has an unreadable licence",
            "model is ours and must be Apache-2.0, not MIT",
        ] {
            assert!(findings.contains(expected), "{expected} is missing in\n{findings}");
        }
    }
}
