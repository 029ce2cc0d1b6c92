//! The socket under lapin: ours, so that we can stop reading (see [`crate::budget`]) and cut it at any moment.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use async_rs::{Runtime, Tokio};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead as TokioRead, AsyncWrite as TokioWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::budget::Meter;

/// Ends a socket from outside. lapin's I/O thread waits for its socket without a deadline of its own during the
/// handshake, and writes nothing while the broker blocks the connection; this is how neither can hold us up.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Cutter {
    /// Makes every further read and write fail.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    fn check(&self, waker: &AtomicWaker, cx: &Context<'_>) -> io::Result<()> {
        waker.register(cx.waker());
        if self.cut.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "connection given up"));
        }
        Ok(())
    }
}

/// A TCP stream that obeys a [`Meter`] and a [`Cutter`].
#[derive(Debug)]
pub(crate) struct GatedStream {
    tcp: TcpStream,
    meter: Option<Arc<Meter>>,
    cutter: Arc<Cutter>,
}

impl GatedStream {
    pub(crate) fn new(tcp: TcpStream, meter: Option<Arc<Meter>>, cutter: Arc<Cutter>) -> Self {
        Self { tcp, meter, cutter }
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.cutter.check(&this.cutter.reader, cx)?;
        let room = match &this.meter {
            Some(meter) => match meter.allowance(cx.waker()) {
                Some(bytes) => bytes.min(buf.len()),
                None => return Poll::Pending,
            },
            None => buf.len(),
        };
        let Some(buf) = buf.get_mut(..room) else { return Poll::Ready(Ok(0)) };
        let mut into = ReadBuf::new(buf);
        match Pin::new(&mut this.tcp).poll_read(cx, &mut into) {
            Poll::Ready(Ok(())) => {
                let bytes = into.filled().len();
                if let Some(meter) = &this.meter {
                    meter.read(bytes);
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.cutter.check(&this.cutter.writer, cx)?;
        Pin::new(&mut this.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.cutter.check(&this.cutter.writer, cx)?;
        Pin::new(&mut this.tcp).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

/// tokio for lapin, with [`GatedStream`] as its TCP stream.
#[derive(Clone, Debug)]
pub(crate) struct Kit(Tokio);

/// The runtime that lapin is given.
pub(crate) fn runtime() -> Runtime<Kit> {
    Runtime::new(Kit(Tokio::current()))
}

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn(future)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(work)
    }
}

/// What the reactor answers for sockets: lapin never asks, because we hand it a connected stream.
fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "sockets are opened by the supervisor")
}

impl Reactor for Kit {
    type TcpStream = GatedStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: io::Read + io::Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<GatedStream, _>(unsupported())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        _addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(unsupported()))
    }
}
