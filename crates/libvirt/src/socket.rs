//! From a URI to an open byte stream.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::error::Error;
use crate::options::{ByteStream, ConnectOptions};
use crate::uri::{Mode, Transport, Uri};

/// What a daemon sends after the TLS handshake when it likes the client's certificate.
const WELCOME: u8 = 1;

/// An open stream in two halves.
pub(crate) struct Stream {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Whether nobody else can read what is sent.
    pub(crate) is_private: bool,
}

/// Connects to where the URI points.
pub(crate) async fn connect(uri: &Uri, options: &ConnectOptions) -> Result<Stream, Error> {
    match &uri.transport {
        Transport::Unix { socket: Some(path) } => unix(path).await,
        Transport::Unix { socket: None } => {
            let tried = candidates(uri, options);
            match tried.iter().find(|path| path.exists()) {
                Some(path) => unix(path).await,
                None => Err(Error::NoSocket { tried }),
            }
        }
        Transport::Tcp { host, port } => {
            let (reader, writer) = tcp(host, *port).await?.into_split();
            Ok(Stream { reader: Box::new(reader), writer: Box::new(writer), is_private: false })
        }
        Transport::Tls { host, port } => {
            let address = format!("{host}:{port}");
            let Some(connector) = &options.tls else { return Err(Error::NoTls { address }) };
            let failed = |source| Error::Tls { address: address.clone(), source: Arc::new(source) };
            let tcp = tcp(host, *port).await?;
            let mut stream = connector.connect(host, tcp).await.map_err(failed)?;
            welcome(&mut stream).await.map_err(failed)?;
            let (reader, writer) = tokio::io::split(stream);
            Ok(Stream { reader: Box::new(reader), writer: Box::new(writer), is_private: true })
        }
    }
}

async fn welcome(stream: &mut Box<dyn ByteStream>) -> io::Result<()> {
    let mut byte = [0];
    stream.read_exact(&mut byte).await.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::other("the daemon does not accept our certificate"),
        _ => error,
    })?;
    if byte == [WELCOME] { Ok(()) } else { Err(io::Error::other("the daemon does not welcome us")) }
}

async fn unix(path: &Path) -> Result<Stream, Error> {
    let failed = |source| Error::Connect { address: path.display().to_string(), source: Arc::new(source) };
    let (reader, writer) = UnixStream::connect(path).await.map_err(failed)?.into_split();
    Ok(Stream { reader: Box::new(reader), writer: Box::new(writer), is_private: true })
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, Error> {
    let failed = |source| Error::Connect { address: format!("{host}:{port}"), source: Arc::new(source) };
    let tcp = TcpStream::connect((host, port)).await.map_err(failed)?;
    tcp.set_nodelay(true).map_err(failed)?;
    Ok(tcp)
}

/// The sockets that the URI may mean, the likeliest first.
fn candidates(uri: &Uri, options: &ConnectOptions) -> Vec<PathBuf> {
    let (dir, suffix) = if uri.is_session() {
        // A user's own daemon has one socket for everything.
        (options.session_dir.clone().unwrap_or_else(session_dir), "sock")
    } else {
        (options.runtime_dir.clone(), if options.read_only { "sock-ro" } else { "sock" })
    };
    // The daemon of this driver bears the name that the driver has today.
    let driver = if uri.driver == "parallels" { "vz" } else { uri.driver.as_str() };
    let direct = dir.join(format!("virt{driver}d-{suffix}"));
    let legacy = dir.join(format!("libvirt-{suffix}"));
    match uri.mode {
        // The daemon chooses the driver, so that only the one that has all of them will do.
        _ if uri.driver == "remote" => vec![legacy],
        Mode::Auto => vec![direct, legacy],
        Mode::Direct => vec![direct],
        Mode::Legacy => vec![legacy],
    }
}

/// Where the service manager gives each user a directory for sockets.
fn session_dir() -> PathBuf {
    let user = std::fs::metadata("/proc/self").map_or(0, |process| process.uid());
    PathBuf::from(format!("/run/user/{user}/libvirt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_own_daemon_comes_first() {
        let options =
            ConnectOptions { session_dir: Some("/run/user/7/libvirt".into()), ..Default::default() };
        let writing = ConnectOptions { read_only: false, ..options.clone() };
        for (uri, options, expected) in [
            ("qemu:///system", &options, "/run/libvirt/virtqemud-sock-ro /run/libvirt/libvirt-sock-ro"),
            ("qemu:///system", &writing, "/run/libvirt/virtqemud-sock /run/libvirt/libvirt-sock"),
            (
                "qemu:///session",
                &options,
                "/run/user/7/libvirt/virtqemud-sock /run/user/7/libvirt/libvirt-sock",
            ),
            ("lxc:///system?mode=direct", &options, "/run/libvirt/virtlxcd-sock-ro"),
            ("test:///default?mode=legacy", &options, "/run/libvirt/libvirt-sock-ro"),
            ("parallels:///system", &options, "/run/libvirt/virtvzd-sock-ro /run/libvirt/libvirt-sock-ro"),
            ("remote:///", &options, "/run/libvirt/libvirt-sock-ro"),
        ] {
            let found = candidates(&uri.parse().unwrap(), options);
            let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
            assert_eq!(found.join(" "), expected, "{uri}");
        }
        let session = candidates(&"qemu:///session".parse().unwrap(), &ConnectOptions::default());
        assert!(session[0].starts_with("/run/user"), "{session:?}");
    }
}
