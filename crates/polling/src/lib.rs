//! The polling agent: when what is polled, with which resources, and where the samples go.
//!
//! - [`config`]: what `polling.yaml` says.
//! - [`Plan`]: its sources coupled with the pollsters that there are; one task an interval.
//! - [`Agent`]: runs the tasks, replaces them on a reload, and stops them.
//! - [`Output`]: where samples go; [`ToRouter`] brings them to pipelines, of which [`Notifications`] is the publisher that
//!   sends them to the message bus.
//! - [`Partition`]: which part of the work is this agent's; [`Shared`] shares it with the members of a group.
//! - [`Exporter`]: shows the last samples of each pollster to Prometheus.
//! - [`Heartbeats`]: when each pollster last ran, on a socket.
//!
//! The behaviour is that of `ceilometer-polling` (`ceilometer/polling/manager.py`); what is done otherwise, and why, stands
//! in `docs/differences.md`.

mod agent;
pub mod config;
mod cycle;
mod discover;
mod exporter;
mod heartbeat;
mod metrics;
mod notifications;
mod output;
mod partition;
mod plan;
mod poll;
mod schedule;

pub use agent::{Agent, AgentParts};
pub use cycle::{CycleReport, Task, TaskOptions, TaskParts};
pub use exporter::{
    AddressError, Collecting, Dropped, Exporter, ExporterMetrics, ExporterMode, KEPT_INTERVALS,
    ListenAddress, ListenError, Listeners, NotShown,
};
pub use heartbeat::{HeartbeatSocketError, Heartbeats, socket_path};
pub use metrics::{Lost, PollingMetrics, Skipped};
pub use notifications::{BUS, BusPublishers, Notifications, NotificationsSettings, bus_pipeline};
pub use output::{Collected, Deliveries, Nowhere, Output, Sending, ShownOnly, ToRouter};
pub use partition::{
    Alone, Beginning, ExpressionError, Group, GroupNames, Partition, Share, Shared, SharedGroups,
    Surroundings, What,
};
pub use plan::{Assignment, Plan, SourcePlan, TaskPlan};
