//! Requests and commands, page by page.

mod another;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use definitions::DynamicPollster;
use definitions::dynamic::{ApplyError, Request, TemplateError};
use model::{Map, Value};
use observability::clock::Clock;
use openstack::{Method, Service, Url};

use super::answer::{AnswerError, is_empty, read};
use super::authentication::Challenges;
use super::cache::Responses;
use super::command::{self, CommandError, Environment};
use super::discovery::payload;
use crate::reading::Stopped;
use crate::{MakeError, PollError, Resource, Tools};

/// The time for a request, where the definition does not say otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Pages of one answer at most: about where Ceilometer, which calls itself for each, ends with an error as well.
const PAGES_MAX: usize = 1_000;
/// Entries of one answer, all pages together, at most.
const ENTRIES_MAX: usize = 1_000_000;
/// The longest page, in bytes.
const PAGE_MAX: usize = 64 << 20;
/// All pages of an answer together, in bytes.
const ANSWER_MAX: usize = 256 << 20;

/// To whom a request goes.
#[derive(Debug)]
pub(super) enum Target {
    /// A service's endpoint.
    Endpoint(Url),
    /// An API, with these credentials.
    Credentials(String),
    /// Whom the definition alone names.
    Nothing,
}

/// Why something could not be asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Service(#[from] openstack::Error),
    #[error("{0}")]
    Make(MakeError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("cannot read {0}: {1}")]
    Resource(Resource, &'static str),
    #[error("{0}")]
    Transport(String),
    #[error("{0}")]
    Address(String),
    #[error("{0}")]
    Endless(String),
    #[error("{0}")]
    Credentials(String),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<AskError> for PollError {
    fn from(error: AskError) -> Self {
        let cause = match &error {
            AskError::Service(_) => "service",
            AskError::Make(_) => "configuration",
            AskError::Template(_) => "expression",
            AskError::Apply(_) => "attribute",
            AskError::Answer(_) => "protocol",
            AskError::Command(_) => "command",
            AskError::Resource(..) => "resource",
            AskError::Transport(_) => "unavailable",
            AskError::Address(_) => "address",
            AskError::Endless(_) => "endless",
            AskError::Credentials(_) => "credentials",
            AskError::Stopped(_) => "stopped",
        };
        match error {
            AskError::Service(error) => Self::Service(error),
            AskError::Stopped(stopped) => Self::Stopped(stopped),
            other => Self::Failed { cause, message: other.to_string() },
        }
    }
}

/// Asks on behalf of one pollster.
pub(super) struct Asker {
    pollster: String,
    cloud: Result<Service, MakeError>,
    /// For APIs outside of OpenStack; the error is that of the TLS files.
    http: Result<reqwest::Client, String>,
    environment: Environment,
    clock: Clock,
    responses: Responses,
    challenges: Challenges,
}

/// What is asked: an address or a command.
enum Question {
    Address(Url),
    Command(String),
}

impl Question {
    /// What tells it from others.
    fn key(&self) -> &str {
        match self {
            Self::Address(url) => url.as_str(),
            Self::Command(command) => command,
        }
    }
}

impl Asker {
    pub(super) fn new(
        pollster: &str,
        tools: &Tools,
        http: Result<reqwest::Client, String>,
        environment: Environment,
        responses: Responses,
    ) -> Self {
        Self {
            pollster: pollster.to_owned(),
            cloud: tools.service("identity"),
            http,
            environment,
            clock: tools.clock.clone(),
            responses,
            challenges: Challenges::default(),
        }
    }

    fn cloud(&self) -> Result<&Service, AskError> {
        self.cloud.as_ref().map_err(|error| AskError::Make(error.clone()))
    }

    /// The endpoints of a type of service.
    pub(super) async fn endpoints(&self, service_type: &str) -> Result<Vec<Url>, AskError> {
        Ok(self.cloud()?.other(service_type).endpoints().await?)
    }

    /// The contents of a secret of Barbican.
    pub(super) async fn secret(&self, id: &str) -> Result<String, AskError> {
        Ok(String::from_utf8_lossy(&payload(self.cloud()?, id).await?).into_owned())
    }

    /// The entries of all pages, each with its owners. With `base` it is for a field of extra metadata, whose answers are used again for the time
    /// `cache`.
    pub(super) async fn entries(
        &self,
        definition: &DynamicPollster,
        target: &Target,
        base: Option<&[Value; 3]>,
        cache: Option<Duration>,
    ) -> Result<Vec<Map>, AskError> {
        let cache = cache.unwrap_or_default();
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        let mut next: Option<String> = None;
        let mut bytes = 0;
        for _ in 0..PAGES_MAX {
            let question = question(definition, target, next.as_deref(), base)?;
            if !seen.insert(question.key().to_owned()) {
                tracing::warn!(
                    pollster = definition.name,
                    "a page leads to one that was read: taken for the last"
                );
                return Ok(entries);
            }
            let key = (!cache.is_zero()).then(|| self.key(definition, &question));
            let known = key.as_ref().and_then(|key| self.responses.get(key, self.clock.monotonic()));
            let answer = if let Some(answer) = known {
                answer
            } else {
                let text = self.ask(definition, target, &question).await?;
                bytes += text.len();
                if bytes > ANSWER_MAX {
                    return Err(AskError::Endless(format!("the answer has more than {ANSWER_MAX} bytes")));
                }
                let answer = Arc::new(read(&definition.handlers, &text)?);
                if let Some(key) = key.filter(|_| !is_empty(&answer)) {
                    let now = self.clock.monotonic();
                    self.responses.put(&key, &answer, now, now.plus(cache));
                }
                answer
            };
            if is_empty(&answer) {
                return Ok(entries);
            }
            for mut entry in definition.entries(&answer)? {
                definition.own(&mut entry)?;
                entries.push(entry);
                // Expressions of many entries must not keep other pollsters waiting.
                tokio::task::yield_now().await;
            }
            if entries.len() > ENTRIES_MAX {
                return Err(AskError::Endless(format!("the answer has more than {ENTRIES_MAX} entries")));
            }
            next = definition.next(&answer)?;
            if next.is_none() {
                return Ok(entries);
            }
        }
        Err(AskError::Endless(format!(
            "more than {PAGES_MAX} pages; taken for a service that goes round in circles"
        )))
    }

    /// What an answer is remembered by: everything that makes it what it is.
    fn key(&self, definition: &DynamicPollster, question: &Question) -> String {
        let DynamicPollster { name, handlers, headers, .. } = definition;
        format!("{} {name} {handlers:?} {headers:?} {}", self.pollster, question.key())
    }

    async fn ask(
        &self,
        definition: &DynamicPollster,
        target: &Target,
        question: &Question,
    ) -> Result<String, AskError> {
        let url = match question {
            Question::Command(command) => {
                let limit = definition.timeout.unwrap_or(command::TIMEOUT);
                return Ok(command::shell(command, &self.environment, limit, PAGE_MAX, &self.clock).await?);
            }
            Question::Address(url) => url.clone(),
        };
        let timeout = definition.timeout.unwrap_or(REQUEST_TIMEOUT);
        let Request::External { .. } = &definition.request else {
            let mut request = self.cloud()?.session.request_to(Method::GET, url).header("accept", "*/*");
            for (name, value) in &definition.headers {
                request = request.header(name, value);
            }
            let answer = request.deadline(timeout).body_limit(PAGE_MAX).send().await?.success()?;
            return Ok(String::from_utf8_lossy(&answer.body).into_owned());
        };
        self.ask_another(definition, target, &url, timeout).await
    }
}

/// What is asked: at first what the definition says, then where the last answer led.
fn question(
    definition: &DynamicPollster,
    target: &Target,
    next: Option<&str>,
    base: Option<&[Value; 3]>,
) -> Result<Question, AskError> {
    let address = |text: &str, base: &str| {
        let mut base = base.to_owned();
        if !base.ends_with('/') {
            base.push('/');
        }
        let url = Url::parse(&base).and_then(|base| base.join(text));
        let url = url.map_err(|error| AskError::Address(format!("{text:?} is no address: {error}")))?;
        if matches!(url.scheme(), "http" | "https") {
            Ok(Question::Address(url))
        } else {
            Err(AskError::Address(format!("{text:?} is no address of HTTP")))
        }
    };
    match (&definition.request, next) {
        // What an answer says is never evaluated.
        (Request::Command(_), Some(next)) => Ok(Question::Command(next.to_owned())),
        (Request::Command(command), None) => Ok(Question::Command(command.render(base)?)),
        (Request::External { url, .. }, next) => {
            address(next.unwrap_or_default(), url).map(|question| match next {
                // Without the slash that further pages are relative to.
                None => Url::parse(url).map_or(question, Question::Address),
                Some(_) => question,
            })
        }
        (Request::OpenStack { path, .. }, next) => {
            let Target::Endpoint(endpoint) = target else {
                return Err(AskError::Address("there is no endpoint".to_owned()));
            };
            match next {
                Some(next) => address(next, endpoint.as_str()),
                None => address(&path.render(base)?, endpoint.as_str()),
            }
        }
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("responses", &self.responses).finish_non_exhaustive()
    }
}
