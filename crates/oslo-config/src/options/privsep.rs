//! `[ceilometer_sys_admin]`: the helper that runs IPMI commands with privileges.

use crate::option::{Default, boolean, integer, list, nullable_text, text};

const DAEMON: &str =
    "there is no daemon with privileges; `[nephoscope] ipmi_command` says how `ipmitool` is run";

options! { "ceilometer_sys_admin";
    /// User that the privileged helper becomes.
    USER: OptStr = nullable_text("user").no_effect(DAEMON);
    /// Group that the privileged helper becomes.
    GROUP: OptStr = nullable_text("group").no_effect(DAEMON);
    /// Linux capabilities that the privileged helper keeps.
    CAPABILITIES: List = list("capabilities", &[
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_NET_ADMIN", "CAP_SYS_ADMIN",
    ]).no_effect(DAEMON);
    /// Threads of the privileged helper.
    THREAD_POOL_SIZE: Int = integer("thread_pool_size", 1).default(Default::Processors).min(1).no_effect(DAEMON);
    /// Command that starts the privileged helper. Ceilometer ignores it too, and uses
    /// `sudo ceilometer-rootwrap`.
    HELPER_COMMAND: OptStr = nullable_text("helper_command").no_effect(DAEMON);
    /// Name under which the privileged helper logs.
    LOGGER_NAME: Str = text("logger_name", "oslo_privsep.daemon").no_effect(DAEMON);
    /// Whether the privileged helper logs Python tracebacks.
    LOG_DAEMON_TRACEBACK: Bool = boolean("log_daemon_traceback", false).no_effect(DAEMON);
}
