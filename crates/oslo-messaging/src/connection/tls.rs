//! The options of TLS towards the broker, as the one TLS configuration takes them.
//!
//! What it cannot do, and we therefore refuse or document: TLS below 1.2, encrypted private keys, X.509 v1
//! certificates. The broker's name must stand in the certificate's subjectAltName.

use std::path::PathBuf;
use std::sync::Arc;

use nephoscope_http::tls::{TlsOptions, TlsVersion, client_tls};
use rustls::ClientConfig;

use crate::options::RabbitOptions;

pub use nephoscope_http::tls::TlsError;

/// Builds the client configuration that the options describe. The files are read anew for each connection, so that
/// renewed ones are used.
pub(crate) fn client_config(
    options: &RabbitOptions,
    check_name: bool,
) -> Result<Arc<ClientConfig>, TlsError> {
    let file = |name: &str| (!name.is_empty()).then(|| PathBuf::from(name));
    let config = client_tls(&TlsOptions {
        cafile: file(&options.ssl_ca_file),
        certfile: file(&options.ssl_cert_file),
        // Python's ssl reads the key from the certificate's file when none is named, and so does this.
        keyfile: file(&options.ssl_key_file),
        any_name: !check_name,
        max_version: options.ssl_version.eq_ignore_ascii_case("tlsv1_2").then_some(TlsVersion::V1_2),
        ..TlsOptions::default()
    })?;
    Ok(Arc::new(config))
}
