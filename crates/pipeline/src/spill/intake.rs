//! [`Intake`]: what comes while the log is not empty goes to its end.

use std::collections::VecDeque;
use std::pin::pin;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Spill, TICK};
use crate::store::{Appended, Store, StoreError, flat};
use crate::worker::{Queued, SinkState};

/// Batches that are taken from the queue at once.
const BATCHES: usize = 64;
/// Bytes of batches (as they count in memory) that are appended at once, or one larger batch.
const APPEND_BYTES: u64 = 512 << 10;

/// Moves batches from the queue to the end of the log. Every wait can be given up without losing anything.
#[derive(Debug)]
pub(crate) struct Intake {
    store: Store,
    held: VecDeque<Queued>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing goes on.
    Idle,
    /// The first so many of the held batches are being written.
    Appending(usize, JoinHandle<Result<Appended, StoreError>>),
    /// The log refused; it is tried again then.
    Refused(Instant),
    /// No more batches will come, and all that came are durable.
    Closed,
}

impl Intake {
    pub(super) fn new(store: Store) -> Self {
        Self { store, held: VecDeque::new(), state: State::Idle }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether something is being written.
    pub(super) fn is_appending(&self) -> bool {
        matches!(self.state, State::Appending(..))
            || (matches!(self.state, State::Idle) && !self.held.is_empty())
    }

    /// Whether the log did not take the last batches.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The batches that were taken and are not written.
    pub(super) fn into_held(self) -> Vec<Queued> {
        self.held.into()
    }

    /// Does `work`, and meanwhile moves what comes. Returns `None`, without finishing the work, when the queue is closed,
    /// everything that came is durable, and the publisher fails: there is nothing to wait for.
    pub(super) async fn during<T>(
        &mut self,
        spill: &mut Spill,
        sink: &watch::Receiver<SinkState>,
        batches: &mut mpsc::Receiver<Queued>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        let mut sink = sink.clone();
        let mut tick = tokio::time::interval(TICK);
        loop {
            let is_closed = self.is_closed();
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                Ok(_) = sink.wait_for(|state| matches!(state, SinkState::Failing { .. })), if is_closed => return None,
                () = self.step(spill, batches), if !is_closed => {}
                _ = tick.tick() => spill.look_at_the_age(),
            }
        }
    }

    /// The next step of the way into the log. When this is given up, the next call goes on where it was.
    pub(super) async fn step(&mut self, spill: &mut Spill, batches: &mut mpsc::Receiver<Queued>) {
        match &mut self.state {
            State::Idle if self.held.is_empty() => {
                let mut received = Vec::new();
                if batches.recv_many(&mut received, BATCHES).await == 0 {
                    self.state = State::Closed;
                }
                self.held.extend(received);
            }
            State::Idle => {
                let mut bytes = 0;
                let groups: Vec<_> = self
                    .held
                    .iter()
                    .take_while(|queued| {
                        let fits = bytes == 0 || bytes + queued.bytes() <= APPEND_BYTES;
                        bytes += queued.bytes();
                        fits
                    })
                    .map(|queued| queued.batch.records.clone())
                    .collect();
                self.state = State::Appending(groups.len(), self.store.append(groups, false));
            }
            State::Appending(count, appending) => {
                let appended = flat(appending.await);
                let count = *count;
                match appended {
                    Ok(appended) => {
                        spill.appended(self.held.drain(..count), appended.stock);
                        self.state = State::Idle;
                    }
                    Err(error) => self.state = State::Refused(Instant::now() + spill.failed(&error)),
                }
            }
            State::Refused(until) => {
                tokio::time::sleep_until(*until).await;
                self.state = State::Idle;
            }
            State::Closed => std::future::pending().await,
        }
    }
}
