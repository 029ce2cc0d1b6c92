//! [`Namespace`]: the table of pollsters and discoveries that `--polling-namespaces` chooses.

use crate::{Discovery, MakeError, Meter, Pollster, Tools, central, compute, ipmi};

/// One pollster's line in the table of its namespace.
#[derive(Debug)]
pub struct PollsterLine {
    /// Its name, which `meters:` in `polling.yaml` is compared with; usually its meter's.
    pub name: &'static str,
    /// The meters that it reads.
    pub meters: &'static [Meter],
    /// The discovery that finds its resources unless the source says otherwise.
    pub discovery: Option<&'static str>,
    /// Makes it.
    pub make: fn(&Tools) -> Result<Box<dyn Pollster>, MakeError>,
}

/// One discovery's line in the table of its namespace.
#[derive(Debug)]
pub struct DiscoveryLine {
    /// Its name, as in `discovery:` of `polling.yaml`.
    pub name: &'static str,
    /// Makes it.
    pub make: fn(&Tools) -> Result<Box<dyn Discovery>, MakeError>,
}

/// A namespace: what one kind of polling agent runs.
#[derive(Debug)]
pub struct Namespace {
    /// Its name, as in `--polling-namespaces`.
    pub name: &'static str,
    /// The pollsters.
    pub pollsters: &'static [PollsterLine],
    /// The discoveries.
    pub discoveries: &'static [DiscoveryLine],
}

impl Namespace {
    /// The namespace of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        NAMESPACES.into_iter().find(|namespace| namespace.name == name)
    }
}

/// Every namespace.
pub static NAMESPACES: [&Namespace; 3] = [&compute::COMPUTE, &central::CENTRAL, &ipmi::IPMI];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_default_discovery_is_in_the_same_table() {
        for namespace in NAMESPACES {
            let names: Vec<_> = namespace.pollsters.iter().map(|line| line.name).collect();
            let unique: HashSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len(), "{}", namespace.name);
            for line in namespace.pollsters {
                assert!(!line.meters.is_empty(), "{}", line.name);
                if let Some(wanted) = line.discovery {
                    let is_there = namespace.discoveries.iter().any(|line| line.name == wanted);
                    assert!(is_there, "{}: {wanted}", line.name);
                }
            }
        }
        assert_eq!(Namespace::named("central").map(|namespace| namespace.name), Some("central"));
        assert!(Namespace::named("Central").is_none());
    }
}
