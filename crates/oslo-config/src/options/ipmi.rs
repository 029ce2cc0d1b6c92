//! `[ipmi]`

use crate::option::integer;

options! { "ipmi";
    /// Failures that are forgiven before an IPMI pollster is switched off; negative: always.
    POLLING_RETRY: Int = integer("polling_retry", 3);
}
