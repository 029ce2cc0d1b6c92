//! What is polled: the traits [`Pollster`] and [`Discovery`], and the table of each namespace.
//!
//! A *discovery* finds resources (images, instances, projects); a *pollster* makes [`Reading`]s of them. Both are made
//! from [`Tools`] by a line of their [`Namespace`]'s table, so that one more is one file and one line. When, how often and
//! with which resources they run is not decided here: that is the polling agent's part.
//!
//! Names, discoveries, units and metadata are those of Ceilometer's entry points (`ceilometer.poll.*`,
//! `ceilometer.discover.*`).

mod aws;
mod cache;
pub mod central;
pub mod compute;
mod cost;
mod cycle;
mod discovery;
pub mod dynamic;
pub mod ipmi;
mod local_node;
mod namespace;
mod pollster;
mod reading;
mod reference;
mod registry;
mod resource;
mod rest;
mod tools;

pub use cache::CycleCache;
pub use cost::{Cost, cost};
pub use cycle::Cycle;
pub use discovery::{Discovering, Discovery, DiscoveryError, GLOBAL_GROUP};
pub use namespace::{DiscoveryLine, NAMESPACES, Namespace, PollsterLine};
pub use pollster::{PollError, Polling, Pollster};
pub use reading::{GivenReadings, Meter, Reading, Readings, Stopped};
pub use reference::reference;
pub use registry::{LoadedDiscovery, LoadedPollster, Registry};
pub use resource::{Object, PackedObject, Resource};
pub use tools::{MakeError, Tools};
