//! Types of services and their former names: the facts of the service types authority (os-service-types 1.9).

/// Official types that have former names, which stand in order of preference.
const ALIASES: [(&str, &[&str]); 19] = [
    ("admin-logic", &["registration"]),
    ("alarm", &["alarming"]),
    ("application-container", &["container"]),
    ("application-deployment", &["application_deployment"]),
    ("baremetal", &["bare-metal"]),
    ("block-storage", &["volumev3", "volumev2", "volume", "block-store"]),
    ("clustering", &["resource-cluster", "cluster"]),
    ("container-infrastructure-management", &["container-infrastructure", "container-infra"]),
    ("event", &["events"]),
    ("instance-ha", &["ha"]),
    ("message", &["messaging"]),
    ("meter", &["metering", "telemetry"]),
    ("monitoring-logging", &["monitoring-log-api"]),
    ("multi-region-network-automation", &["tricircle"]),
    ("operator-policy", &["policy"]),
    ("resource-optimization", &["infra-optim"]),
    ("root-cause-analysis", &["rca"]),
    ("shared-file-system", &["sharev2", "share"]),
    ("workflow", &["workflowv2"]),
];

/// The official type and its former names, for either of them.
fn family(service_type: &str) -> Option<(&'static str, &'static [&'static str])> {
    let service_type = service_type.replace('_', "-");
    ALIASES.into_iter().find(|(official, aliases)| {
        *official == service_type || aliases.iter().any(|alias| alias.replace('_', "-") == service_type)
    })
}

/// Whether a type that is looked for is met by one of the catalogue: it is the same, or one of them is the official type
/// and the other its former name. Two former names do not meet, since they tell versions apart.
pub(super) fn is_match(wanted: &str, found: &str) -> bool {
    if wanted == found {
        return true;
    }
    let normal = (wanted.replace('_', "-"), found.replace('_', "-"));
    let Some((official, aliases)) = family(wanted) else { return false };
    let is_alias = |name: &str| aliases.iter().any(|alias| alias.replace('_', "-") == name);
    (normal.1 == official && is_alias(&normal.0)) || (normal.0 == official && is_alias(&normal.1))
}

/// The first URL of the type that counts, of those found: the very type that was looked for, else the official one, else
/// the most preferred former name.
pub(super) fn preferred<'c>(wanted: &str, found: &[(&'c str, Vec<&'c str>)]) -> Option<&'c str> {
    let first_of = |service_type: &str| {
        let urls = found.iter().find(|(known, _)| *known == service_type);
        urls.and_then(|(_, urls)| urls.first().copied())
    };
    if let Some(url) = first_of(wanted) {
        return Some(url);
    }
    if let Some((official, aliases)) = family(wanted) {
        let mut by_preference = std::iter::once(official).chain(aliases.iter().copied());
        if let Some(url) = by_preference.find_map(first_of) {
            return Some(url);
        }
    }
    found.iter().find_map(|(_, urls)| urls.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_types_meet_their_former_names() {
        for (wanted, found, expected) in [
            ("metric", "metric", true),
            ("metric", "metering", false),
            ("messaging", "message", true),
            ("message", "messaging", true),
            ("volumev3", "block-storage", true),
            ("volumev3", "volumev2", false),
            ("block-storage", "volume", true),
            ("application-deployment", "application_deployment", true),
            ("my_own", "my-own", false),
        ] {
            assert_eq!(is_match(wanted, found), expected, "{wanted} {found}");
        }
    }
}
