//! `[DEFAULT]`: options of Ceilometer's agents.

use crate::option::{RefusedValue, host_address, integer, list, text};

const IPMI: &str =
    "no command runs through `ceilometer-rootwrap`; `[nephoscope] ipmi_command` says how `ipmitool` is run";

options! { "DEFAULT";
    /// Identity of this agent: instances are looked up in Nova by it, and it enters host ids, IPMI
    /// resource ids and publisher ids. Must equal the `host` of the Nova compute service.
    HOST: Str = host_address("host");
    /// Connections that each publisher that speaks HTTP keeps, and its requests at the same time at most.
    MAX_PARALLEL_REQUESTS: Int = integer("max_parallel_requests", 64).min(1);
    /// Namespaces of pollsters that the polling agent runs: `compute`, `central`, `ipmi`.
    POLLING_NAMESPACES: List = list("polling_namespaces", &["compute", "central"]).unique();
    /// How instances are inspected. There is one choice.
    HYPERVISOR_INSPECTOR: Str = text("hypervisor_inspector", "libvirt").choices(&["libvirt"])
        .leaving("libvirt is the only inspector").no_effect("libvirt is the only inspector");
    /// Kind of hypervisor behind libvirt; decides the connection URI unless `libvirt_uri` is set.
    LIBVIRT_TYPE: Str = text("libvirt_type", "kvm").choices(&["kvm", "lxc", "qemu", "parallels"]);
    /// libvirt connection URI, instead of the one that follows from `libvirt_type`.
    LIBVIRT_URI: Str = text("libvirt_uri", "").refuses(&[
        RefusedValue::Transport { transport: "ssh", instead: "use qemu+tls:// or qemu+tcp://, or run the agent on the hypervisor's host" },
        RefusedValue::Transport { transport: "libssh", instead: "use qemu+tls:// or qemu+tcp://, or run the agent on the hypervisor's host" },
        RefusedValue::Transport { transport: "libssh2", instead: "use qemu+tls:// or qemu+tcp://, or run the agent on the hypervisor's host" },
    ]);
    /// Prefix of Swift account names; must equal the one of the Swift proxy.
    RESELLER_PREFIX: Str = text("reseller_prefix", "AUTH_");
    /// File that routes samples to publishers.
    PIPELINE_CFG_FILE: Str = text("pipeline_cfg_file", "pipeline.yaml");
    /// File that routes events to publishers.
    EVENT_PIPELINE_CFG_FILE: Str = text("event_pipeline_cfg_file", "event_pipeline.yaml");
    /// What samples name as their source.
    SAMPLE_SOURCE: Str = text("sample_source", "openstack");
    /// Instance metadata whose key begins with one of these is kept as user metadata of samples.
    RESERVED_METADATA_NAMESPACE: List = list("reserved_metadata_namespace", &["metering."]);
    /// Characters of a user metadata value that are kept.
    RESERVED_METADATA_LENGTH: Int = integer("reserved_metadata_length", 256);
    /// Further instance metadata keys that are kept as user metadata.
    RESERVED_METADATA_KEYS: List = list("reserved_metadata_keys", &[]);
    /// Configuration of `ceilometer-rootwrap`, through which privileged commands run.
    ROOTWRAP_CONFIG: Str = text("rootwrap_config", "/etc/ceilometer/rootwrap.conf").no_effect(IPMI);
}
