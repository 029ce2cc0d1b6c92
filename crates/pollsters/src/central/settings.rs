//! [`CentralSettings`]: what the configuration says to the namespace `central`.

use observability::secret::Secret;

/// What the configuration says to the namespace `central`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CentralSettings {
    /// `[service_types]`.
    pub service_types: ServiceTypes,
    /// `[polling] ignore_disabled_projects`.
    pub ignore_disabled_projects: bool,
    /// `[nephoscope] coordination_with_python`, where the work is shared at all: resources have the texts that Python makes of
    /// them ([`Resource::python_text`](crate::Resource::python_text)).
    pub with_python: bool,
    /// `[DEFAULT] reseller_prefix`: what stands before a project's id in the name of its account at Swift.
    pub reseller_prefix: String,
    /// The Ceph Object Gateway.
    pub rgw: RgwSettings,
}

/// `[service_types]`: under which type the catalogue has each service. Nova's is in
/// [`ComputeSettings`](crate::compute::ComputeSettings).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTypes {
    /// Aodh.
    pub aodh: String,
    /// Cinder.
    pub cinder: String,
    /// Designate.
    pub designate: String,
    /// Manila.
    pub manila: String,
    /// Neutron.
    pub neutron: String,
    /// Octavia.
    pub octavia: String,
    /// The Ceph Object Gateway.
    pub radosgw: Option<String>,
    /// Swift.
    pub swift: String,
}

/// `[rgw_client]` and `[rgw_admin_credentials]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgwSettings {
    /// `access_key` of a user who may read usage and buckets.
    pub access_key: Option<String>,
    /// `secret_key` of that user.
    pub secret_key: Option<Secret<String>>,
    /// Whether a project's user is `<project>$<project>`.
    pub implicit_tenants: bool,
    /// The service's name in the catalogue.
    pub service_name: Option<String>,
    /// Whether its certificate goes unchecked.
    pub insecure: bool,
    /// Certificate authorities, PEM.
    pub cafile: Option<String>,
    /// Oldest TLS version: `1.2` or `1.3`.
    pub tls_min_version: Option<String>,
    /// Newest TLS version: `1.2` or `1.3`.
    pub tls_max_version: Option<String>,
}

impl Default for CentralSettings {
    /// The defaults of the options.
    fn default() -> Self {
        Self {
            service_types: ServiceTypes::default(),
            ignore_disabled_projects: false,
            with_python: false,
            reseller_prefix: "AUTH_".into(),
            rgw: RgwSettings::default(),
        }
    }
}

impl Default for ServiceTypes {
    fn default() -> Self {
        Self {
            aodh: "alarming".into(),
            cinder: "volumev3".into(),
            designate: "dns".into(),
            manila: "sharev2".into(),
            neutron: "network".into(),
            octavia: "load-balancer".into(),
            radosgw: None,
            swift: "object-store".into(),
        }
    }
}

impl Default for RgwSettings {
    fn default() -> Self {
        Self {
            access_key: None,
            secret_key: None,
            implicit_tenants: false,
            service_name: None,
            insecure: true,
            cafile: None,
            tls_min_version: None,
            tls_max_version: None,
        }
    }
}
