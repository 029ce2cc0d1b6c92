//! Real servers for tests, the oracle and judge of fault tests, and fault injection.
//!
//! Every fixture is private: own ports, own directory, own names and cookies, so that several run side by
//! side. Each is started by a launcher (`scripts/services/*.py`) that holds it on a leash: when the fixture
//! is dropped, when the test panics, and when the test process is killed with -9, the launcher stops every
//! process it started, by id, and removes the directory.
//!
//! The API blocks. In a tokio test call it before the runtime starts, or through `spawn_blocking`; short
//! calls (a millisecond each: virtual hosts, queue depths) may simply block.

// Fixtures wait in real time: the clock that tests can move is for the code under test.
#![allow(clippy::disallowed_methods)]

mod cache_server;
mod cinder;
mod cloud;
mod error;
mod etcd;
pub mod fake_libvirtd;
pub mod faults;
mod glance;
mod gnocchi;
mod ipmi_sim;
mod keystone;
mod lasting;
pub mod libvirtd;
mod neutron;
mod nova;
pub mod oracle;
mod paths;
mod ports;
mod postgresql;
pub mod process;
pub mod producer;
mod prometheus;
pub mod proxy;
mod python;
pub mod rabbitmq;
mod recorded_cloud;
mod service;
mod swift;
pub mod wait;

pub use cache_server::{CacheServer, RedisUnderSentinels};
pub use cinder::Cinder;
pub use cloud::Cloud;
pub use error::Error;
pub use etcd::Etcd;
pub use fake_libvirtd::{FakeDomain, FakeLibvirtd};
pub use glance::Glance;
pub use gnocchi::{Gnocchi, GnocchiApi};
pub use ipmi_sim::{IpmiSim, TestSensor};
pub use keystone::{Keystone, KeystoneBuilder, NotificationFormat};
pub use lasting::LastingDirectory;
pub use libvirtd::{Libvirtd, LibvirtdBuilder, SystemLibvirtd, TestDomain, TestInstance};
pub use neutron::Neutron;
pub use nova::Nova;
pub use oracle::{Judge, Oracle, Verdict};
pub use paths::{launcher_python, repository, venv, venv_python};
pub use ports::Port;
pub use postgresql::PostgreSql;
pub use process::{Process, Program};
pub use producer::Producer;
pub use prometheus::{Found, Prometheus};
pub use proxy::Proxy;
pub use python::ask_python;
pub use rabbitmq::{RabbitMq, Vhost, shared_rabbitmq};
pub use recorded_cloud::{CloudFault, IDENTITY_SERVICE, RecordedCloud, Recording};
pub use swift::Swift;
pub use wait::{until, wait_until};
