//! The table of every option: Ceilometer's, its libraries' and Nephoscope's own.
//!
//! The parser, the reference page and `config show` are made from it. Names, types, defaults,
//! bounds and former names are upstream's (Ceilometer 2026.2, oslo.messaging 18, oslo.cache 4,
//! oslo.log 8, keystoneauth 5); the texts are our own. An option's documentation comment is its help.

/// Declares the options of one group. Each becomes a handle of its own, and all of them the list
/// `OPTIONS`; forgetting to list one is not possible.
macro_rules! options {
    ($group:literal; $($(#[doc = $help:literal])+ $name:ident: $read:ident = $make:expr;)+) => {
        $(
            $(#[doc = $help])+
            pub static $name: $crate::option::Handle<$crate::option::$read> =
                $make.describe($group, concat!($($help),+));
        )+
        pub(crate) static OPTIONS: &[&$crate::option::Opt] = &[$(&$name.opt),+];
    };
}

pub mod agent;
pub mod cache;
pub mod commands;
pub mod compute;
pub mod coordination;
pub mod event;
pub mod gnocchi;
pub mod ipmi;
pub mod kafka;
pub mod keystone;
mod known;
pub mod library;
pub mod logging;
pub mod messaging;
pub mod meter;
pub mod metric;
pub mod nephoscope;
pub mod notification;
pub mod notifications_bus;
pub mod polling;
pub mod polling_in_default;
pub mod privsep;
pub mod publisher;
pub mod publisher_notifier;
pub mod rabbit;
pub mod reports;
pub mod rgw_admin_credentials;
pub mod rgw_client;
pub mod service_types;
pub mod zaqar;

pub(crate) use known::{REMOVED_OPTIONS, SILENT_SECTIONS};

use crate::option::Opt;

/// Groups that take the options of [`keystone`].
pub(crate) const CREDENTIAL_GROUPS: [&str; 3] = ["service_credentials", "gnocchi", "zaqar"];

/// The option that names the section of somebody's credentials.
pub(crate) const AUTH_SECTION_NAME: &str = "auth_section";

/// Every option but the credentials of `gnocchi` and `zaqar`, which repeat [`keystone`].
pub(crate) fn all() -> impl Iterator<Item = &'static Opt> {
    [
        nephoscope::OPTIONS,
        metric::own::OPTIONS,
        agent::OPTIONS,
        polling_in_default::OPTIONS,
        commands::OPTIONS,
        logging::OPTIONS,
        messaging::OPTIONS,
        library::OPTIONS,
        polling::OPTIONS,
        compute::OPTIONS,
        coordination::OPTIONS,
        event::OPTIONS,
        ipmi::OPTIONS,
        privsep::OPTIONS,
        meter::OPTIONS,
        notification::OPTIONS,
        publisher::OPTIONS,
        publisher_notifier::OPTIONS,
        rgw_admin_credentials::OPTIONS,
        rgw_client::OPTIONS,
        service_types::OPTIONS,
        keystone::OPTIONS,
        gnocchi::OPTIONS,
        zaqar::OPTIONS,
        notifications_bus::OPTIONS,
        rabbit::OPTIONS,
        kafka::OPTIONS,
        cache::OPTIONS,
        library::concurrency::OPTIONS,
        reports::OPTIONS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The options of one set of credentials.
pub(crate) fn credentials() -> impl Iterator<Item = &'static Opt> {
    keystone::OPTIONS.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use std::collections::HashSet;

    #[test]
    fn no_option_stands_twice_in_a_group() {
        let mut seen = HashSet::new();
        for (group, opt) in Registry::builtin().iter() {
            assert!(seen.insert((group.to_owned(), opt.name)), "{group}.{}", opt.name);
        }
    }

    #[test]
    fn what_is_silent_is_nothing_that_we_know() {
        let registry = Registry::builtin();
        let groups: HashSet<&str> = registry.iter().map(|(group, _)| group).collect();
        let names: HashSet<(&str, &str)> = registry
            .iter()
            .flat_map(|(group, opt)| {
                let former = opt
                    .deprecated
                    .iter()
                    .map(move |old| (old.group.unwrap_or(group), old.name.unwrap_or(opt.name)));
                std::iter::once((group, opt.name)).chain(former)
            })
            .collect();
        for section in SILENT_SECTIONS {
            assert!(!groups.contains(section), "{section}");
        }
        for (group, removed) in REMOVED_OPTIONS {
            assert!(groups.contains(group), "{group}");
            for name in *removed {
                assert!(!names.contains(&(*group, *name)), "{group}.{name}");
            }
        }
    }
}
