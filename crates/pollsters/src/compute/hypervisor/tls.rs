//! TLS for `qemu+tls://`, with the files that libvirt's own tools use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libvirt::{ByteStream, TlsConnector, TlsFuture, Uri};
use nephoscope_http::TlsOptions;
use nephoscope_http::tls::client_tls;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// Where libvirt has its files, unless `pkipath` says otherwise.
const CA: &str = "/etc/pki/CA/cacert.pem";
const CERTIFICATE: &str = "/etc/pki/libvirt/clientcert.pem";
const KEY: &str = "/etc/pki/libvirt/private/clientkey.pem";

/// Reads its files for each connection, so that renewed ones are taken.
#[derive(Debug)]
pub(super) struct Tls(TlsOptions);

impl Tls {
    /// For that URI.
    pub(super) fn of(uri: &Uri) -> Self {
        let [cafile, certfile, keyfile] = files(uri.pki_path.as_deref());
        // libvirt goes without a certificate where there is none, and daemons may be content with that.
        let certfile = Some(certfile).filter(|certfile| certfile.exists());
        let keyfile = certfile.as_ref().map(|_| keyfile);
        let options = TlsOptions {
            cafile: Some(cafile),
            certfile,
            keyfile,
            insecure: uri.no_verify,
            ..TlsOptions::default()
        };
        Self(options)
    }
}

fn files(pki_path: Option<&Path>) -> [PathBuf; 3] {
    match pki_path {
        Some(directory) => ["cacert.pem", "clientcert.pem", "clientkey.pem"].map(|name| directory.join(name)),
        None => [CA, CERTIFICATE, KEY].map(PathBuf::from),
    }
}

impl TlsConnector for Tls {
    fn connect(&self, host: &str, tcp: TcpStream) -> TlsFuture {
        let prepared = client_tls(&self.0).map_err(io::Error::other).and_then(|config| {
            Ok((config, ServerName::try_from(host.to_owned()).map_err(io::Error::other)?))
        });
        Box::pin(async move {
            let (config, name) = prepared?;
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let stream: Box<dyn ByteStream> = Box::new(connector.connect(name, tcp).await?);
            Ok(stream)
        })
    }
}
