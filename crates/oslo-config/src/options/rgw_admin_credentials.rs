//! `[rgw_admin_credentials]`

use crate::option::nullable_text;

options! { "rgw_admin_credentials";
    /// Access key of a Ceph Object Gateway user who may read usage and buckets.
    ACCESS_KEY: OptStr = nullable_text("access_key").secret();
    /// Secret key of that user.
    SECRET_KEY: OptStr = nullable_text("secret_key").secret();
}
