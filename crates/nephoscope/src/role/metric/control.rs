//! The control socket of a process that has the metric store open: what `nephoscope metric stats` and `backup` talk to.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use metric::Metrics as Store;
use model::Value;
use observability::control::{ControlClient, ControlMetrics, ControlServer, ControlSocket};
use observability::metrics::Metrics;
use observability::supervisor::Supervisor;

use crate::metric_commands::protocol::{self, Request};
use crate::metric_commands::{backup_value, stats_value, unfinished};
use crate::tap::protocol as lines;

/// A client that waits hears in such intervals that it is worth it.
const WORKING: Duration = Duration::from_secs(2);

/// Serves `path`. A server that cannot have its socket does its work all the same.
pub(super) fn start(path: &Path, metrics: &Metrics, supervisor: &Supervisor, store: &Store) {
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
    let (store, stop) = (store.clone(), supervisor.token().clone());
    let handler = move |request: String, mut client: ControlClient| {
        let store = store.clone();
        async move {
            if let Some(request) = Request::read(&request) {
                answer(request, client, &store).await;
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
pub(in crate::role) async fn answer(
    request: Result<Request, String>,
    mut client: ControlClient,
    store: &Store,
) {
    let request = match request {
        Ok(request) => request,
        Err(reason) => {
            let _ = client.send(&lines::error(&reason)).await;
            return;
        }
    };
    let mut is_there = client.send(&lines::greeting()).await.is_ok();
    let work = done(&request, store);
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
    let line = match result {
        Ok(value) => protocol::done(request.key(), value),
        Err(reason) => lines::error(&reason),
    };
    let _ = client.send(&line).await;
}

async fn done(request: &Request, store: &Store) -> Result<Value, String> {
    match request {
        Request::Stats => {
            let usage = store.usage().await.map_err(|refusal| refusal.to_string())?;
            Ok(stats_value(&usage))
        }
        Request::Backup(directory) => match store.backup(directory).await {
            Ok(manifest) => {
                let (files, bytes) = (manifest.files.len(), manifest.bytes());
                tracing::info!(directory = %directory.display(), files, bytes, "a backup was made");
                Ok(backup_value(&manifest))
            }
            Err(error) => {
                let reason = crate::check::with_sources(&error);
                tracing::warn!(directory = %directory.display(), "no backup: {reason}");
                let is_untouched = matches!(error, metric::BackupError::NotEmpty { .. });
                Err(if is_untouched { reason } else { format!("{}: {reason}", unfinished(directory)) })
            }
        },
    }
}
