//! `[DEFAULT]`: options of the one-shot commands, which Ceilometer also takes from the file.

use crate::option::{boolean, integer, nullable_integer, nullable_text, text};

const UPGRADE: &str = "ceilometer-upgrade";

options! { "DEFAULT";
    /// `ceilometer-send-sample`: name of the meter.
    SAMPLE_NAME: OptStr = nullable_text("sample_name");
    /// `ceilometer-send-sample`: type of the meter.
    SAMPLE_TYPE: Str = text("sample_type", "gauge").choices(&["gauge", "delta", "cumulative"]);
    /// `ceilometer-send-sample`: unit of the meter.
    SAMPLE_UNIT: OptStr = nullable_text("sample_unit");
    /// `ceilometer-send-sample`: volume.
    SAMPLE_VOLUME: Int = integer("sample_volume", 1);
    /// `ceilometer-send-sample`: id of the resource.
    SAMPLE_RESOURCE: OptStr = nullable_text("sample_resource");
    /// `ceilometer-send-sample`: id of the user.
    SAMPLE_USER: OptStr = nullable_text("sample_user");
    /// `ceilometer-send-sample`: id of the project.
    SAMPLE_PROJECT: OptStr = nullable_text("sample_project");
    /// `ceilometer-send-sample`: time, ISO 8601 in UTC. Unset: now.
    SAMPLE_TIMESTAMP: OptStr = nullable_text("sample_timestamp");
    /// `ceilometer-send-sample`: metadata, as JSON or as a Python dictionary.
    SAMPLE_METADATA: OptStr = nullable_text("sample_metadata");
    /// `ceilometer-upgrade`: whether Gnocchi's resource types are left alone.
    SKIP_GNOCCHI_RESOURCE_TYPES: Bool = boolean("skip_gnocchi_resource_types", false).later(UPGRADE);
    /// `ceilometer-upgrade`: attempts after the first that failed. Unset: until it succeeds.
    RETRY: OptInt = nullable_integer("retry").min(0).later(UPGRADE);
}
