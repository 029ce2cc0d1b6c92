//! What the exporter of the polling agent is told.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nephoscope_http::ServerTlsOptions;
use oslo_config::Config;
use oslo_config::options::{nephoscope, polling as options};
use polling::{ExporterMode, ListenAddress};
use publishers::exporter::server::Tls;

use crate::check::with_sources;

/// The option of the addresses, for messages.
pub(crate) const ADDRESSES: &str = "[polling] prometheus_listen_addresses";

/// What the configuration says.
pub(crate) struct ExporterSettings {
    pub(crate) addresses: Vec<ListenAddress>,
    pub(crate) tls: Option<Tls>,
    pub(crate) mode: ExporterMode,
    pub(crate) max_series: usize,
}

/// Reads it, with the files that it names. `None`: the exporter is off.
///
/// # Errors
/// Everything that can never work, one a line.
pub(crate) fn settings(config: &Config) -> Result<Option<ExporterSettings>, String> {
    if !config.get(&options::ENABLE_PROMETHEUS_EXPORTER) {
        return Ok(None);
    }
    let mut problems = Vec::new();
    let mut addresses = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in config.get(&options::PROMETHEUS_LISTEN_ADDRESSES) {
        match ListenAddress::parse(entry) {
            Ok(address) if !seen.insert(address.to_string()) => {
                problems.push(format!("{ADDRESSES}: {address} stands there twice; write it once"));
            }
            Ok(address) => addresses.push(address),
            Err(error) => problems.push(format!("{ADDRESSES}: {error}")),
        }
    }
    let tls = tls(config).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    Ok(Some(ExporterSettings {
        addresses,
        tls,
        // The option has no other values.
        mode: ExporterMode::named(config.get(&nephoscope::EXPORTER_MODE)).unwrap_or_default(),
        max_series: usize::try_from(config.get(&nephoscope::EXPORTER_MAX_SERIES)).unwrap_or(usize::MAX),
    }))
}

/// The certificate with its key; `None` without `prometheus_tls_enable`.
///
/// # Errors
/// The text names option and file.
pub(crate) fn tls(config: &Config) -> Result<Option<Tls>, String> {
    if !config.get(&options::PROMETHEUS_TLS_ENABLE) {
        return Ok(None);
    }
    let path = |name: &str, value: Option<&str>| {
        let path = value.filter(|path| !path.is_empty()).map(PathBuf::from);
        path.ok_or_else(|| {
            format!("[polling] prometheus_tls_enable needs {name}: name a PEM file that this user may read")
        })
    };
    let certfile = path("prometheus_tls_certfile", config.get(&options::PROMETHEUS_TLS_CERTFILE))?;
    let keyfile = path("prometheus_tls_keyfile", config.get(&options::PROMETHEUS_TLS_KEYFILE))?;
    let options =
        ServerTlsOptions { certfile, keyfile: Some(keyfile), client_cafile: None, min_version: None };
    let tls = Tls::new(&options);
    tls.map(Some).map_err(|error| {
        format!(
            "[polling] prometheus_tls_certfile, prometheus_tls_keyfile: {}; they name PEM files that this user may read",
            with_sources(&error)
        )
    })
}
