//! Members that come, go, die and return, at real servers and in a directory, with Python's among them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test, in real time")]

#[path = "membership/directory.rs"]
mod directory;
#[path = "membership/etcd.rs"]
mod etcd;
#[path = "membership/harness.rs"]
mod harness;
#[path = "membership/postgresql.rs"]
mod postgresql;
#[path = "membership/python.rs"]
mod python;
#[path = "membership/redis.rs"]
mod redis_server;
