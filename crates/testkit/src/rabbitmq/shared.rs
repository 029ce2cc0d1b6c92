//! One broker for all tests of a test binary.

use std::sync::OnceLock;

use super::RabbitMq;

/// The test binary's one plain broker, started at first use. Take a [`super::Vhost`] of it for each test.
///
/// A static is never dropped; the launcher's leash ends the broker when the process ends.
///
/// # Panics
/// When the broker cannot be started: no test that wants it can go on.
#[expect(clippy::panic, reason = "a test that needs a broker must fail when there is none")]
pub fn shared_rabbitmq() -> &'static RabbitMq {
    static SHARED: OnceLock<RabbitMq> = OnceLock::new();
    SHARED.get_or_init(|| {
        RabbitMq::start().unwrap_or_else(|error| panic!("no broker for the tests: {error:?}"))
    })
}
