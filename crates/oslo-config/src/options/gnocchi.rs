//! `[gnocchi]`: whose credentials the Gnocchi publisher uses. The other options of the group are those
//! of [`super::keystone`].

use crate::option::text;

options! { "gnocchi";
    /// Section that the credentials for Gnocchi are read from.
    AUTH_SECTION: Str = text("auth_section", "service_credentials");
}
