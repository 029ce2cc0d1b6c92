//! What pollsters cost in requests.

use crate::{Namespace, PollsterLine};

/// What a pollster costs in a cycle, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Its discovery, once for all pollsters that have it.
    pub discovery: &'static str,
    /// What is asked beside that, once for all pollsters with the same words.
    pub reading: &'static str,
}

/// By discovery.
const DISCOVERIES: [(&str, &str); 19] = [
    ("alarm", "1"),
    ("dns_zones", "1 a page of zones"),
    ("endpoint", "0"),
    ("fip_services", "1 a page of 1000 floating IPs"),
    ("fw_policy", "1 a page of 1000 policies"),
    ("fw_services", "1 a page of 1000 firewall groups"),
    ("images", "1 a page of images"),
    ("ipsec_connections", "1 a page of 1000 connections"),
    ("lb_services", "1 a page of 1000 load balancers"),
    ("local_instances", "with libvirt_metadata 0, else 1 a page of servers"),
    ("local_node", "0"),
    ("manila_shares", "1 a page of 1000 shares, and 1"),
    ("tenant", "1, and 1 a domain"),
    ("volume_backups", "1 a page of 1000 backups"),
    ("volume_pools", "1"),
    ("volume_services", "1"),
    ("volume_snapshots", "1 a page of 1000 snapshots"),
    ("volumes", "1 a page of 1000 volumes"),
    ("vpn_services", "1 a page of 1000 VPN services"),
];

/// By the beginning of the pollster's name, the longest first.
const READINGS: [(&str, &str, &str); 7] = [
    ("central", "dns.zone.recordsets", "1 a zone, or 2 where the first has no count"),
    ("central", "radosgw.usage", "1 a project, for its usage"),
    ("central", "radosgw.", "1 a project, for its buckets"),
    ("central", "storage.containers.", "1 a project and page of 10000 containers"),
    ("central", "storage.objects", "1 a project, for its account"),
    ("compute", "", "2 calls of libvirt"),
    ("ipmi", "", "1 command for all sensors"),
];

/// What a pollster of that namespace costs.
#[must_use]
pub fn cost(namespace: &Namespace, line: &PollsterLine) -> Cost {
    let discovery = DISCOVERIES.iter().find(|(name, _)| Some(*name) == line.discovery);
    let reading =
        READINGS.iter().find(|(of, begin, _)| *of == namespace.name && line.name.starts_with(begin));
    Cost {
        discovery: discovery.map_or("", |(_, cost)| cost),
        reading: reading.map_or("0", |(_, _, cost)| cost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NAMESPACES;

    #[test]
    fn every_pollster_has_a_cost_and_every_cost_a_pollster() {
        let mut all = Vec::new();
        for namespace in NAMESPACES {
            for line in namespace.pollsters {
                let cost = cost(namespace, line);
                assert!(line.discovery.is_none() || !cost.discovery.is_empty(), "{}", line.name);
                all.push(cost);
            }
        }
        for (namespace, begin, words) in READINGS {
            let is_used = all.iter().any(|cost| cost.reading == words);
            assert!(
                is_used || Namespace::named(namespace).is_none_or(|own| own.pollsters.is_empty()),
                "{begin}"
            );
        }
    }
}
