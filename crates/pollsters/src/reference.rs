//! The generated reference of pollsters, for the operator's guide.

use std::fmt::Write as _;

use crate::{Cost, NAMESPACES, Namespace, cost};

const HEAD: &str = "# Pollsters

Generated from the tables of the namespaces; `nephoscope pollsters` prints the same. A pollster's name is what `meters:` in
`polling.yaml` is compared with. Requests are counted for a cycle: the discovery's once for all pollsters that have it, and
those of the reading once for all pollsters with the same words; `nephoscope_openstack_requests_total` counts them as they are
sent.
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
    page.push_str("\n| Pollster | Meter | Type | Unit | Discovery | Its requests | Requests to read |\n|---|---|---|---|---|---|---|\n");
    for line in namespace.pollsters {
        for meter in line.meters {
            let Cost { discovery: finding, reading } = cost(namespace, line);
            let discovery = line.discovery.unwrap_or("none");
            let _ = writeln!(
                page,
                "| `{}` | `{}` | {} | {} | `{discovery}` | {finding} | {reading} |",
                line.name, meter.name, meter.kind, meter.unit
            );
        }
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
            "| `cpu` | `cpu` | cumulative | ns | `local_instances` | with libvirt_metadata 0, else 1 a page of servers | 2 calls of libvirt |",
            "| `image.size` | `image.size` | gauge | B | `images` | 1 a page of images | 0 |",
            "| `radosgw.usage` | `radosgw.api.request` | gauge | request | `tenant` | 1, and 1 a domain | 1 a project, for its usage |",
            "## ipmi",
        ] {
            assert!(page.lines().any(|own| own == line), "{line}\n{page}");
        }
    }
}
