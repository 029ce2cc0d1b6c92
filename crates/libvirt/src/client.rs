//! A connection that is made anew when it is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::error::Error;
use crate::options::ConnectOptions;
use crate::uri::Uri;

/// First wait after a failed attempt to connect.
pub const DEFAULT_FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait.
pub const DEFAULT_LAST_WAIT: Duration = Duration::from_secs(30);
/// How many doublings of the first wait are counted.
const DOUBLINGS_MAX: u32 = 16;

/// Gives out one shared connection, and makes another when that has ended.
///
/// Attempts that fail are followed by waits that double, with jitter. Nothing happens in the background: whoever asks
/// for the connection makes the attempt, and others who ask meanwhile wait for its result.
#[derive(Debug)]
pub struct Client {
    uri: Uri,
    options: ConnectOptions,
    first_wait: Duration,
    last_wait: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    count: u32,
    next_attempt: Instant,
    error: Arc<Error>,
}

impl Client {
    /// Does nothing yet.
    pub fn new(uri: Uri, options: ConnectOptions) -> Self {
        Self {
            uri,
            options,
            first_wait: DEFAULT_FIRST_WAIT,
            last_wait: DEFAULT_LAST_WAIT,
            state: Mutex::default(),
        }
    }

    /// With other waits between attempts.
    #[must_use]
    pub fn with_waits(self, first: Duration, last: Duration) -> Self {
        Self { first_wait: first, last_wait: last.max(first), ..self }
    }

    /// The URI.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The connection: the one that there is, or a new one.
    ///
    /// Soon after a failed attempt the answer is [`Error::Waiting`], at once.
    pub async fn connection(&self) -> Result<Connection, Error> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection
            && connection.closed().is_none()
        {
            return Ok(connection.clone());
        }
        state.connection = None;
        if let Some(failure) = &state.failure {
            let left = failure.next_attempt.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(Error::Waiting { left, last: Arc::clone(&failure.error) });
            }
        }
        match Connection::open(&self.uri, &self.options).await {
            Ok(connection) => {
                state.failure = None;
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                let count = state.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
                let next_attempt = Instant::now() + self.wait(count);
                let error = Arc::new(error);
                state.failure = Some(Failure { count, next_attempt, error: Arc::clone(&error) });
                drop(state);
                Err(Arc::unwrap_or_clone(error))
            }
        }
    }

    /// The connection, waited for over as many attempts as `limit` allows.
    pub async fn wait_for_connection(&self, limit: Duration) -> Result<Connection, Error> {
        let end = Instant::now() + limit;
        loop {
            let error = match self.connection().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let wait = match &error {
                Error::Waiting { left, .. } => *left,
                _ => Duration::ZERO,
            };
            if Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Ends the connection, so that the next one who asks gets a new one. What was waited for in vain, a daemon that
    /// hangs for example, is left behind.
    pub async fn abandon(&self, connection: &Connection) {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(|current| current.id() == connection.id()) {
            state.connection = None;
        }
        drop(state);
        connection.abandon();
    }

    /// Says good-bye.
    pub async fn close(&self) {
        let connection = self.state.lock().await.connection.take();
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    /// The wait after so many failures in a row, give or take a quarter.
    fn wait(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let wait = self.first_wait.saturating_mul(1 << doublings).min(self.last_wait);
        wait.mul_f64(0.75 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let client = Client::new("test:///default".parse().unwrap(), ConnectOptions::default())
            .with_waits(Duration::from_secs(1), Duration::from_secs(5));
        for (failures, expected) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (100, 5.0)] {
            let wait = client.wait(failures).as_secs_f64();
            assert!((expected * 0.75..=expected * 1.25).contains(&wait), "{wait} for {expected}");
        }
    }

    #[tokio::test]
    async fn an_absent_daemon_is_not_asked_again_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let options = ConnectOptions { runtime_dir: dir.path().to_owned(), ..Default::default() };
        let client = Client::new("qemu:///system".parse().unwrap(), options)
            .with_waits(Duration::from_mins(1), Duration::from_mins(2));
        let error = client.connection().await.unwrap_err();
        assert!(matches!(error, Error::NoSocket { .. }), "{error}");
        let error = client.connection().await.unwrap_err();
        assert!(matches!(error, Error::Waiting { .. }) && error.is_disconnection(), "{error}");
        let error = client.wait_for_connection(Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(error, Error::NoSocket { .. } | Error::Waiting { .. }), "{error}");
    }
}
