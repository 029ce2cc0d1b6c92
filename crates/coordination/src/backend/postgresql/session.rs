//! One connection to a PostgreSQL, made when it is needed and made again when it is gone.

use std::error::Error;
use std::fmt;
use std::pin::{Pin, pin};
use std::time::Duration;

use redis::ServerError;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

use super::tls::Tls;
use crate::url::{Encryption, PostgreSqlUrl};
use crate::{BackendError, UrlError};

/// How the server's administrator sees who is connected.
const APPLICATION: &str = "nephoscope coordination";
/// More causes than this are not shown.
const MAX_CAUSES: usize = 8;

/// Values with their types.
pub(super) type Parameters<'p> = &'p [(&'p (dyn ToSql + Sync), Type)];

/// What moves the bytes. It is polled while something is asked, and rests in between.
type Driver = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// One statement with its parameters, or several without any.
#[derive(Clone, Copy)]
struct Question<'q> {
    statements: &'q str,
    parameters: Option<Parameters<'q>>,
}

struct Session {
    client: Client,
    driver: Driver,
}

/// Why the server did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection, or it broke.
    Broken(String),
    /// The server's answer.
    Refused { code: SqlState, reason: String },
}

pub(super) struct Server {
    config: Config,
    tls: Option<Tls>,
    shown: String,
    limit: Duration,
    session: tokio::sync::Mutex<Option<Session>>,
}

impl Server {
    /// Connects to nothing yet.
    pub(super) fn new(url: &PostgreSqlUrl, limit: Duration) -> Result<Self, UrlError> {
        let mut config = Config::new();
        config.host(&url.host).port(url.port).application_name(APPLICATION);
        if let Some(user) = &url.user {
            config.user(user);
        }
        if let Some(password) = &url.password {
            config.password(password.expose());
        }
        if let Some(database) = &url.database {
            config.dbname(database);
        }
        let is_socket = url.host.starts_with('/');
        let (mode, options) = match &url.encryption {
            // As libpq has it: a socket is not encrypted.
            _ if is_socket => (SslMode::Disable, None),
            Encryption::Never => (SslMode::Disable, None),
            Encryption::Preferred(options) => (SslMode::Prefer, Some(options)),
            Encryption::Always(options) => (SslMode::Require, Some(options)),
        };
        config.ssl_mode(mode);
        let tls = options.map(Tls::new).transpose().map_err(|error| UrlError {
            message: format!("TLS towards {}: {error}", url.host),
            hint: "correct sslrootcert, sslcert or sslkey".to_owned(),
        })?;
        let shown = if is_socket { url.host.clone() } else { format!("{}:{}", url.host, url.port) };
        Ok(Self { config, tls, shown, limit, session: tokio::sync::Mutex::default() })
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        format!("PostgreSQL at {}", self.shown)
    }

    /// Waits for something that asks the server once or several times, and gives it up when it takes too long.
    pub(super) async fn within_limit<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, BackendError> {
        let done = tokio::time::timeout(self.limit, work).await;
        let server = self.name();
        Ok(match done {
            Err(_) => Err(ServerError::Timeout { server, limit: self.limit }),
            Ok(Err(Failure::Broken(reason))) => Err(ServerError::Connection { server, reason }),
            Ok(Err(Failure::Refused { reason, .. })) => Err(ServerError::Answer { server, reason }),
            Ok(Ok(value)) => Ok(value),
        }?)
    }

    /// Runs a statement that may be run twice.
    pub(super) async fn query(
        &self,
        statement: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Failure> {
        self.ask(Question { statements: statement, parameters: Some(parameters) }).await
    }

    /// Runs statements that may be run twice, in one transaction.
    pub(super) async fn run(&self, statements: &str) -> Result<(), Failure> {
        self.ask(Question { statements, parameters: None }).await.map(drop)
    }

    async fn ask(&self, question: Question<'_>) -> Result<Vec<Row>, Failure> {
        let mut place = self.session.lock().await;
        // Whatever interrupts us: a session that is not put back is closed, so that no answer is taken for another's.
        if let Some(mut session) = place.take() {
            match session.ask(question).await {
                // The server has closed it while it was idle.
                Err(Failure::Broken(_)) => {}
                other => {
                    *place = Some(session);
                    return other;
                }
            }
        }
        let mut session = self.connect().await?;
        let answered = session.ask(question).await;
        if !matches!(answered, Err(Failure::Broken(_))) {
            *place = Some(session);
        }
        answered
    }

    async fn connect(&self) -> Result<Session, Failure> {
        match &self.tls {
            None => {
                let (client, connection) =
                    self.config.connect(NoTls).await.map_err(|error| failure(&error))?;
                Ok(Session { client, driver: Box::pin(connection) })
            }
            Some(tls) => {
                let connected = self.config.connect(tls.clone()).await;
                let (client, connection) = connected.map_err(|error| failure(&error))?;
                Ok(Session { client, driver: Box::pin(connection) })
            }
        }
    }
}

impl Session {
    async fn ask(&mut self, question: Question<'_>) -> Result<Vec<Row>, Failure> {
        let mut asking = pin!(question.put_to(&self.client));
        let ended = tokio::select! {
            biased;
            answered = &mut asking => return answered.map_err(|error| failure(&error)),
            ended = &mut self.driver => ended,
        };
        match ended {
            Err(error) => Err(Failure::Broken(explain(&error))),
            Ok(()) => Err(Failure::Broken("the connection was closed".to_owned())),
        }
    }
}

impl Question<'_> {
    async fn put_to(self, client: &Client) -> Result<Vec<Row>, tokio_postgres::Error> {
        match self.parameters {
            Some(parameters) => client.query_typed(self.statements, parameters).await,
            None => client.batch_execute(self.statements).await.map(|()| Vec::new()),
        }
    }
}

fn failure(error: &tokio_postgres::Error) -> Failure {
    let reason = explain(error);
    match error.code() {
        // It starts, stops, or has too many connections: another time it may answer.
        Some(code) if ["08", "53", "57"].iter().any(|class| code.code().starts_with(class)) => {
            Failure::Broken(reason)
        }
        Some(code) => Failure::Refused { code: code.clone(), reason },
        None => Failure::Broken(reason),
    }
}

/// The error with its causes, in one line.
fn explain(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    for _ in 0..MAX_CAUSES {
        let Some(cause) = source else { break };
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name()).finish_non_exhaustive()
    }
}
