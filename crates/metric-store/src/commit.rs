//! Group commit: requests that arrive while others are being written share the next sync.
//!
//! Whoever comes first writes for all that wait, outside the queue's lock; the others sleep until their turn is done.
//! Requests are applied in the order of the log, before anybody is answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use buffer::segment_log::{AppendError, MAX_RECORD_BYTES, SegmentLog};

use crate::error::{Broken, WriteError};
use crate::record::Change;
use crate::store::Outcome;

/// Nobody asks for a record's age.
const NO_TIME: i64 = 0;
/// Bytes of records that are written at once; what waits beyond them goes with the next sync.
const MAX_GROUP_BYTES: usize = 64 << 20;

/// What a request is told.
type Answer = Result<Outcome, WriteError>;

/// The log, and who waits for it.
#[derive(Debug)]
pub(crate) struct Committer {
    log: Mutex<SegmentLog>,
    queue: Mutex<Queue>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    next_ticket: u64,
    /// Whether somebody is writing.
    is_led: bool,
    answers: BTreeMap<u64, Answer>,
}

/// Whoever writes for all; when it ends, by a panic too, others may.
#[derive(Debug)]
struct Lead<'c> {
    committer: &'c Committer,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.committer.queue.lock().unwrap_or_else(PoisonError::into_inner).is_led = false;
        self.committer.done.notify_all();
    }
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    record: Vec<u8>,
    change: Change,
}

impl Committer {
    pub(crate) fn new(log: SegmentLog) -> Self {
        Self { log: Mutex::new(log), queue: Mutex::default(), done: Condvar::new() }
    }

    /// Makes a change durable and applies it; `apply` is called for others' changes as well.
    pub(crate) fn commit(
        &self,
        change: Change,
        apply: impl Fn(Change) -> Outcome,
    ) -> Result<Outcome, WriteError> {
        let record = change.encode();
        if record.len() > MAX_RECORD_BYTES {
            return Err(WriteError::TooLarge { bytes: record.len() });
        }
        let mut queue = self.queue()?;
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.push(Waiting { ticket, record, change });
        loop {
            if let Some(answer) = queue.answers.remove(&ticket) {
                return answer;
            }
            if queue.is_led {
                queue = self.done.wait(queue).map_err(|_| Broken)?;
                continue;
            }
            queue.is_led = true;
            let lead = Lead { committer: self };
            let group = queue.take_group();
            drop(queue);
            let answers = self.write(group, &apply)?;
            self.queue()?.answers.extend(answers);
            drop(lead);
            queue = self.queue()?;
        }
    }

    fn write(
        &self,
        group: Vec<Waiting>,
        apply: &impl Fn(Change) -> Outcome,
    ) -> Result<Vec<(u64, Answer)>, WriteError> {
        let records: Vec<&[u8]> = group.iter().map(|waiting| waiting.record.as_slice()).collect();
        // Held until everything is applied: a checkpoint sees all of what is in the log, or nothing.
        let mut log = self.log()?;
        let appended = log.append(NO_TIME, &records).map_err(Arc::new);
        let answer = |waiting: Waiting| {
            let failed = |error: &Arc<AppendError>| WriteError::Log(Arc::clone(error));
            let outcome = appended.as_ref().map_err(failed).map(|_| apply(waiting.change));
            (waiting.ticket, outcome)
        };
        let answers = group.into_iter().map(answer).collect();
        drop(log);
        Ok(answers)
    }

    /// The log, while nobody writes to it.
    pub(crate) fn log(&self) -> Result<MutexGuard<'_, SegmentLog>, Broken> {
        self.log.lock().map_err(|_| Broken)
    }

    fn queue(&self) -> Result<MutexGuard<'_, Queue>, Broken> {
        self.queue.lock().map_err(|_| Broken)
    }
}

impl Queue {
    /// The oldest requests, at least one.
    fn take_group(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            let first = bytes == 0;
            bytes += waiting.record.len();
            first || bytes <= MAX_GROUP_BYTES
        };
        let count = self.waiting.iter().take_while(fits).count();
        self.waiting.drain(..count).collect()
    }
}
