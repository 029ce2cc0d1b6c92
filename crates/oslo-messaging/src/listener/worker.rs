//! One queue on one connection: declare, consume, batch, acknowledge; again after a channel error.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    BasicRejectOptions,
};
use lapin::{Channel, Consumer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::PollSender;

use super::Shared;
use crate::backoff::Backoff;
use crate::batch::{Batch, Delivery, Receipt};
use crate::budget::{Held, Meter};
use crate::connection::Link;
use crate::ledger::{Ledger, Settlement};
use crate::metrics::AmqpMetrics;
use crate::prefetch::Prefetch;
use crate::state::chain;
use crate::topology::{Exchanges, QueueSpec, cause, consumer_arguments, declare};

/// Wait for the broker's answer to one command. Long, because answers stand in line behind deliveries.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);
/// First and longest wait before a queue is tried again after a channel error.
const CHANNEL_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Wait before a queue that was deleted under us is declared again.
const CANCEL_RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// First and longest wait before messages are given back to the queue.
const REQUEUE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Accepted messages are acknowledged after this at the latest.
const ACK_LINGER: Duration = Duration::from_millis(5);
/// As many accepted messages are acknowledged at once, at the latest.
const ACK_MESSAGES: usize = 256;
/// Accepted messages behind an unresolved one are acknowledged one by one after this.
const ACK_EACH_AFTER: Duration = Duration::from_secs(1);
/// Deliveries taken from lapin before anything else is looked at.
const TAKE_MESSAGES: usize = 1024;
/// A working consumer for this long means that the queue is healthy again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// What the workers of one connection share.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Link,
    pub(super) meter: Arc<Meter>,
    pub(super) exchanges: Exchanges,
}

/// Why serving a channel ended.
enum End {
    /// The listener stops, or nobody takes batches.
    Stopped,
    /// The broker cancelled the consumer: the queue was deleted, or its node failed.
    Cancelled,
    /// The channel is unusable.
    Channel { cause: &'static str, error: String },
}

impl From<lapin::Error> for End {
    fn from(error: lapin::Error) -> Self {
        Self::Channel { cause: cause(&error), error: chain(&error) }
    }
}

/// Updates the gauges that are looked at from time to time.
pub(super) fn report(shared: &Shared) {
    let peer = AmqpMetrics::peer(&shared.name);
    let held = i64::try_from(shared.budget.held_bytes()).unwrap_or(i64::MAX);
    shared.metrics.held_bytes.get_or_create(&peer).set(held);
    let pauses = shared.metrics.read_pauses.get_or_create_owned(&peer);
    pauses.inc_by(shared.budget.pauses().saturating_sub(pauses.get()));
}

/// Consumes one queue until the connection ends or the listener stops.
pub(super) async fn run(session: Arc<Session>, queue: QueueSpec, output: mpsc::Sender<Batch>) {
    let shared = Arc::clone(&session.shared);
    let mut errors = Backoff::new(CHANNEL_RETRY.0, CHANNEL_RETRY.1);
    let mut cancels = Backoff::new(CANCEL_RETRY.0, CANCEL_RETRY.1);
    let mut stop = shared.stop.clone();
    while shared.stopping().is_none() {
        let began = Instant::now();
        let end = serve(&session, &queue, &output).await;
        if began.elapsed() >= HEALTHY_AFTER {
            errors.reset();
            cancels.reset();
        }
        let (wait, error) = match end {
            End::Stopped => return,
            // The supervisor sees to a lost connection.
            _ if !session.link.connection.status().connected() => return,
            End::Cancelled => {
                shared.metrics.cancelled.get_or_create(&AmqpMetrics::peer(&shared.name)).inc();
                // Whoever deleted the queue may have deleted exchanges as well.
                session.exchanges.forget().await;
                (cancels.next(), "the broker cancelled the consumer; was the queue deleted?".to_owned())
            }
            End::Channel { cause, error } => {
                let counter = &shared.metrics.channel_errors;
                counter.get_or_create(&AmqpMetrics::cause(&shared.name, cause)).inc();
                session.exchanges.forget().await;
                (errors.next(), error)
            }
        };
        tracing::warn!(
            listener = shared.name,
            queue = queue.name,
            error,
            seconds = wait.as_secs_f32(),
            "queue is not consumed: trying again"
        );
        shared.update(|state| state.last_error = Some(format!("queue {}: {error}", queue.name)));
        tokio::select! {
            () = sleep(wait) => {}
            _ = stop.wait_for(Option::is_some) => {}
        }
    }
}

/// Counts this queue among the consumed ones until dropped.
struct Consumed<'a>(&'a Shared);

