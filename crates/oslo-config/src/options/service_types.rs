//! `[service_types]`: under which type the catalogue lists each service.

use crate::option::{nullable_text, text};

options! { "service_types";
    /// Service type of Aodh.
    AODH: Str = text("aodh", "alarming");
    /// Service type of Cinder.
    CINDER: Str = text("cinder", "volumev3");
    /// Service type of Designate.
    DESIGNATE: Str = text("designate", "dns");
    /// Service type of Manila.
    MANILA: Str = text("manila", "sharev2");
    /// Service type of Neutron.
    NEUTRON: Str = text("neutron", "network");
    /// Service type of Nova.
    NOVA: Str = text("nova", "compute");
    /// Service type of the Ceph Object Gateway. Unset: it is not polled.
    RADOSGW: OptStr = nullable_text("radosgw");
    /// Service type of Swift.
    SWIFT: Str = text("swift", "object-store");
    /// Service type of Octavia.
    OCTAVIA: Str = text("octavia", "load-balancer");
}
