//! [`Output`]: where samples go.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use model::Sample;
use observability::metrics::CauseCounter;
use pipeline::{DeliveryToken, Outcome, Records, Router};
use tokio::sync::watch;

use crate::metrics::{Lost, PollingMetrics};

/// The future that [`Output::send`] returns.
pub type Sending<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Takes samples.
pub trait Output: fmt::Debug + Send + Sync {
    /// Takes a batch of one pollster's samples, waiting for room: what is slow behind it slows polling down, and nothing
    /// is dropped.
    fn send(&self, samples: Vec<Arc<Sample>>) -> Sending<'_>;
}

/// Keeps count of samples that are on their way.
#[derive(Debug, Clone)]
pub struct Deliveries {
    waiting: watch::Sender<usize>,
    lost: CauseCounter<Lost>,
}

impl Deliveries {
    /// Nothing is on its way yet.
    #[must_use]
    pub fn new(metrics: &PollingMetrics) -> Self {
        Self { waiting: watch::Sender::new(0), lost: metrics.lost.clone() }
    }

    /// The token of a batch of so many samples.
    #[must_use]
    pub fn token(&self, samples: usize) -> DeliveryToken {
        // Who waits for the end is told of nothing else.
        self.waiting.send_if_modified(|waiting| {
            *waiting += samples;
            false
        });
        let this = self.clone();
        DeliveryToken::new(move |outcome| {
            if outcome == Outcome::NotDelivered {
                this.lost.add(Lost::Undelivered, samples as u64);
            }
            this.waiting.send_if_modified(|waiting| {
                *waiting = waiting.saturating_sub(samples);
                *waiting == 0
            });
        })
    }

    /// Waits until nothing is on its way.
    pub async fn settled(&self) {
        // The sender lives as long as `self`.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await;
    }

    /// Samples on their way.
    #[must_use]
    pub fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }
}

/// Brings samples to pipelines.
#[derive(Debug)]
pub struct ToRouter {
    router: Router,
    deliveries: Deliveries,
}

impl ToRouter {
    /// Brings them to `router`.
    #[must_use]
    pub const fn new(router: Router, deliveries: Deliveries) -> Self {
        Self { router, deliveries }
    }
}

impl Output for ToRouter {
    fn send(&self, samples: Vec<Arc<Sample>>) -> Sending<'_> {
        let token = self.deliveries.token(samples.len());
        Box::pin(self.router.dispatch(Records::Samples(samples), token))
    }
}

/// Drops samples, and counts them: nobody wants them (`[polling] enable_notifications = false`).
#[derive(Debug)]
pub struct Nowhere(CauseCounter<Lost>);

impl Nowhere {
    /// Counts them there.
    #[must_use]
    pub fn new(metrics: &PollingMetrics) -> Self {
        Self(metrics.lost.clone())
    }
}

impl Output for Nowhere {
    fn send(&self, samples: Vec<Arc<Sample>>) -> Sending<'_> {
        self.0.add(Lost::NotificationsOff, samples.len() as u64);
        Box::pin(std::future::ready(()))
    }
}

/// Takes samples no further: they are shown to Prometheus, and nobody else wants them.
#[derive(Debug, Default)]
pub struct ShownOnly;

impl Output for ShownOnly {
    fn send(&self, _samples: Vec<Arc<Sample>>) -> Sending<'_> {
        Box::pin(std::future::ready(()))
    }
}

/// Keeps samples, batch by batch, for whoever wants to look at them: `nephoscope poll`, and tests.
#[derive(Debug, Default)]
pub struct Collected(Mutex<Vec<Vec<Arc<Sample>>>>);

impl Collected {
    /// The batches so far; they are gone then.
    #[must_use]
    pub fn take(&self) -> Vec<Vec<Arc<Sample>>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Output for Collected {
    fn send(&self, samples: Vec<Arc<Sample>>) -> Sending<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(samples);
        Box::pin(std::future::ready(()))
    }
}
