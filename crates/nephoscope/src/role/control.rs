//! The control socket of a running process: what `nephoscope tap` talks to.

use std::convert::Infallible;
use std::path::Path;

use observability::control::{ControlClient, ControlMetrics, ControlServer, ControlSocket};
use observability::supervisor::Supervisor;
use pipeline::{Tap, TapFilter, TapSubscription};
use tokio_util::sync::CancellationToken;

use super::House;
use crate::tap::protocol;

/// Bytes of records that are printed at a time, about.
const PIECE_BYTES: usize = 256 * 1024;

/// Serves `path`. An agent that cannot have its socket does its work all the same.
pub(super) fn start(path: &Path, house: &House, watchers: &Supervisor, tap: &Tap) {
    let metrics = ControlMetrics::register(&house.metrics.component("control"));
    let bound = ControlSocket::bind(path).map_err(|error| error.to_string());
    let server = bound.and_then(|socket| {
        ControlServer::new(socket, metrics).map_err(|error| format!("{}: {error}", path.display()))
    });
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            tracing::warn!("no control socket, so `nephoscope tap` cannot look into this process: {error}");
            return;
        }
    };
    tracing::debug!(path = %path.display(), "control socket");
    let (tap, stop) = (tap.clone(), watchers.token().clone());
    let stopped = stop.clone();
    let handler = move |request: String, client: ControlClient| {
        let (tap, stop) = (tap.clone(), stopped.clone());
        async move { converse(&request, client, &tap, &stop).await }
    };
    watchers.spawn_once("control", async move {
        server.serve(stop, handler).await;
        Ok::<(), Infallible>(())
    });
}

/// Shows a client what it asks for until either side ends.
async fn converse(request: &str, mut client: ControlClient, tap: &Tap, stop: &CancellationToken) {
    let mut subscription = match subscribe(request, tap) {
        Ok(subscription) => subscription,
        Err(reason) => {
            let _ = client.send(&protocol::error(&reason)).await;
            return;
        }
    };
    if client.send(&protocol::greeting()).await.is_err() {
        return;
    }
    loop {
        let seen = tokio::select! {
            seen = subscription.next(PIECE_BYTES) => seen,
            () = client.gone() => return,
            () = stop.cancelled() => {
                let _ = client.send(&protocol::end()).await;
                return;
            }
        };
        // Not on the threads that convert.
        let Ok(text) = tokio::task::spawn_blocking(move || protocol::lines(&seen)).await else { return };
        let sent = tokio::select! {
            sent = client.send(&text) => sent,
            () = stop.cancelled() => return,
        };
        if let Err(error) = sent {
            tracing::debug!("a tap ended: {error}");
            return;
        }
    }
}

fn subscribe(request: &str, tap: &Tap) -> Result<TapSubscription, String> {
    let query = protocol::query(request)?;
    let filter = TapFilter::new(&query).map_err(|error| error.to_string())?;
    tap.subscribe(filter).map_err(|error| error.to_string())
}
