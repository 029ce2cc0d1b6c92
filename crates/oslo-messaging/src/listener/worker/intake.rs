//! From lapin's stream to batches.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::End;
use super::consumer::Worker;
use crate::batch::{Batch, Delivery, Receipt};
use crate::budget::Held;

/// Deliveries taken from lapin before anything else is looked at.
const TAKE_MESSAGES: usize = 1024;

/// A delivery that has not been handed out.
pub(super) struct Pending {
    pub(super) delivery: Delivery,
    pub(super) held: Held,
}

impl Worker<'_> {
    pub(super) fn set_busy(&mut self, busy: bool) {
        if self.busy != busy {
            self.busy = busy;
            if busy {
                self.meter.worker_busy();
            } else {
                self.meter.worker_idle();
            }
        }
    }

    /// Takes what lapin has ready, without waiting.
    pub(super) fn take_at_hand(&mut self) -> Result<(), End> {
        for _ in 0..TAKE_MESSAGES {
            let Some(consumer) = &mut self.consumer else { return Ok(()) };
            match consumer.next().now_or_never() {
                Some(Some(delivery)) => {
                    self.set_busy(true);
                    self.take(delivery?)?;
                }
                Some(None) => return self.stream_ended(),
                None => {
                    self.set_busy(false);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    pub(super) fn take(&mut self, message: lapin::message::Delivery) -> Result<(), End> {
        if !self.ledger.delivered(message.delivery_tag) {
            let error = format!("delivery tag {} is not the next one", message.delivery_tag);
            return Err(End::Channel { cause: "delivery_tag", error });
        }
        if self.pending.is_empty() {
            self.pending_first = message.delivery_tag;
        }
        let mut body = message.data;
        let bytes = body.len() as u64;
        if body.capacity() > body.len() + body.len() / 8 {
            body.shrink_to_fit();
        }
        self.meter.taken(wire_bytes(bytes, &message.exchange, &message.routing_key));
        self.prefetch.observe(bytes);
        self.counters.received.inc();
        self.counters.received_bytes.inc_by(bytes);
        if message.redelivered {
            self.counters.redelivered.inc();
        }
        let text =
            |value: &Option<lapin::types::ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
        let properties = &message.properties;
        let delivery = Delivery {
            content_type: text(properties.content_type()),
            content_encoding: text(properties.content_encoding()),
            compression: compression(properties),
            delivery_count: delivery_count(properties),
            routing_key: message.routing_key.into(),
            exchange: message.exchange.into(),
            redelivered: message.redelivered,
            body,
        };
        if self.pending.is_empty() && !self.shared.linger.is_zero() {
            self.linger_until = Some(Instant::now() + self.shared.linger);
        }
        self.took = true;
        self.pending_bytes += bytes;
        self.pending.push_back(Pending { delivery, held: self.shared.budget.hold(bytes) });
        Ok(())
    }

    /// Whether what is pending should go out now.
    pub(super) fn batch_is_due(&self) -> bool {
        !self.pending.is_empty()
            && (self.pending.len() >= self.shared.batch_size
                || self.pending_bytes >= self.shared.batch_bytes
                // A full window will not grow: the broker sends no more.
                || self.pending.len() >= usize::from(self.prefetch.current())
                || self.linger_until.is_none_or(|until| until <= Instant::now()))
    }

    /// Hands out batches while there is room.
    pub(super) fn hand_out(&mut self) -> Result<(), End> {
        while self.batch_is_due() {
            if !self.reserved {
                let place = futures_util::future::poll_fn(|cx| self.output.poll_reserve(cx)).now_or_never();
                match place {
                    Some(Ok(())) => self.reserved = true,
                    Some(Err(_)) => return Err(End::Stopped),
                    None => return Ok(()),
                }
            }
            let Some(batch) = self.form_batch() else { return Ok(()) };
            self.reserved = false;
            if self.output.send_item(batch).is_err() {
                return Err(End::Stopped);
            }
        }
        Ok(())
    }

    pub(super) fn form_batch(&mut self) -> Option<Batch> {
        let first = self.pending.pop_front()?;
        let mut held = first.held;
        let mut bytes = first.delivery.body.len() as u64;
        let mut messages = Vec::with_capacity(self.shared.batch_size.min(self.pending.len() + 1));
        messages.push(first.delivery);
        while messages.len() < self.shared.batch_size
            && let Some(next) = self.pending.front()
            && bytes + next.delivery.body.len() as u64 <= self.shared.batch_bytes
            && let Some(next) = self.pending.pop_front()
        {
            bytes += next.delivery.body.len() as u64;
            held.absorb(next.held);
            messages.push(next.delivery);
        }
        let receipt = Receipt::new(
            Arc::clone(&self.ledger),
            self.pending_first,
            messages.len(),
            Arc::clone(&self.shared.source),
            held,
        );
        self.pending_bytes -= bytes;
        self.pending_first += messages.len() as u64;
        if !self.pending.is_empty() && !self.shared.linger.is_zero() {
            self.linger_until = Some(Instant::now() + self.shared.linger);
        }
        Some(Batch { queue: Arc::clone(&self.queue), messages, bytes, receipt })
    }
}

/// kombu's `compression` header.
fn compression(properties: &lapin::BasicProperties) -> Option<String> {
    let value = properties.headers().as_ref()?.inner().get("compression")?;
    match value {
        lapin::types::AMQPValue::LongString(text) => {
            Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
        }
        lapin::types::AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// The header in which quorum queues count.
fn delivery_count(properties: &lapin::BasicProperties) -> Option<u64> {
    use lapin::types::AMQPValue;
    match *properties.headers().as_ref()?.inner().get("x-delivery-count")? {
        AMQPValue::LongLongInt(count) => u64::try_from(count).ok(),
        AMQPValue::LongInt(count) => u64::try_from(count).ok(),
        AMQPValue::LongUInt(count) => Some(count.into()),
        AMQPValue::ShortInt(count) => u64::try_from(count).ok(),
        AMQPValue::ShortUInt(count) => Some(count.into()),
        AMQPValue::ShortShortInt(count) => u64::try_from(count).ok(),
        AMQPValue::ShortShortUInt(count) => Some(count.into()),
        _ => None,
    }
}

/// About what a delivery took on the wire: method, header with usual properties, body in frames.
fn wire_bytes(body: u64, exchange: &lapin::types::ShortString, key: &lapin::types::ShortString) -> u64 {
    const FIXED: u64 = 8 + 4 + 3 + 8 + 1 + 2 + 8 + 14 + 35;
    FIXED + (exchange.as_str().len() + key.as_str().len()) as u64 + body + body.div_ceil(64 * 1024) * 8
}
