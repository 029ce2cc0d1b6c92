//! Crates import crates of lower floors, or crates that stand earlier in their own floor's list.

use crate::Finding;
use crate::workspace::{Package, Workspace};

/// The floors from the ground up; within a floor, a crate may import those before it. Crates that are planned stand
/// here too, so that their place is decided before they are written.
pub(crate) const FLOORS: [&[&str]; 6] = [
    &["model", "wire", "yaml", "expression", "python-expression", "definitions", "archive"],
    &[
        "observability",
        "oslo-config",
        "oslo-policy",
        "http",
        "redis",
        "sql",
        "openstack",
        "oslo-messaging",
        "libvirt",
        "ipmi",
    ],
    &["buffer", "pipeline", "coordination"],
    &["pollsters", "publishers", "metric-store", "metric-index", "alarm-store"],
    &["notification", "polling", "metric", "metric-api", "alarm-engine", "alarm-api", "dashboard"],
    &["nephoscope"],
];

/// Crates beside the floors. They may import anything; of them, only `testkit` may be imported, and only by tests.
pub(crate) const BESIDE: [&str; 2] = ["testkit", "xtask"];

/// A dependency that only some crates may name.
struct Reserved {
    dependency: &'static str,
    owners: &'static [&'static str],
    reason: &'static str,
}

const RESERVED: [Reserved; 6] = [
    Reserved { dependency: "lapin", owners: &["oslo-messaging"], reason: "only oslo-messaging knows AMQP" },
    Reserved {
        dependency: "rustls-native-certs",
        owners: &["http"],
        reason: "TLS is configured in crates/http",
    },
    Reserved { dependency: "rusqlite", owners: &["sql"], reason: "SQL goes through crates/sql" },
    // `coordination` has three statements and one connection.
    Reserved {
        dependency: "tokio-postgres",
        owners: &["sql", "coordination"],
        reason: "SQL goes through crates/sql",
    },
    Reserved { dependency: "clap", owners: &["nephoscope"], reason: "only the binary parses argv" },
    Reserved {
        dependency: "tracing-subscriber",
        owners: &["observability"],
        reason: "logs are set up in crates/observability",
    },
];

/// What floor 0 must not be built from, at any depth.
const NOT_ON_THE_GROUND: [&str; 7] =
    ["tokio", "mio", "hyper", "reqwest", "rustls", "rustix", "tracing-subscriber"];

/// Floor and position in its list.
fn place(name: &str) -> Option<(usize, usize)> {
    FLOORS.iter().enumerate().find_map(|(floor, crates)| {
        let position = crates.iter().position(|known| *known == name)?;
        Some((floor, position))
    })
}

/// Everything that stands on the wrong floor.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in workspace.members() {
        let name = package.short_name();
        if BESIDE.contains(&name) {
            continue;
        }
        let Some(own) = place(name) else {
            findings
                .push(format!("crate {name} stands on no floor: add it to FLOORS in xtask/src/floors.rs"));
            continue;
        };
        check_imports(workspace, package, own, &mut findings);
        if own.0 == 0 {
            check_ground(workspace, package, &mut findings);
        }
    }
    findings
}

fn check_imports(workspace: &Workspace, package: &Package, own: (usize, usize), findings: &mut Vec<Finding>) {
    let name = package.short_name();
    for (dependency, only_dev) in workspace.direct(package) {
        if !dependency.is_member {
            for reserved in RESERVED.iter().filter(|reserved| reserved.dependency == dependency.name) {
                if !only_dev && !reserved.owners.contains(&name) {
                    findings
                        .push(format!("crate {name} depends on {}: {}", dependency.name, reserved.reason));
                }
            }
            continue;
        }
        let imported = dependency.short_name();
        if BESIDE.contains(&imported) {
            if !only_dev || imported == "xtask" {
                findings.push(format!("crate {name} depends on {imported}, which is for tests only"));
            }
            continue;
        }
        // An unknown one is reported on its own.
        let Some(other) = place(imported) else { continue };
        if other >= own {
            let (floor, here) = (other.0, own.0);
            findings.push(format!(
                "crate {name} (floor {here}) imports {imported} (floor {floor}): only lower floors, or earlier ones of its \
                 own floor's list"
            ));
        }
    }
}

fn check_ground(workspace: &Workspace, package: &Package, findings: &mut Vec<Finding>) {
    for dependency in workspace.closure(package) {
        if NOT_ON_THE_GROUND.contains(&dependency.name.as_str()) {
            let name = package.short_name();
            findings.push(format!(
                "crate {name} (floor 0) is built from {}: floor 0 does no I/O",
                dependency.name
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::testing::workspace;

    const OTHERS: [(&str, &str, &str); 3] =
        [("lapin", "4.0.0", "MIT"), ("tokio", "1.0.0", "MIT"), ("serde", "1.0.0", "MIT")];

    fn findings(ours: &[(&str, &[&str])]) -> Vec<String> {
        check(&workspace(ours, &OTHERS))
    }

    #[test]
    fn what_keeps_the_order_passes() {
        let ours: &[(&str, &[&str])] = &[
            ("model", &["serde"]),
            ("definitions", &["model", "dev:testkit"]),
            ("observability", &["tokio"]),
            ("oslo-messaging", &["observability", "lapin"]),
            ("pipeline", &["model", "observability", "dev:lapin"]),
            ("nephoscope", &["pipeline"]),
            ("testkit", &["lapin", "nephoscope"]),
        ];
        assert_eq!(findings(ours), Vec::<String>::new());
    }

    #[test]
    fn every_breach_is_found() {
        for (ours, expected) in [
            (&[("model", &["pipeline"][..]), ("pipeline", &[])][..], "imports pipeline (floor 2)"),
            (&[("model", &["definitions"]), ("definitions", &[])], "imports definitions (floor 0)"),
            (&[("model", &["dev:pipeline"]), ("pipeline", &[])], "imports pipeline (floor 2)"),
            (&[("pipeline", &["lapin"])], "only oslo-messaging knows AMQP"),
            (&[("nephoscope", &["testkit"]), ("testkit", &[])], "for tests only"),
            (&[("nephoscope", &["dev:xtask"]), ("xtask", &[])], "for tests only"),
            (&[("surprise", &[])], "crate surprise stands on no floor"),
            (&[("yaml", &["tokio"])], "floor 0 does no I/O"),
        ] {
            let found = findings(ours);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(expected), "{found:?}");
        }
    }

    #[test]
    fn io_below_a_dependency_is_found_too() {
        let mut workspace = workspace(&[("yaml", &["serde"])], &OTHERS);
        let edge = crate::workspace::Dependency { id: "tokio@1.0.0".to_owned(), only_dev: false };
        workspace.packages.get_mut("serde@1.0.0").unwrap().dependencies.push(edge);
        assert!(check(&workspace)[0].contains("is built from tokio"));
    }
}
