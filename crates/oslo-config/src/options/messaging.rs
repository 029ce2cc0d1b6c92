//! `[DEFAULT]`: options of oslo.messaging.

use crate::option::build_names::was;
use crate::option::{RefusedValue, boolean, integer, text};

const RPC: &str = "Nephoscope makes no remote procedure calls";
const INSTEAD: &str = "use rabbit://user:password@host:5672/virtual_host";

/// Transports that are not supported, for every option that takes a transport URL.
pub(crate) const REFUSED_TRANSPORTS: &[RefusedValue] = &[
    RefusedValue::Scheme { scheme: "kafka", instead: INSTEAD },
    RefusedValue::Scheme { scheme: "amqp", instead: INSTEAD },
    RefusedValue::Scheme { scheme: "amqp1", instead: INSTEAD },
];

options! { "DEFAULT";
    /// The message bus: `rabbit://user:password@host:port,user:password@host:port/virtual_host?options`.
    TRANSPORT_URL: Str = text("transport_url", "rabbit://").secret().refuses(REFUSED_TRANSPORTS);
    /// Exchange that this program's own notifications are published to.
    CONTROL_EXCHANGE: Str = text("control_exchange", "ceilometer");
    /// Threads of a Python executor.
    EXECUTOR_THREAD_POOL_SIZE: Int = integer("executor_thread_pool_size", 64).formerly(&[was("rpc_thread_pool_size")])
        .no_effect("there is no pool of threads to size; see max_parallel_requests");
    /// Seconds to wait for the answer of a remote procedure.
    RPC_RESPONSE_TIMEOUT: Int = integer("rpc_response_timeout", 60).no_effect(RPC);
    /// Whether a ping endpoint is offered for remote procedure calls.
    RPC_PING_ENABLED: Bool = boolean("rpc_ping_enabled", false).no_effect(RPC);
}
