//! A notifier's connection: one channel with confirms, and what has been declared on it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::StreamExt;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Event};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::Shared;
use crate::connection::{self, ConnectError, Link};
use crate::options::FailoverStrategy;
use crate::state::chain;
use crate::topology::{Exchanges, QueueSpec, declare};

/// An open connection.
#[derive(Debug)]
pub(super) struct Live {
    shared: Arc<Shared>,
    link: Link,
    pub(super) channel: Channel,
    exchanges: Exchanges,
    declared: Mutex<HashSet<String>>,
    blocked: Arc<AtomicBool>,
    /// Ends with this connection.
    _watch: JoinSet<()>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.metrics.connected.with([&self.shared.name]).set(0);
        self.shared.state.send_modify(|state| {
            state.endpoint = None;
            state.blocked = None;
        });
    }
}

/// Tries each host once, beginning where the last attempt ended.
pub(super) async fn connect(shared: &Arc<Shared>, next: &AtomicUsize) -> Result<Live, ConnectError> {
    let mut attempts = shared.endpoints.len();
    loop {
        attempts = attempts.saturating_sub(1);
        let index = if shared.profile.options.kombu_failover_strategy == FailoverStrategy::Shuffle {
            fastrand::usize(..shared.endpoints.len())
        } else {
            next.fetch_add(1, Ordering::Relaxed) % shared.endpoints.len()
        };
        match open(shared, index).await {
            Ok(live) => return Ok(live),
            Err(error) => {
                let failures = &shared.metrics.connect_failures;
                failures.with([&shared.name, error.cause()]).inc();
                tracing::warn!(notifier = shared.name, error = chain(&error), "cannot connect");
                if attempts == 0 {
                    return Err(error);
                }
            }
        }
    }
}

async fn open(shared: &Arc<Shared>, index: usize) -> Result<Live, ConnectError> {
    let endpoint = &shared.endpoints[index];
    let link = connection::connect(endpoint, &shared.profile, None).await?;
    let failed = |source| ConnectError::Protocol { endpoint: endpoint.to_string(), source };
    let events = link.connection.events_listener();
    let channel = link.connection.create_channel().await.map_err(failed)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(failed)?;
    tracing::info!(notifier = shared.name, %endpoint, vhost = shared.profile.vhost, "connected");
    shared.metrics.connections.with([&shared.name]).inc();
    shared.metrics.connected.with([&shared.name]).set(1);
    shared.state.send_modify(|state| state.endpoint = Some(endpoint.to_string()));
    let blocked = Arc::new(AtomicBool::new(false));
    let mut watch = JoinSet::new();
    let (watcher, flag) = (Arc::clone(shared), Arc::clone(&blocked));
    watch.spawn(async move {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let reason = match event {
                Event::ConnectionBlocked(reason) => {
                    watcher.metrics.blocked.with([&watcher.name]).inc();
                    tracing::warn!(notifier = watcher.name, reason, "the broker blocks the connection");
                    Some(reason)
                }
                Event::ConnectionUnblocked => {
                    tracing::info!(notifier = watcher.name, "the broker has unblocked the connection");
                    None
                }
                _ => continue,
            };
            flag.store(reason.is_some(), Ordering::Release);
            watcher.state.send_modify(|state| state.blocked = reason);
        }
    });
    Ok(Live {
        shared: Arc::clone(shared),
        link,
        channel,
        exchanges: Exchanges::default(),
        declared: Mutex::default(),
        blocked,
        _watch: watch,
    })
}

impl Live {
    pub(super) fn is_connected(&self) -> bool {
        self.link.connection.status().connected() && self.channel.status().connected()
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    /// Declares exchange, queue and binding for a routing key at its first use, so that nothing is lost before
    /// there is a consumer.
    pub(super) async fn declare(&self, key: &str) -> lapin::Result<()> {
        let mut declared = self.declared.lock().await;
        if declared.contains(key) {
            return Ok(());
        }
        let queue = QueueSpec {
            name: key.to_owned(),
            bindings: vec![(self.shared.exchange.clone(), key.to_owned())],
        };
        let channel =
            declare(&self.link.connection, &self.exchanges, &queue, &self.shared.profile.options).await?;
        channel.close(200, "declared".into()).await?;
        declared.insert(key.to_owned());
        Ok(())
    }

    pub(super) async fn close(self) {
        // `Drop` tells of the end; the link is taken out before it by closing a clone of the handle first.
        if let Err(error) = self.link.connection.close(200, "bye".into()).await {
            tracing::debug!(%error, "connection was not closed in order");
        }
    }
}
