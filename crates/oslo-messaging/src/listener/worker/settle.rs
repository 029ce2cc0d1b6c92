//! Telling the broker what became of messages.

use std::time::Duration;

use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions};
use tokio::time::Instant;

use super::consumer::Worker;
use crate::ledger::Settlement;

/// First and longest wait before messages are given back to the queue.
pub(super) const REQUEUE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Accepted messages are acknowledged after this at the latest.
const ACK_LINGER: Duration = Duration::from_millis(5);
/// As many accepted messages are acknowledged at once, at the latest.
const ACK_MESSAGES: usize = 256;
/// Accepted messages behind an unresolved one are acknowledged one by one after this.
const ACK_EACH_AFTER: Duration = Duration::from_secs(1);

impl Worker<'_> {
    /// Tells the broker what is due.
    pub(super) fn settle(&mut self) {
        self.schedule_requeue();
        let standing = self.ledger.standing();
        if standing.accepted == 0 && standing.rejected == 0 {
            self.flush_at = None;
            self.stuck_since = None;
            if !self.requeue_is_due() {
                return;
            }
        } else {
            let now = Instant::now();
            let due = *self.flush_at.get_or_insert(now + ACK_LINGER);
            let enough = (usize::from(self.prefetch.current()) / 4).clamp(1, ACK_MESSAGES);
            let nothing_else = standing.out == 0;
            if due > now && standing.accepted < enough && !nothing_else && !self.requeue_is_due() {
                return;
            }
        }
        let each = self.stuck_since.is_some_and(|since| since.elapsed() >= ACK_EACH_AFTER);
        self.settle_now(each);
    }

    pub(super) fn settle_now(&mut self, each: bool) {
        if self.flushing.is_some() {
            return;
        }
        let settlement = self.ledger.settle(each);
        let requeue = if self.requeue_is_due() {
            self.requeue_at = None;
            std::mem::take(&mut self.requeue)
        } else {
            Vec::new()
        };
        self.flush_at = None;
        let left = self.ledger.standing().accepted;
        if left == 0 {
            self.stuck_since = None;
        } else {
            // Held up by an unresolved message: look again when they may pass it.
            let since = *self.stuck_since.get_or_insert_with(Instant::now);
            self.flush_at = Some(since + ACK_EACH_AFTER);
        }
        if settlement.is_empty() && requeue.is_empty() {
            return;
        }
        self.ledger.requeued(&requeue);
        self.counters.acknowledged.inc_by(settlement.acknowledged as u64);
        self.flushing = Some(Box::pin(tell(self.channel.clone(), settlement, requeue)));
    }

    fn requeue_is_due(&self) -> bool {
        self.requeue_at.is_some_and(|at| at <= Instant::now())
    }

    fn schedule_requeue(&mut self) {
        let tags = self.ledger.take_requeued();
        if tags.is_empty() {
            return;
        }
        self.requeue.extend(tags);
        if self.requeue_at.is_none() {
            let now = Instant::now();
            if self.requeue_calm_at.is_some_and(|calm| calm <= now) {
                self.requeue_backoff.reset();
            }
            let wait = self.requeue_backoff.next();
            self.requeue_at = Some(now + wait);
            // Calm is when, some time after their return, nothing was given back again.
            self.requeue_calm_at = Some(now + wait * 2 + Duration::from_secs(1));
            tracing::debug!(
                queue = &*self.queue,
                seconds = wait.as_secs_f32(),
                "messages go back to the queue"
            );
        }
    }
}

/// Says it all to the broker, in order; each future queues its frame when first polled.
async fn tell(channel: Channel, settlement: Settlement, requeue: Vec<u64>) -> lapin::Result<()> {
    let rejects =
        settlement.reject.iter().map(|tag| channel.basic_reject(*tag, BasicRejectOptions { requeue: false }));
    futures_util::future::try_join_all(rejects).await?;
    let requeues = requeue
        .iter()
        .map(|tag| channel.basic_nack(*tag, BasicNackOptions { multiple: false, requeue: true }));
    futures_util::future::try_join_all(requeues).await?;
    let single =
        settlement.ack_each.iter().map(|tag| channel.basic_ack(*tag, BasicAckOptions { multiple: false }));
    futures_util::future::try_join_all(single).await?;
    if let Some(tag) = settlement.ack_up_to {
        channel.basic_ack(tag, BasicAckOptions { multiple: true }).await?;
    }
    Ok(())
}
