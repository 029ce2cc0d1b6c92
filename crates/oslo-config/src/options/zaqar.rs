//! `[zaqar]`: whose credentials the Zaqar publisher uses. The other options of the group are those of
//! [`super::keystone`].

use crate::option::text;

options! { "zaqar";
    /// Section that the credentials for Zaqar are read from.
    AUTH_SECTION: Str = text("auth_section", "service_credentials");
}
