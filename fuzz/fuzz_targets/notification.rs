//! Any JSON as a notification, converted with the built-in definitions.
#![no_main]

use std::sync::LazyLock;

use definitions::{EventDefinitions, EventSettings, MeterDefinitions, SampleEndpoints, builtin, fuzz};

static METERS: LazyLock<SampleEndpoints> =
    LazyLock::new(|| SampleEndpoints::new(MeterDefinitions::load(&[builtin::METERS]).0));
static EVENTS: LazyLock<EventDefinitions> =
    LazyLock::new(|| EventDefinitions::load(builtin::EVENTS, &EventSettings::default()).0);

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::notifications(&METERS, &EVENTS, data));
