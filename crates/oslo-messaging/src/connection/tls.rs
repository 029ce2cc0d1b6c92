//! TLS towards the broker: rustls with the ring provider, PEM files named by options.
//!
//! What rustls cannot do, and we therefore refuse or document: TLS below 1.2, encrypted private keys, X.509 v1
//! certificates. The broker's name must stand in the certificate's subjectAltName.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::options::RabbitOptions;

/// Why the TLS configuration could not be made. It is read anew for each connection, so that renewed files are used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A PEM file cannot be read, or holds nothing usable.
    #[error("cannot read {what} from {path:?}")]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// File.
        path: PathBuf,
        /// Reason.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A PEM file has no certificate.
    #[error("no certificate in {path:?}")]
    Empty {
        /// File.
        path: PathBuf,
    },
    /// `ssl_cert_file` without `ssl_key_file`, or the other way round.
    #[error("ssl_cert_file and ssl_key_file must be given together")]
    HalfIdentity,
    /// The system has no trusted certificates and no `ssl_ca_file` is set.
    #[error("the system has no trusted certificate authorities; set ssl_ca_file")]
    NoSystemRoots,
    /// rustls refuses the material.
    #[error("TLS configuration refused")]
    Rustls(#[source] rustls::Error),
    /// The trusted certificates cannot be used for verification.
    #[error("trusted certificates refused")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
}

/// Builds the client configuration that the options describe.
pub(crate) fn client_config(
    options: &RabbitOptions,
    check_name: bool,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(roots(&options.ssl_ca_file)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(TlsError::Verifier)?;
    let versions: &[&rustls::SupportedProtocolVersion] =
        if options.ssl_version.eq_ignore_ascii_case("tlsv1_2") {
            &[&rustls::version::TLS12]
        } else {
            rustls::ALL_VERSIONS
        };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(TlsError::Rustls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { inner: verifier, check_name }));
    let config = match (options.ssl_cert_file.as_str(), options.ssl_key_file.as_str()) {
        ("", "") => builder.with_no_client_auth(),
        ("", _) => return Err(TlsError::HalfIdentity),
        // Python's ssl reads the key from the certificate's file when none is named.
        (cert, key) => {
            let chain = certificates(Path::new(cert))?;
            let key = private_key(Path::new(if key.is_empty() { cert } else { key }))?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Rustls)?
        }
    };
    Ok(Arc::new(config))
}

fn roots(ca_file: &str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    if ca_file.is_empty() {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a system certificate could not be read");
        }
        let (added, _) = store.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err(TlsError::NoSystemRoots);
        }
        return Ok(store);
    }
    let path = Path::new(ca_file);
    for certificate in certificates(path)? {
        store.add(certificate).map_err(TlsError::Rustls)?;
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { what: "certificates", path: path.to_owned(), source };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(pem)?.collect::<Result<_, _>>().map_err(pem)?;
    if found.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Pem {
        what: "a private key",
        path: path.to_owned(),
        source,
    })
}

/// The usual chain verification; the name is checked only when asked for, as oslo.messaging does.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    check_name: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is the last thing that the inner verifier looks at: all else has passed.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                if !self.check_name =>
            {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
