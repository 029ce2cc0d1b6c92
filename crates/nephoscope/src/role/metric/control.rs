//! The control socket of a process that has the metric store open: what `nephoscope metric stats`, `backup` and
//! `restore --replace` talk to.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use metric::{Metrics as Store, Replacement};
use model::Value;
use observability::control::{ControlClient, ControlMetrics, ControlServer, ControlSocket};
use observability::metrics::Metrics;
use observability::supervisor::Supervisor;
use tokio_util::sync::CancellationToken;

use super::super::restart::{Restart, Turn};
use super::MetricSettings;
use crate::check::with_sources;
use crate::metric_commands::protocol::{self, Request};
use crate::metric_commands::{backup_value, replacement_value, restoration, stats_value, unfinished};
use crate::tap::protocol as lines;

/// A client that waits hears in such intervals that it is worth it.
const WORKING: Duration = Duration::from_secs(2);

/// What requests are done with.
#[derive(Clone)]
struct Hands {
    store: Store,
    restoration: Result<metric::Restoration, String>,
    restart: Restart,
    stop: CancellationToken,
}

/// Serves the socket of the settings. A server that cannot have its socket does its work all the same.
pub(super) fn start(
    settings: &MetricSettings,
    metrics: &Metrics,
    supervisor: &Supervisor,
    store: &Store,
    restart: &Restart,
) {
    let path = &settings.control_socket;
    let counters = ControlMetrics::register(&metrics.component("metric_control"));
    let bound = ControlSocket::bind(path).map_err(|error| error.to_string());
    let server = bound.and_then(|socket| {
        ControlServer::new(socket, counters).map_err(|error| format!("{}: {error}", path.display()))
    });
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            tracing::warn!(
                "no control socket, so `nephoscope metric backup` cannot reach this process: {error}"
            );
            return;
        }
    };
    let stop = supervisor.token().clone();
    let hands = Hands {
        store: store.clone(),
        restoration: restoration(&settings.directory, &settings.index),
        restart: restart.clone(),
        stop: stop.clone(),
    };
    let handler = move |request: String, mut client: ControlClient| {
        let hands = hands.clone();
        async move {
            if let Some(request) = Request::read(&request) {
                answer(request, client, &hands).await;
            } else {
                let words = "the request is not {\"metric\": …}: this process knows no other";
                let _ = client.send(&lines::error(words)).await;
            }
        }
    };
    supervisor.spawn_once("metric-control", async move {
        server.serve(stop, handler).await;
        Ok::<(), Infallible>(())
    });
}

/// Does what a client asks for. The work goes on when the client has gone.
async fn answer(request: Result<Request, String>, mut client: ControlClient, hands: &Hands) {
    let request = match request {
        Ok(request) => request,
        Err(reason) => {
            let _ = client.send(&lines::error(&reason)).await;
            return;
        }
    };
    let mut is_there = client.send(&lines::greeting()).await.is_ok();
    let work = done(&request, hands);
    tokio::pin!(work);
    let mut waited = Duration::ZERO;
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            () = tokio::time::sleep(WORKING) => {
                waited += WORKING;
                if is_there {
                    is_there = client.send(&protocol::working(waited.as_secs())).await.is_ok();
                }
            }
        }
    };
    match result {
        Ok((value, turn)) => {
            let _ = client.send(&protocol::done(request.key(), value)).await;
            if let Some(turn) = turn {
                turn.restart();
            }
        }
        Err(reason) => {
            let _ = client.send(&lines::error(&reason)).await;
        }
    }
}

/// The result, and the restart that is due when it has been told.
async fn done(request: &Request, hands: &Hands) -> Result<(Value, Option<Turn>), String> {
    match request {
        Request::Stats => {
            let usage = hands.store.usage().await.map_err(|refusal| refusal.to_string())?;
            Ok((stats_value(&usage), None))
        }
        Request::Backup(directory) => match hands.store.backup(directory).await {
            Ok(manifest) => {
                let (files, bytes) = (manifest.files.len(), manifest.bytes());
                tracing::info!(directory = %directory.display(), files, bytes, "a backup was made");
                Ok((backup_value(&manifest), None))
            }
            Err(error) => {
                let reason = with_sources(&error);
                tracing::warn!(directory = %directory.display(), "no backup: {reason}");
                let is_untouched = matches!(error, metric::BackupError::NotEmpty { .. });
                Err(if is_untouched { reason } else { format!("{}: {reason}", unfinished(directory)) })
            }
        },
        Request::Restore(directory) => {
            let turn = hands.restart.begin().ok_or("another restoration is under way")?;
            tracing::info!(directory = %directory.display(), "a backup is looked at and copied, to be restored");
            match restored(directory, hands).await {
                Ok(value) => Ok((value, Some(turn))),
                Err(reason) => {
                    tracing::warn!(directory = %directory.display(), "nothing is restored: {reason}");
                    Err(reason)
                }
            }
        }
    }
}

/// Copies a backup, and decides that the next start opens it.
async fn restored(directory: &Path, hands: &Hands) -> Result<Value, String> {
    let target = hands.restoration.as_ref().map_err(Clone::clone)?;
    let replacement = Replacement::prepare(directory, target, hands.store.clock().clone()).await;
    let replacement = replacement.map_err(|error| with_sources(&error))?;
    if hands.stop.is_cancelled() {
        replacement.discard().await;
        return Err("the server is about to end".to_owned());
    }
    let value = replacement_value(&replacement);
    let (files, bytes) = (replacement.manifest.files.len(), replacement.manifest.bytes());
    replacement.decide().await.map_err(|error| with_sources(&error))?;
    tracing::info!(
        directory = %directory.display(), files, bytes,
        "the backup lies ready: this process ends in order and starts anew with it"
    );
    Ok(value)
}
