//! `[publisher]`

use crate::option::text;

options! { "publisher";
    /// Key with which samples on the message bus are signed. All agents must agree on it; see `[nephoscope]
    /// verify_signatures`.
    TELEMETRY_SECRET: Str = text("telemetry_secret", "change this for valid signing").secret();
}
