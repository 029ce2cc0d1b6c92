//! `[compute]`

use crate::option::{boolean, integer, text};

options! { "compute";
    /// How instances of this host are found: from the metadata that Nova stores in libvirt, or by asking
    /// Nova (`naive`; `workload_partitioning` shares the work among agents).
    INSTANCE_DISCOVERY_METHOD: Str = text("instance_discovery_method", "libvirt_metadata")
        .choices(&["naive", "workload_partitioning", "libvirt_metadata"]);
    /// Seconds between two requests for the list of instances, at least, where Nova is asked; between two readings of
    /// domains' definitions where libvirt tells no events.
    RESOURCE_UPDATE_INTERVAL: Int = integer("resource_update_interval", 0).min(0);
    /// Seconds after which what Nova has said is asked for again, the list as a whole instead of changes only. 0: each
    /// time.
    RESOURCE_CACHE_EXPIRY: Int = integer("resource_cache_expiry", 3600).min(0);
    /// Whether instances that are shut off still yield power state, size of memory and disks, and the
    /// number of virtual processors.
    REPORT_STOPPED_INSTANCE_METRICS: Bool = boolean("report_stopped_instance_metrics", false);
    /// Whether Nova is asked for each instance, to learn its user metadata.
    FETCH_EXTRA_METADATA: Bool = boolean("fetch_extra_metadata", false);
}
