//! `[service_types]`: under which type the catalogue lists each service.

use crate::option::{nullable_text, text};

const ROLE: &str = "the central pollsters";

options! { "service_types";
    /// Service type of Aodh.
    AODH: Str = text("aodh", "alarming").later(ROLE);
    /// Service type of Cinder.
    CINDER: Str = text("cinder", "volumev3").later(ROLE);
    /// Service type of Designate.
    DESIGNATE: Str = text("designate", "dns").later(ROLE);
    /// Service type of Manila.
    MANILA: Str = text("manila", "sharev2").later(ROLE);
    /// Service type of Neutron.
    NEUTRON: Str = text("neutron", "network").later(ROLE);
    /// Service type of Nova.
    NOVA: Str = text("nova", "compute");
    /// Service type of the Ceph Object Gateway. Unset: it is not polled.
    RADOSGW: OptStr = nullable_text("radosgw").later(ROLE);
    /// Service type of Swift.
    SWIFT: Str = text("swift", "object-store").later(ROLE);
    /// Service type of Octavia.
    OCTAVIA: Str = text("octavia", "load-balancer").later(ROLE);
}
