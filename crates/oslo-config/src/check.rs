//! Checks of options that only make sense together.

use crate::config::Config;
use crate::loader::Problems;
use crate::option::Handle;
use crate::options::{cache, polling};
use crate::problem::{Origin, Problem};

/// Cache backends that are not supported.
const REFUSED_BACKENDS: [&str; 2] = ["oslo_cache.etcd3gw", "dogpile.cache.dbm"];

pub(crate) fn options_together(config: &Config, errors: &mut Problems) {
    tls_of_the_exporter(config, errors);
    cache_backend(config, errors);
}

fn origin<T>(config: &Config, handle: &Handle<T>) -> Origin {
    config.origin(handle).cloned().unwrap_or(Origin::Default)
}

/// Ceilometer ends at start if either file is missing.
fn tls_of_the_exporter(config: &Config, errors: &mut Problems) {
    if !(config.get(&polling::ENABLE_PROMETHEUS_EXPORTER) && config.get(&polling::PROMETHEUS_TLS_ENABLE)) {
        return;
    }
    for handle in [&polling::PROMETHEUS_TLS_CERTFILE, &polling::PROMETHEUS_TLS_KEYFILE] {
        if config.get(handle).is_none_or(str::is_empty) && !config.is_refused(handle) {
            errors.push(
                Problem::new(
                    origin(config, &polling::PROMETHEUS_TLS_ENABLE),
                    format!("prometheus_tls_enable needs {} in [polling]", handle.opt.name),
                )
                .hint("set it, or set prometheus_tls_enable = false"),
            );
        }
    }
}

/// An unsupported backend does no harm while nothing is cached.
fn cache_backend(config: &Config, errors: &mut Problems) {
    let backend = config.get(&cache::BACKEND);
    if config.get(&cache::ENABLED) && REFUSED_BACKENDS.contains(&backend) {
        errors.push(
            Problem::new(
                origin(config, &cache::BACKEND),
                format!("cache backend {backend} is not supported"),
            )
            .hint("use dogpile.cache.memory, a memcached or a redis backend, or set enabled = false"),
        );
    }
}
