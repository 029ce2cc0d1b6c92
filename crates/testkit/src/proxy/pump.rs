//! One direction of a proxied connection: a reading thread, a bounded queue of delayed pieces, a writing thread.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Connection, LOOK_EVERY, Shared, Side};

const PIECE_BYTES: usize = 16 << 10;
/// Pieces on their way: what a delayed line may hold (4 MiB).
const PIECES: usize = 256;

struct Piece {
    due: Instant,
    data: Vec<u8>,
}

/// Forwards what `from` sends to `to` until `from` ends, either breaks, or the connection is cut.
pub(super) fn run(shared: &Arc<Shared>, connection: &Arc<Connection>, from: Side, to: Side) {
    let (send, pieces) = sync_channel(PIECES);
    let (writing, writing_shared) = (Arc::clone(connection), Arc::clone(shared));
    let writer = thread::spawn(move || write(&writing_shared, &writing, to, &pieces));
    read(shared, connection, from, to, &send);
    drop(send);
    let _ = writer.join();
}

fn read(shared: &Shared, connection: &Connection, from: Side, to: Side, send: &SyncSender<Piece>) {
    let mut stream = connection.stream(from);
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        if connection.is_cut() {
            return;
        }
        if shared.stalled.load(Ordering::Relaxed) {
            thread::sleep(LOOK_EVERY);
            continue;
        }
        let count = match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if is_look(error.kind()) => continue,
            Err(_) => {
                // The end that broke is gone; the other must learn of it the same way.
                connection.cut.store(true, Ordering::Relaxed);
                return;
            }
        };
        if connection.half_closed[to as usize].load(Ordering::Relaxed) {
            continue;
        }
        let delay = Duration::from_millis(shared.delay_ms.load(Ordering::Relaxed));
        let mut piece = Piece { due: Instant::now() + delay, data: buffer[..count].to_vec() };
        loop {
            match send.try_send(piece) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => piece = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            if connection.is_cut() {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn write(shared: &Shared, connection: &Connection, to: Side, pieces: &Receiver<Piece>) {
    let mut stream = connection.stream(to);
    loop {
        let piece = match pieces.recv_timeout(LOOK_EVERY) {
            Ok(piece) => piece,
            Err(RecvTimeoutError::Timeout) if connection.is_cut() => return,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => {
                if !connection.is_cut() {
                    let _ = stream.shutdown(Shutdown::Write);
                }
                return;
            }
        };
        // Until it is due, and while the line is stalled.
        loop {
            if connection.is_cut() {
                return;
            }
            let left = piece.due.saturating_duration_since(Instant::now());
            if left.is_zero() && !shared.stalled.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(if left.is_zero() { LOOK_EVERY } else { left.min(LOOK_EVERY) });
        }
        let limit = shared.bytes_per_second.load(Ordering::Relaxed);
        let mut rest = piece.data.as_slice();
        while !rest.is_empty() {
            if connection.is_cut() || connection.half_closed[to as usize].load(Ordering::Relaxed) {
                break;
            }
            // With a limit: as much as 20 ms are worth, then a rest of 20 ms.
            let portion = match limit {
                0 => rest.len(),
                limit => usize::try_from((limit / 50).max(1)).unwrap_or(rest.len()).min(rest.len()),
            };
            match stream.write(&rest[..portion]) {
                Ok(count) => {
                    shared.forwarded_bytes.fetch_add(count as u64, Ordering::Relaxed);
                    rest = &rest[count..];
                    if limit > 0 {
                        thread::sleep(Duration::from_millis(20));
                    }
                }
                Err(error) if is_look(error.kind()) => {}
                Err(_) => {
                    if !connection.half_closed[to as usize].load(Ordering::Relaxed) {
                        connection.cut.store(true, Ordering::Relaxed);
                    }
                    return;
                }
            }
        }
    }
}

/// Whether a call only came back to let us look at the controls.
fn is_look(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