impl<'a> Consumed<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.update(|state| {
            state.consumers += 1;
            if state.consumers == state.queues {
                state.last_error = None;
            }
        });
        Self(shared)
    }
}

impl Drop for Consumed<'_> {
    fn drop(&mut self) {
        self.0.update(|state| state.consumers = state.consumers.saturating_sub(1));
    }
}

async fn command<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, End> {
    match timeout(COMMAND_TIMEOUT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(End::Channel {
            cause: "timeout",
            error: format!("no answer within {} s", COMMAND_TIMEOUT.as_secs()),
        }),
    }
}

async fn serve(session: &Session, queue: &QueueSpec, output: &mpsc::Sender<Batch>) -> End {
    let shared = &*session.shared;
    let declared =
        command(declare(&session.link.connection, &session.exchanges, queue, &shared.profile.options));
    let channel = match declared.await {
        Ok(channel) => channel,
        Err(end) => return end,
    };
    let mut worker = Worker::new(session, queue, channel.clone(), output.clone());
    let end = match worker.consume().await {
        Ok(()) => {
            let consumed = Consumed::new(shared);
            let end = worker.work().await;
            drop(consumed);
            end
        }
        Err(end) => end,
    };
    drop(worker);
    // Gives back whatever is not settled, in case the channel outlived the worker.
    if channel.status().connected() {
        let close = channel.close(200, "bye".into());
        if !matches!(timeout(COMMAND_TIMEOUT / 12, close).await, Ok(Ok(()))) {
            tracing::debug!(queue = queue.name, "channel was not closed in order");
        }
    }
    end
}

type Answer<T> = Pin<Box<dyn Future<Output = lapin::Result<T>> + Send>>;

/// How far a change of the prefetch has come. Nothing here is waited for: the worker goes on handing out and
/// acknowledging all the while.
enum Change {
    /// There is none.
    Steady,
    /// The consumer was told to end. What it still delivers is taken; then its stream ends.
    Cancelling(Option<Answer<()>>),
    /// There is no consumer; enough messages must be settled for the new window.
    Draining,
    /// The new consumer was asked for.
    Starting(Answer<Consumer>),
}

/// The counters that every message touches, looked up once.
struct Counters {
    received: Counter,
    received_bytes: Counter,
    redelivered: Counter,
    acknowledged: Counter,
    prefetch: Gauge,
}

struct Worker<'a> {
    shared: &'a Shared,
    meter: &'a Meter,
    queue: Arc<str>,
    channel: Channel,
    output: PollSender<Batch>,
    ledger: Arc<Ledger>,
    counters: Counters,
    stop: watch::Receiver<Option<Instant>>,

    consumer: Option<Consumer>,
    consumers_started: u64,
    prefetch: Prefetch,
    change: Change,
    /// What the prefetch is to become, while it changes.
    wanted: u16,
    /// When an answer that is awaited becomes overdue.
    answer_by: Instant,
    /// Whether the meter counts this worker as busy.
    busy: bool,

    pending: VecDeque<Pending>,
    pending_bytes: u64,
    /// Tag of the first pending delivery.
    pending_first: u64,
    linger_until: Option<Instant>,
    /// A place in the output is reserved.
    reserved: bool,

    flushing: Option<Answer<()>>,
    flush_at: Option<Instant>,
    /// Since when accepted messages have been held up by an unresolved one.
    stuck_since: Option<Instant>,
    requeue: Vec<u64>,
    requeue_at: Option<Instant>,
    requeue_backoff: Backoff,
    requeue_calm_at: Option<Instant>,
}

struct Pending {
    delivery: Delivery,
    held: Held,
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.ledger.close();
        self.set_busy(false);
        self.end_consumer();
        self.counters.prefetch.set(0);
    }
}

