//! `[rgw_client]`

use crate::option::{boolean, nullable_text};

options! { "rgw_client";
    /// Whether the gateway keeps each project's users in a tenant of their own.
    IMPLICIT_TENANTS: Bool = boolean("implicit_tenants", false);
    /// Name of the gateway in the service catalogue, instead of its service type.
    RGW_SERVICE_NAME: OptStr = nullable_text("rgw_service_name");
    /// Whether the gateway's certificate goes unchecked.
    INSECURE: Bool = boolean("insecure", true);
    /// Certificate authorities, PEM, that the gateway's certificate is checked against.
    CAFILE: OptStr = nullable_text("cafile");
    /// Oldest TLS version to speak.
    TLS_MIN_VERSION: OptStr = nullable_text("tls_min_version").choices(&["1.2", "1.3"]);
    /// Newest TLS version to speak.
    TLS_MAX_VERSION: OptStr = nullable_text("tls_max_version").choices(&["1.2", "1.3"]);
}
