//! `[meter]`

use crate::option::multi;

/// Stands for the meter definitions that come with the program.
pub const BUILTIN_METERS: &str = "builtin:meters.d";

options! { "meter";
    /// Directories of meter definitions; of equal names the first one's holds. Setting it replaces both defaults, of
    /// which the second stands for the definitions built into the program.
    METER_DEFINITIONS_DIRS: List = multi("meter_definitions_dirs", &["/etc/ceilometer/meters.d", BUILTIN_METERS]);
}
