//! Certificates and keys from PEM files.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// The machine's own bundle of authorities is a quarter of a megabyte; this is room enough for any other.
const MAX_BYTES: u64 = 8 << 20;

/// Every certificate of the file, at least one.
pub(super) fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(what, path)?;
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| content_error(what, path, describe(&error)))?;
    if certificates.is_empty() {
        let problem = "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned();
        return Err(content_error(what, path, problem));
    }
    Ok(certificates)
}

/// The first private key of the file.
pub(super) fn private_key(what: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(what, path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
        let problem = match error {
            pem::Error::NoItemsFound if encrypted => {
                "its private key is protected by a passphrase; write it out without one".to_owned()
            }
            pem::Error::NoItemsFound => {
                "it holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)".to_owned()
            }
            error => describe(&error),
        };
        content_error(what, path, problem)
    })
}

pub(super) fn content_error(what: &'static str, path: &Path, problem: String) -> TlsError {
    TlsError::Content { what, path: path.to_owned(), problem }
}

fn describe(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("a section does not end with {:?}", String::from_utf8_lossy(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("a section begins with an odd line: {:?}", String::from_utf8_lossy(line))
        }
        pem::Error::Base64Decode(_) => "the text between its markers is no base64".to_owned(),
        // The library's words for what is left name no content of the file.
        other => other.to_string(),
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { what, path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(TlsError::TooLarge { what, path: path.to_owned(), limit_bytes: MAX_BYTES });
    }
    Ok(text)
}
