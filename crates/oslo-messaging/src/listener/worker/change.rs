//! Starting and ending consumers, and changing the prefetch by doing both.

use std::sync::Arc;

use lapin::Consumer;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use tokio::time::Instant;

use super::consumer::{Answer, Worker};
use super::{COMMAND_TIMEOUT, End, command};
use crate::topology::consumer_arguments;

/// How far a change of the prefetch has come. Nothing here is waited for: the worker goes on handing out and
/// acknowledging all the while.
pub(super) enum Change {
    /// There is none.
    Steady,
    /// The consumer was told to end. What it still delivers is taken; then its stream ends.
    Cancelling(Option<Answer<()>>),
    /// There is no consumer; enough messages must be settled for the new window.
    Draining,
    /// The new consumer was asked for.
    Starting(Answer<Consumer>),
}

impl Worker<'_> {
    /// Asks for a consumer with this prefetch.
    pub(super) fn start_consumer(&mut self, prefetch: u16) -> Answer<Consumer> {
        self.consumers_started += 1;
        let (channel, queue) = (self.channel.clone(), Arc::clone(&self.queue));
        let tag = self.consumers_started.to_string();
        let arguments = consumer_arguments(&self.shared.profile.options);
        Box::pin(async move {
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            channel
                .basic_consume((&*queue).into(), tag.into(), BasicConsumeOptions::default(), arguments)
                .await
        })
    }

    pub(super) fn consumer_started(&mut self, consumer: Consumer, prefetch: u16) {
        self.meter.consumer_started();
        self.consumer = Some(consumer);
        self.prefetch.set(prefetch);
        self.counters.prefetch.set(i64::from(prefetch));
        self.change = Change::Steady;
    }

    /// Starts the first consumer.
    pub(super) async fn consume(&mut self) -> Result<(), End> {
        let prefetch = self.prefetch.current();
        let consumer = command(self.start_consumer(prefetch)).await?;
        self.consumer_started(consumer, prefetch);
        Ok(())
    }

    /// Tells the consumer to end.
    pub(super) fn cancel(&mut self) {
        let Some(consumer) = &self.consumer else { return };
        let (channel, tag) = (self.channel.clone(), consumer.tag());
        self.answer_by = Instant::now() + COMMAND_TIMEOUT;
        self.change = Change::Cancelling(Some(Box::pin(async move {
            channel.basic_cancel(tag, BasicCancelOptions::default()).await
        })));
    }

    /// The consumer's stream has ended: as we wished, or because the broker cancelled it.
    pub(super) fn stream_ended(&mut self) -> Result<(), End> {
        self.set_busy(false);
        self.end_consumer();
        if matches!(self.change, Change::Cancelling(_)) {
            self.change = Change::Draining;
            return Ok(());
        }
        Err(End::Cancelled)
    }

    pub(super) fn end_consumer(&mut self) {
        if self.consumer.take().is_some() {
            self.meter.consumer_ended();
        }
    }

    /// Takes a change of the prefetch one step further, if it is time.
    pub(super) fn adjust_prefetch(&mut self) -> Result<(), End> {
        match self.change {
            Change::Steady => {
                if let Some(wanted) = self.prefetch.proposal() {
                    self.wanted = wanted;
                    self.cancel();
                }
            }
            Change::Draining => {
                // Sizes seen meanwhile may call for an even smaller window.
                self.wanted = self.prefetch.proposal().map_or(self.wanted, |other| other.min(self.wanted));
                let falls = self.wanted < self.prefetch.current();
                // A smaller window starts only when the larger one has drained into it, or it would come on top.
                if !falls || self.ledger.standing().unsettled < usize::from(self.wanted).max(2) {
                    tracing::debug!(
                        queue = &*self.queue,
                        from = self.prefetch.current(),
                        to = self.wanted,
                        "prefetch changes"
                    );
                    self.answer_by = Instant::now() + COMMAND_TIMEOUT;
                    self.change = Change::Starting(self.start_consumer(self.wanted));
                }
            }
            Change::Cancelling(_) | Change::Starting(_) => {
                let now = Instant::now();
                if self.answer_by <= now {
                    // Answers stand in line behind deliveries, and those are not read during a pause.
                    if !self.meter.is_paused() {
                        let error = format!("no answer within {} s", COMMAND_TIMEOUT.as_secs());
                        return Err(End::Channel { cause: "timeout", error });
                    }
                    self.answer_by = now + COMMAND_TIMEOUT;
                }
            }
        }
        Ok(())
    }
}

/// The broker's answer to a change, with the new consumer if there is one.
pub(super) async fn answered(change: &mut Change) -> lapin::Result<Option<Consumer>> {
    match change {
        Change::Cancelling(answer @ Some(_)) => {
            if let Some(cancelled) = answer {
                cancelled.await?;
            }
            // The stream ends next.
            *answer = None;
            Ok(None)
        }
        Change::Starting(answer) => answer.await.map(Some),
        Change::Cancelling(None) | Change::Steady | Change::Draining => std::future::pending().await,
    }
}
