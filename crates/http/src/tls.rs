//! TLS settings for clients and servers, and the only place that names a cryptography provider.

mod pem;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use verify::{AcceptAnyName, AcceptAnyServer};

/// A TLS version that can be negotiated. Older ones are broken and not implemented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl TlsVersion {
    /// From the ways in which OpenStack options and OpenSSL write it: `1.2`, `TLSv1.2`, `tls1_2`, `TLSv1_2`, …
    pub fn parse(value: &str) -> Result<Self, TlsError> {
        let folded = value.trim().to_ascii_lowercase().replace('_', ".");
        let number = folded.strip_prefix("tls").unwrap_or(&folded).trim_start_matches([' ', 'v']);
        match number {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err(TlsError::Version { value: value.to_owned() }),
        }
    }
}

/// How a client does TLS. The default trusts the machine's certificate authorities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// `cafile`: a PEM file of the only authorities to trust; without it, those of the machine.
    pub cafile: Option<PathBuf>,
    /// `certfile`: a PEM file with the client's certificate and its chain.
    pub certfile: Option<PathBuf>,
    /// `keyfile`: a PEM file with the client's private key; without it, the key is in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// `insecure`: accept any server certificate.
    pub insecure: bool,
    /// Accept a trusted certificate that is for another name, as oslo.messaging does without
    /// `ssl_enforce_hostname_verification`.
    pub any_name: bool,
    /// The oldest version to accept.
    pub min_version: Option<TlsVersion>,
    /// The newest version to offer.
    pub max_version: Option<TlsVersion>,
}

/// How a server does TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTlsOptions {
    /// A PEM file with the server's certificate and its chain.
    pub certfile: PathBuf,
    /// A PEM file with the server's private key; without it, the key is in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// A PEM file of the authorities whose clients may connect; without it, clients need no certificate.
    pub client_cafile: Option<PathBuf>,
    /// The oldest version to accept.
    pub min_version: Option<TlsVersion>,
}

/// What is wrong with the TLS options or with a file that they name.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not a version that can be used.
    #[error("{value:?} is no usable TLS version; write 1.2 or 1.3 (older versions are not supported)")]
    Version {
        /// The value given.
        value: String,
    },
    /// The newest version is older than the oldest.
    #[error("the lowest TLS version {min:?} is above the highest {max:?}")]
    VersionOrder {
        /// The oldest version to accept.
        min: TlsVersion,
        /// The newest version to offer.
        max: TlsVersion,
    },
    /// The file cannot be read.
    #[error("cannot read {what} {}", path.display())]
    Read {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large to be what it should be.
    #[error("{what} {} is larger than {limit_bytes} bytes", path.display())]
    TooLarge {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The bound.
        limit_bytes: u64,
    },
    /// The file does not hold what it should.
    #[error("{what} {}: {problem}", path.display())]
    Content {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A client key without a certificate.
    #[error("key file {} is given without a certificate file", path.display())]
    KeyAlone {
        /// The key file.
        path: PathBuf,
    },
    /// The key does not belong to the certificate, or the library cannot use them.
    #[error("certificate {} with key {} cannot be used", certificate.display(), key.display())]
    Pair {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// The library's reason.
        #[source]
        source: rustls::Error,
    },
    /// Neither a CA file nor authorities of the machine, where at least one is needed.
    #[error("this machine has no certificate authorities; set cafile or install ca-certificates")]
    NoAuthorities(#[source] VerifierBuilderError),
    /// The provider does not know the versions (does not happen with the one that is built in).
    #[error("no TLS version can be offered")]
    Provider(#[source] rustls::Error),
}

/// What the client's authorities are called in errors.
const CA_FILE: &str = "CA file";
/// What certificates are called in errors.
const CERTIFICATE_FILE: &str = "certificate file";
/// What private keys are called in errors.
const KEY_FILE: &str = "key file";

/// Makes the provider the process's default, for libraries that ask for one (lapin's TLS, for example). May be called
/// often; every function here that needs a provider calls it.
pub fn install_provider() {
    static INSTALLED: Once = Once::new();
    // An error means that somebody else installed one before; ours is then used by our own configurations only.
    INSTALLED.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn provider() -> Arc<CryptoProvider> {
    install_provider();
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client's TLS configuration.
pub fn client_tls(options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let versions = versions(options.min_version, options.max_version)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(TlsError::Provider)?;
    let builder = if options.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyServer::new(provider)))
    } else {
        let roots = match &options.cafile {
            Some(path) => roots_from_file(path)?,
            None => machine_roots(),
        };
        if options.any_name {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier = verifier.map_err(TlsError::NoAuthorities)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyName::new(verifier)))
        } else {
            builder.with_root_certificates(roots)
        }
    };
    match (&options.certfile, &options.keyfile) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (None, Some(path)) => Err(TlsError::KeyAlone { path: path.clone() }),
        (Some(certfile), keyfile) => {
            let pair = Pair::read(certfile, keyfile.as_deref())?;
            let failed = pair.failed();
            builder.with_client_auth_cert(pair.chain, pair.key).map_err(failed)
        }
    }
}

/// A server's TLS configuration.
pub fn server_tls(options: &ServerTlsOptions) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let versions = versions(options.min_version, None)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(TlsError::Provider)?;
    let builder = match &options.client_cafile {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(roots_from_file(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            let verifier = verifier.map_err(|error| pem::content_error(CA_FILE, path, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let pair = Pair::read(&options.certfile, options.keyfile.as_deref())?;
    let failed = pair.failed();
    builder.with_single_cert(pair.chain, pair.key).map_err(failed)
}

/// A certificate chain, its key, and where they came from.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    certificate_path: PathBuf,
    key_path: PathBuf,
}

impl Pair {
    fn read(certfile: &Path, keyfile: Option<&Path>) -> Result<Self, TlsError> {
        let key_path = keyfile.unwrap_or(certfile).to_owned();
        let chain = pem::certificates(CERTIFICATE_FILE, certfile)?;
        let key = pem::private_key(KEY_FILE, &key_path)?;
        Ok(Self { chain, key, certificate_path: certfile.to_owned(), key_path })
    }

    fn failed(&self) -> impl FnOnce(rustls::Error) -> TlsError + use<> {
        let (certificate, key) = (self.certificate_path.clone(), self.key_path.clone());
        move |source| TlsError::Pair { certificate, key, source }
    }
}

fn roots_from_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(pem::certificates(CA_FILE, path)?);
    if added == 0 {
        let problem = "none of its certificates can be read as a certificate authority".to_owned();
        return Err(pem::content_error(CA_FILE, path, problem));
    }
    if ignored > 0 {
        tracing::warn!(path = %path.display(), ignored, "some certificates of the CA file cannot be read");
    }
    Ok(roots)
}

/// The machine's certificate authorities. A machine without any can still talk plain HTTP, so this is no error; a
/// TLS handshake will fail and say that the issuer is unknown.
fn machine_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::debug!("this machine has no certificate authorities; set cafile or install ca-certificates");
    }
    roots
}

fn versions(
    min: Option<TlsVersion>,
    max: Option<TlsVersion>,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let (min, max) = (min.unwrap_or(TlsVersion::V1_2), max.unwrap_or(TlsVersion::V1_3));
    if min > max {
        return Err(TlsError::VersionOrder { min, max });
    }
    let all = [(TlsVersion::V1_2, &rustls::version::TLS12), (TlsVersion::V1_3, &rustls::version::TLS13)];
    Ok(all
        .into_iter()
        .filter(|(version, _)| (min..=max).contains(version))
        .map(|(_, version)| version)
        .collect())
}

#[cfg(test)]
mod tests;
