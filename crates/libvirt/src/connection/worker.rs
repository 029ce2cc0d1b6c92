//! The one task of a connection: reads, writes, and notices when the daemon falls silent.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::keep_alive;
use super::shared::Shared;
use crate::error::Closed;
use crate::frame::read_packet;
use crate::options::KeepAlive;
use crate::procedure;
use crate::socket::Stream;

/// How long the daemon may take for the bytes of one packet.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// What is read at once.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// How often is looked, should there be no keep-alive.
const IDLE_TICK: Duration = Duration::from_mins(1);

/// Works until the connection ends in any way; then every call fails at once.
pub(super) async fn run(
    shared: Arc<Shared>,
    stream: Stream,
    outgoing: mpsc::Receiver<Vec<u8>>,
    keep_alive: Option<KeepAlive>,
) {
    // Goes after the connection is closed, also when the task is aborted: whoever is refused a place in the queue finds
    // out why.
    let mut outgoing = outgoing;
    let end = End(Arc::clone(&shared));
    let reader = BufReader::with_capacity(READ_BUFFER_BYTES, stream.reader);
    // Both run to their ends side by side: neither waits for the other, so that a daemon that writes before it reads on
    // and we cannot block each other.
    let closed = tokio::select! {
        closed = read(&shared, reader) => closed,
        closed = write(&shared, stream.writer, &mut outgoing, keep_alive) => closed,
        closed = shared.until_closed() => closed,
    };
    shared.close(closed);
    drop(end);
}

/// Closes the connection also when the task is aborted.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.close(Closed::ByUs);
    }
}

async fn read(shared: &Shared, mut reader: impl AsyncRead + Unpin) -> Closed {
    loop {
        match read_packet(&mut reader).await {
            Ok(Some(packet)) => {
                if let Err(closed) = shared.receive(packet) {
                    return closed;
                }
            }
            Ok(None) => return Closed::ByDaemon,
            Err(error) => return Closed::Read(Arc::new(error)),
        }
    }
}

async fn write(
    shared: &Shared,
    mut writer: impl AsyncWrite + Unpin,
    outgoing: &mut mpsc::Receiver<Vec<u8>>,
    settings: Option<KeepAlive>,
) -> Closed {
    let pause = settings.map_or(IDLE_TICK, |settings| settings.interval.max(Duration::from_millis(1)));
    let mut ticks = interval(pause);
    // After a pause of the whole machine nobody shall be declared dead for questions that could not be answered.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut silence = Silence::default();
    loop {
        let packet = tokio::select! {
            packet = outgoing.recv() => match packet {
                Some(packet) => packet,
                None => return Closed::ByUs,
            },
            _ = ticks.tick() => match settings {
                Some(settings) if shared.keep_alive_is_on() => match silence.tick(shared.heard()) {
                    0 => continue,
                    quiet if quiet > settings.count => return Closed::Silent(pause.saturating_mul(quiet)),
                    _ => keep_alive(procedure::KEEP_ALIVE_PING),
                },
                _ => continue,
            },
        };
        let sent = async {
            writer.write_all(&packet).await?;
            writer.flush().await
        };
        match timeout(WRITE_TIMEOUT, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Closed::Write(Arc::new(error)),
            Err(_) => return Closed::Stalled(WRITE_TIMEOUT),
        }
    }
}

/// How many intervals have passed without a packet.
#[derive(Debug, Default)]
struct Silence {
    heard: u64,
    quiet: u32,
}

impl Silence {
    fn tick(&mut self, heard: u64) -> u32 {
        self.quiet = if heard == self.heard { self.quiet.saturating_add(1) } else { 0 };
        self.heard = heard;
        self.quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_in_intervals() {
        let mut silence = Silence::default();
        assert_eq!([silence.tick(1), silence.tick(1), silence.tick(1)], [0, 1, 2]);
        assert_eq!([silence.tick(2), silence.tick(2)], [0, 1]);
    }
}
