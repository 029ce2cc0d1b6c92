//! [`ServerTls`]: the certificate that a server shows, which may change while it runs.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use observability::http_server::Handshake;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::{self, ServerTlsOptions, TlsError};

/// A certificate with its key, read and ready. Clones share it.
#[derive(Clone)]
pub struct ServerTls(Arc<Shared>);

struct Shared {
    acceptor: RwLock<TlsAcceptor>,
    files: Mutex<Files>,
}

/// The files, and what they looked like when they were read.
struct Files {
    options: ServerTlsOptions,
    stamps: Vec<Stamp>,
}

/// What changes when a file is written or replaced: when, its size, and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64, u64)>);

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them cannot be read, or the key is not that of the certificate.
    pub fn new(options: &ServerTlsOptions) -> Result<Self, TlsError> {
        let stamps = stamps(options);
        let acceptor = RwLock::new(acceptor(options)?);
        let files = Mutex::new(Files { options: options.clone(), stamps });
        Ok(Self(Arc::new(Shared { acceptor, files })))
    }

    /// Goes on with what `other` has read, here and in all clones. Connections that there are keep what they have.
    pub fn replace(&self, other: &Self) {
        if Arc::ptr_eq(&self.0, &other.0) {
            return;
        }
        let (acceptor, theirs) = (other.acceptor(), other.files());
        let (options, stamps) = (theirs.options.clone(), theirs.stamps.clone());
        drop(theirs);
        *self.files() = Files { options, stamps };
        self.put(acceptor);
    }

    /// Reads the files again if they have changed since they were last read; says whether that was so.
    ///
    /// # Errors
    /// What is there cannot be used: connections go on with the pair that was read before, and the next change is tried.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let mut files = self.files();
        // Taken before reading: what changes meanwhile is seen the next time.
        let stamps = stamps(&files.options);
        if stamps == files.stamps {
            return Ok(false);
        }
        files.stamps = stamps;
        let acceptor = acceptor(&files.options)?;
        drop(files);
        self.put(acceptor);
        Ok(true)
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.0.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, acceptor: TlsAcceptor) {
        *self.0.acceptor.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerTls")
    }
}

impl Handshake for ServerTls {
    type Stream = TlsStream<TcpStream>;

    async fn shake(&self, stream: TcpStream) -> io::Result<Self::Stream> {
        self.acceptor().accept(stream).await
    }
}

fn acceptor(options: &ServerTlsOptions) -> Result<TlsAcceptor, TlsError> {
    Ok(TlsAcceptor::from(Arc::new(tls::server_tls(options)?)))
}

fn stamps(options: &ServerTlsOptions) -> Vec<Stamp> {
    let ServerTlsOptions { certfile, keyfile, client_cafile, .. } = options;
    let paths = [Some(certfile), keyfile.as_ref(), client_cafile.as_ref()];
    paths.into_iter().flatten().map(|path| Stamp::of(path)).collect()
}

impl Stamp {
    fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::metadata(path).ok();
        Self(found.and_then(|found| Some((found.modified().ok()?, found.len(), found.ino()))))
    }
}
