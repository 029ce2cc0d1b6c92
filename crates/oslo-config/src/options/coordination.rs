//! `[coordination]`

use crate::option::{RefusedValue, nullable_text};

const INSTEAD: &str = "use redis://, etcd3+http://, postgresql:// or file://";

options! { "coordination";
    /// URL of the service through which agents share their work, in tooz's form: `redis://`, `etcd3+http://`, `etcd3+https://`,
    /// `postgresql://` or `file://`. Unset: every agent does everything.
    BACKEND_URL: OptStr = nullable_text("backend_url").secret().refuses(&[
        RefusedValue::Scheme { scheme: "zookeeper", instead: INSTEAD },
        RefusedValue::Scheme { scheme: "kazoo", instead: INSTEAD },
        RefusedValue::Scheme { scheme: "consul", instead: INSTEAD },
        RefusedValue::Scheme { scheme: "mysql", instead: INSTEAD },
        RefusedValue::Scheme { scheme: "memcached", instead: INSTEAD },
        RefusedValue::Scheme { scheme: "kubernetes", instead: INSTEAD },
        RefusedValue::Scheme { scheme: "ipc", instead: INSTEAD },
    ]);
}
