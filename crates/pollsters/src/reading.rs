//! [`Reading`]: one measured value, before the agent makes a sample of it.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use model::{MeterKind, Sample, SampleId, SharedSubject, Subject, Text, Value};
use tokio::sync::mpsc;

/// Readings that are given together at most.
const TOGETHER: usize = 64;
/// How many times that may wait for the agent; a pollster that has more waits.
const WAITING: usize = 64;

/// A meter as it is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    /// Its name.
    pub name: &'static str,
    /// How its values relate to each other.
    pub kind: MeterKind,
    /// The unit of the volume.
    pub unit: &'static str,
}

/// What a pollster reads. Time, id and source are the agent's to add. It reads as its [`Subject`], as a sample does.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The meter.
    pub name: Text,
    /// How its values relate.
    pub kind: MeterKind,
    /// The unit.
    pub unit: Value,
    /// The value. One that is unknown (null) is sent as it is, and dropped by the pipeline.
    pub volume: Value,
    /// What was measured, and whose it is; the metadata are a map. Readings of one thing may share it.
    pub subject: SharedSubject,
    /// Seconds of the monotonic clock at the reading; set by compute pollsters only.
    pub monotonic_time: Option<f64>,
}

impl Reading {
    /// A reading of `meter` without owner and metadata.
    #[must_use]
    pub fn new(meter: &Meter, resource_id: impl Into<Value>, volume: impl Into<Value>) -> Self {
        Self::of(meter, Subject::new(resource_id), volume)
    }

    /// A reading of `meter`.
    #[must_use]
    pub fn of(meter: &Meter, subject: impl Into<SharedSubject>, volume: impl Into<Value>) -> Self {
        Self {
            name: Text::new_static(meter.name),
            kind: meter.kind,
            unit: Text::new_static(meter.unit).into(),
            volume: volume.into(),
            subject: subject.into(),
            monotonic_time: None,
        }
    }

    /// The sample of it, with what the agent adds: the time of the poll, the source, and an id. Names of user and project
    /// are not known yet.
    #[must_use]
    pub fn into_sample(self, timestamp: Value, source: Value, id: SampleId) -> Sample {
        Sample {
            name: self.name,
            kind: self.kind,
            unit: self.unit,
            volume: self.volume,
            subject: self.subject,
            timestamp,
            source,
            id,
            monotonic_time: self.monotonic_time,
        }
    }
}

impl Deref for Reading {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.subject
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut Subject {
        &mut self.subject
    }
}

/// Nobody takes readings any more: the pollster shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent takes no more readings of this pollster")]
pub struct Stopped;

/// Where a pollster gives its readings. Each is on its way to a publisher as soon as it is given, whatever becomes of
/// those after it.
#[derive(Debug)]
pub struct Readings(mpsc::Sender<Vec<Reading>>);

/// Where the agent takes them.
#[derive(Debug)]
pub struct GivenReadings {
    receiver: mpsc::Receiver<Vec<Reading>>,
    /// Of those that came together, what was not taken yet.
    rest: VecDeque<Reading>,
}

impl Readings {
    /// Both ends.
    #[must_use]
    pub fn channel() -> (Self, GivenReadings) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), GivenReadings { receiver, rest: VecDeque::new() })
    }

    /// Gives one, waiting while the agent has enough.
    ///
    /// # Errors
    /// [`Stopped`]: the pollster shall end.
    pub async fn give(&self, reading: Reading) -> Result<(), Stopped> {
        self.0.send(vec![reading]).await.map_err(|_| Stopped)
    }

    /// Whether there is enough to be given together.
    #[must_use]
    pub const fn are_enough(waiting: &[Reading]) -> bool {
        waiting.len() >= TOGETHER
    }

    /// Gives what `waiting` holds if that is enough to be given together, or `is_last`: for pollsters that have many at
    /// once.
    ///
    /// # Errors
    /// [`Stopped`]: the pollster shall end.
    pub async fn give_some(&self, waiting: &mut Vec<Reading>, is_last: bool) -> Result<(), Stopped> {
        if waiting.is_empty() || !(is_last || Self::are_enough(waiting)) {
            return Ok(());
        }
        let next = if is_last { Vec::new() } else { Vec::with_capacity(waiting.capacity()) };
        self.0.send(std::mem::replace(waiting, next)).await.map_err(|_| Stopped)
    }
}

impl GivenReadings {
    /// The next one; [`None`] when the pollster has ended.
    pub async fn recv(&mut self) -> Option<Reading> {
        if self.rest.is_empty() {
            self.rest = self.receiver.recv().await?.into();
        }
        self.rest.pop_front()
    }

    /// Those that were given together next; [`None`] when the pollster has ended.
    pub async fn recv_together(&mut self) -> Option<Vec<Reading>> {
        if self.rest.is_empty() {
            self.receiver.recv().await
        } else {
            Some(std::mem::take(&mut self.rest).into())
        }
    }
}