impl<'a> Worker<'a> {
    fn new(session: &'a Session, queue: &QueueSpec, channel: Channel, output: mpsc::Sender<Batch>) -> Self {
        let shared = &*session.shared;
        let (peer, metrics) = (AmqpMetrics::peer(&shared.name), &shared.metrics);
        let labels = AmqpMetrics::queue(&shared.name, &queue.name);
        Self {
            shared,
            meter: &session.meter,
            queue: queue.name.as_str().into(),
            channel,
            output: PollSender::new(output),
            ledger: Arc::new(Ledger::new()),
            counters: Counters {
                received: metrics.received.get_or_create_owned(&labels),
                received_bytes: metrics.received_bytes.get_or_create_owned(&peer),
                redelivered: metrics.redelivered.get_or_create_owned(&peer),
                acknowledged: metrics.acknowledged.get_or_create_owned(&peer),
                prefetch: metrics.prefetch.get_or_create_owned(&labels),
            },
            stop: shared.stop.clone(),
            consumer: None,
            consumers_started: 0,
            prefetch: Prefetch::new(shared.profile.options.prefetch(), shared.prefetch_share_bytes),
            change: Change::Steady,
            wanted: 0,
            answer_by: Instant::now(),
            busy: false,
            pending: VecDeque::new(),
            pending_bytes: 0,
            pending_first: 1,
            linger_until: None,
            reserved: false,
            flushing: None,
            flush_at: None,
            stuck_since: None,
            requeue: Vec::new(),
            requeue_at: None,
            requeue_backoff: Backoff::new(REQUEUE.0, REQUEUE.1),
            requeue_calm_at: None,
        }
    }

