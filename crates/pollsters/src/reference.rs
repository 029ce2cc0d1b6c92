//! The generated reference of pollsters, for the operator's guide.

use std::fmt::Write as _;

use crate::{NAMESPACES, Namespace};

const HEAD: &str = "# Pollsters

Generated from the tables of the namespaces; `nephoscope pollsters` prints the same. A pollster's name is what `meters:` in
`polling.yaml` is compared with.
";

/// The page, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for namespace in NAMESPACES {
        of_namespace(namespace, &mut page);
    }
    page
}

fn of_namespace(namespace: &Namespace, page: &mut String) {
    let discoveries: Vec<String> =
        namespace.discoveries.iter().map(|line| format!("`{}`", line.name)).collect();
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## {}\n\nDiscoveries: {}\n", namespace.name, discoveries.join(", "));
    page.push_str("\n| Pollster | Meter | Type | Unit | Discovery |\n|---|---|---|---|---|\n");
    for line in namespace.pollsters {
        for meter in line.meters {
            let discovery = line.discovery.unwrap_or("none");
            let _ = writeln!(
                page,
                "| `{}` | `{}` | {} | {} | `{discovery}` |",
                line.name, meter.name, meter.kind, meter.unit
            );
        }
    }
    if !namespace.later.is_empty() {
        let _ = writeln!(page, "\nOf Ceilometer, not in this version: {}", namespace.later.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_and_pollster_is_there() {
        let page = reference();
        for line in [
            "## compute",
            "Discoveries: `local_instances`, `local_node`",
            "| `cpu` | `cpu` | cumulative | ns | `local_instances` |",
            "| `power.state` | `power.state` | gauge |  | `local_instances` |",
            "| `image.size` | `image.size` | gauge | B | `images` |",
            "## ipmi",
        ] {
            assert!(page.lines().any(|own| own == line), "{line}\n{page}");
        }
    }
}
