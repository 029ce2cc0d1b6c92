//! [`ComputeSettings`]: what the configuration says to the namespace `compute`.

use std::time::Duration;

/// Where libvirt is, and how instances are found and described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputeSettings {
    /// `[DEFAULT] host`: this host's name as Nova knows it.
    pub host: String,
    /// `[DEFAULT] libvirt_uri`, or the URI that follows from `libvirt_type`; not checked yet.
    pub libvirt_uri: String,
    /// `[service_types] nova`: Nova's type of service in the catalogue.
    pub nova_service_type: String,
    /// `[compute] instance_discovery_method`.
    pub discovery: InstanceDiscovery,
    /// `[compute] resource_update_interval`: Nova is not asked for its list more often, and definitions of domains are
    /// not read more often where libvirt tells no events. Zero: in every cycle.
    pub resource_update_interval: Duration,
    /// `[compute] resource_cache_expiry`: what Nova has said is asked for anew, as a whole, after so long. Zero: always.
    pub resource_cache_expiry: Duration,
    /// `[compute] fetch_extra_metadata`: Nova is asked for what users have set as metadata of their instances.
    pub fetch_extra_metadata: bool,
    /// `[compute] report_stopped_instance_metrics`: instances that are shut off have some samples too.
    pub report_stopped_instance_metrics: bool,
    /// What of users' metadata goes into samples.
    pub user_metadata: UserMetadataRules,
    /// How long libvirt is waited for.
    pub limits: LibvirtLimits,
}

/// How long libvirt is waited for, and how many of its answers are waited for in vain. No options: what is here by default
/// serves hosts with hundreds of domains, and tests are less patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibvirtLimits {
    /// For the statistics of all domains, the first time in a cycle.
    pub deadline: Duration,
    /// For the same once more, over another connection, when the first time was in vain.
    pub repeat_deadline: Duration,
    /// Calls that may hang at the same time, each for a domain. Each holds one of the 20 workers that libvirtd has for all
    /// its clients.
    pub stuck_calls_max: usize,
    /// For a daemon to come back that was there in the cycle before.
    pub restart: Duration,
    /// For a connection, and for a call about a single domain.
    pub call: Duration,
    /// For the definitions that are to be read in one cycle; what is left is read in the next.
    pub definitions: Duration,
}

impl Default for LibvirtLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            repeat_deadline: Duration::from_secs(5),
            stuck_calls_max: 5,
            restart: Duration::from_secs(9),
            call: Duration::from_secs(10),
            definitions: Duration::from_secs(30),
        }
    }
}

/// How instances are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceDiscovery {
    /// By the metadata that Nova writes into libvirt's definitions (`libvirt_metadata`).
    LibvirtMetadata,
    /// By asking Nova (`naive`, `workload_partitioning`).
    Nova,
}

/// Which of the metadata that users have set go into samples, as `user_metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserMetadataRules {
    /// `[DEFAULT] reserved_metadata_namespace`: prefixes of keys.
    pub namespaces: Vec<String>,
    /// `[DEFAULT] reserved_metadata_keys`: whole keys.
    pub keys: Vec<String>,
    /// `[DEFAULT] reserved_metadata_length`: characters of a value that are kept; negative numbers count from its end.
    pub length: i64,
}

impl ComputeSettings {
    /// The defaults of all options, for that host.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            libvirt_uri: libvirt_uri("kvm", "").to_owned(),
            nova_service_type: "compute".to_owned(),
            discovery: InstanceDiscovery::LibvirtMetadata,
            resource_update_interval: Duration::ZERO,
            resource_cache_expiry: Duration::from_hours(1),
            fetch_extra_metadata: false,
            report_stopped_instance_metrics: false,
            user_metadata: UserMetadataRules::default(),
            limits: LibvirtLimits::default(),
        }
    }
}

impl Default for UserMetadataRules {
    fn default() -> Self {
        Self { namespaces: vec!["metering.".to_owned()], keys: Vec::new(), length: 256 }
    }
}

/// The URI that `libvirt_type` and `libvirt_uri` come to.
#[must_use]
pub fn libvirt_uri<'a>(libvirt_type: &str, libvirt_uri: &'a str) -> &'a str {
    match (libvirt_uri, libvirt_type) {
        ("", "lxc") => "lxc:///",
        ("", "parallels") => "parallels:///system",
        ("", _) => "qemu:///system",
        (uri, _) => uri,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_follows_from_the_type_unless_one_is_given() {
        for (kind, given, expected) in [
            ("kvm", "", "qemu:///system"),
            ("qemu", "", "qemu:///system"),
            ("lxc", "", "lxc:///"),
            ("parallels", "", "parallels:///system"),
            ("lxc", "qemu+tcp://h/system", "qemu+tcp://h/system"),
        ] {
            assert_eq!(libvirt_uri(kind, given), expected);
        }
    }
}