    /// Asks for a consumer with this prefetch.
    fn start_consumer(&mut self, prefetch: u16) -> Answer<Consumer> {
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

    fn consumer_started(&mut self, consumer: Consumer, prefetch: u16) {
        self.meter.consumer_started();
        self.consumer = Some(consumer);
        self.prefetch.set(prefetch);
        self.counters.prefetch.set(i64::from(prefetch));
        self.change = Change::Steady;
    }

    /// Starts the first consumer.
    async fn consume(&mut self) -> Result<(), End> {
        let prefetch = self.prefetch.current();
        let consumer = command(self.start_consumer(prefetch)).await?;
        self.consumer_started(consumer, prefetch);
        Ok(())
    }

    /// Tells the consumer to end.
    fn cancel(&mut self) {
        let Some(consumer) = &self.consumer else { return };
        let (channel, tag) = (self.channel.clone(), consumer.tag());
        self.answer_by = Instant::now() + COMMAND_TIMEOUT;
        self.change = Change::Cancelling(Some(Box::pin(async move {
            channel.basic_cancel(tag, BasicCancelOptions::default()).await
        })));
    }

    /// The consumer's stream has ended: as we wished, or because the broker cancelled it.
    fn stream_ended(&mut self) -> Result<(), End> {
        self.set_busy(false);
        self.end_consumer();
        if matches!(self.change, Change::Cancelling(_)) {
            self.change = Change::Draining;
            return Ok(());
        }
        Err(End::Cancelled)
    }

    fn end_consumer(&mut self) {
        if self.consumer.take().is_some() {
            self.meter.consumer_ended();
        }
    }

    async fn work(&mut self) -> End {
        match self.work_until_stopped().await {
            Ok(deadline) => self.finish(deadline).await,
            Err(end) => end,
        }
    }

    /// The main loop. Returns the deadline for finishing once the listener is to stop.
    async fn work_until_stopped(&mut self) -> Result<Instant, End> {
        loop {
            self.take_at_hand()?;
            self.hand_out()?;
            self.settle();
            self.adjust_prefetch()?;
            if let Some(deadline) = *self.stop.borrow() {
                return Ok(deadline);
            }
            let timer = self.next_timer();
            let wants_place = !self.reserved && self.batch_is_due();
            let Self { consumer, change, ledger, flushing, output, stop, .. } = &mut *self;
            tokio::select! {
                item = next_delivery(consumer) => {
                    if let Some(item) = item {
                        self.set_busy(true);
                        self.take(item?)?;
                    } else {
                        self.stream_ended()?;
                    }
                }
                answer = answered(change) => {
                    if let Some(consumer) = answer? {
                        let prefetch = self.wanted;
                        self.consumer_started(consumer, prefetch);
                    }
                }
                () = ledger.changed() => {}
                result = flushed(flushing) => {
                    self.flushing = None;
                    result?;
                }
                place = futures_util::future::poll_fn(|cx| output.poll_reserve(cx)), if wants_place => {
                    if place.is_err() {
                        return Err(End::Stopped);
                    }
                    self.reserved = true;
                }
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {}
                changed = stop.changed() => {
                    if changed.is_err() {
                        return Err(End::Stopped);
                    }
                }
            }
        }
    }

    /// Lets what was handed out be resolved, until `deadline`.
    async fn finish(&mut self, deadline: Instant) -> End {
        self.output.abort_send();
        self.reserved = false;
        // Not handed out: the broker keeps them. The same for what comes until the consumer has ended.
        let mut kept = self.pending.len();
        self.pending.clear();
        self.pending_bytes = 0;
        if matches!(self.change, Change::Steady) {
            self.cancel();
        }
        loop {
            self.settle_now(true);
            let standing = self.ledger.standing();
            let under_way = standing.out.saturating_sub(kept);
            if under_way == 0 && standing.accepted == 0 && standing.rejected == 0 && self.flushing.is_none() {
                return End::Stopped;
            }
            let Self { consumer, change, ledger, flushing, .. } = &mut *self;
            tokio::select! {
                item = next_delivery(consumer) => match item {
                    Some(Ok(message)) => {
                        if !ledger.delivered(message.delivery_tag) {
                            return End::Stopped;
                        }
                        kept += 1;
                    }
                    Some(Err(error)) => return error.into(),
                    None => self.end_consumer(),
                },
                answer = answered(change) => match answer {
                    Ok(_) => self.change = Change::Draining,
                    Err(error) => return error.into(),
                },
                () = ledger.changed() => {}
                result = flushed(flushing) => {
                    self.flushing = None;
                    if let Err(error) = result {
                        return error.into();
                    }
                }
                () = sleep_until(deadline) => {
                    tracing::warn!(
                        listener = self.shared.name, queue = &*self.queue, messages = under_way,
                        "stopped with messages unresolved: the broker delivers them again"
                    );
                    return End::Stopped;
                }
            }
        }
    }

    fn set_busy(&mut self, busy: bool) {
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
    fn take_at_hand(&mut self) -> Result<(), End> {
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

    fn take(&mut self, message: lapin::message::Delivery) -> Result<(), End> {
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
            routing_key: message.routing_key.into(),
            exchange: message.exchange.into(),
            redelivered: message.redelivered,
            body,
        };
        if self.pending.is_empty() && !self.shared.linger.is_zero() {
            self.linger_until = Some(Instant::now() + self.shared.linger);
        }
        self.pending_bytes += bytes;
        self.pending.push_back(Pending { delivery, held: self.shared.budget.hold(bytes) });
        Ok(())
    }

    /// Whether what is pending should go out now.
    fn batch_is_due(&self) -> bool {
        !self.pending.is_empty()
            && (self.pending.len() >= self.shared.batch_size
                || self.pending_bytes >= self.shared.batch_bytes
                // A full window will not grow: the broker sends no more.
                || self.pending.len() >= usize::from(self.prefetch.current())
                || self.linger_until.is_none_or(|until| until <= Instant::now()))
    }

    /// Hands out batches while there is room.
    fn hand_out(&mut self) -> Result<(), End> {
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

    fn form_batch(&mut self) -> Option<Batch> {
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

    /// Tells the broker what is due.
    fn settle(&mut self) {
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

    fn settle_now(&mut self, each: bool) {
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

    /// Takes a change of the prefetch one step further, if it is time.
    fn adjust_prefetch(&mut self) -> Result<(), End> {
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

    fn next_timer(&self) -> Option<Instant> {
        let linger = if self.pending.is_empty() || self.batch_is_due() { None } else { self.linger_until };
        let flush = if self.flushing.is_some() { None } else { self.flush_at };
        let requeue = if self.flushing.is_some() { None } else { self.requeue_at };
        let answer = match self.change {
            Change::Cancelling(_) | Change::Starting(_) => Some(self.answer_by),
            Change::Steady | Change::Draining => None,
        };
        [linger, flush, requeue, answer].into_iter().flatten().min()
    }
}

async fn next_delivery(consumer: &mut Option<Consumer>) -> Option<lapin::Result<lapin::message::Delivery>> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => std::future::pending().await,
    }
}

/// The broker's answer to a change, with the new consumer if there is one.
async fn answered(change: &mut Change) -> lapin::Result<Option<Consumer>> {
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

async fn flushed(flushing: &mut Option<Answer<()>>) -> lapin::Result<()> {
    match flushing {
        Some(flush) => flush.await,
        None => std::future::pending().await,
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

/// About what a delivery took on the wire: method, header with usual properties, body in frames.
fn wire_bytes(body: u64, exchange: &lapin::types::ShortString, key: &lapin::types::ShortString) -> u64 {
    const FIXED: u64 = 8 + 4 + 3 + 8 + 1 + 2 + 8 + 14 + 35;
    FIXED + (exchange.as_str().len() + key.as_str().len()) as u64 + body + body.div_ceil(64 * 1024) * 8
}
