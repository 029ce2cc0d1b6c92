//! A private Gnocchi with a PostgreSQL of its own.

mod dump;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::service::Service;
use crate::{Error, Keystone, PostgreSql};

/// Gnocchi from PyPI: its index in a private PostgreSQL, its measures in files, `auth_mode = basic` unless a Keystone is named. Dropped, it is gone.
#[derive(Debug)]
pub struct Gnocchi {
    service: Service,
    report: Report,
    /// Ends after Gnocchi.
    postgresql: PostgreSql,
}

#[derive(Debug, Deserialize)]
struct Report {
    url: String,
    port: u16,
    log: PathBuf,
    requests: PathBuf,
}

impl Gnocchi {
    /// Starts PostgreSQL and Gnocchi, and waits until the API listens.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&[])
    }

    /// The same with `auth_mode = keystone`: that Keystone is asked about each token, every time.
    pub fn start_behind(keystone: &Keystone) -> Result<Self, Error> {
        let of_keystone = [
            ("auth_type", "password"),
            ("auth_url", keystone.url()),
            ("www_authenticate_uri", keystone.url()),
            ("username", keystone.user()),
            ("password", keystone.password()),
            ("user_domain_id", "default"),
            ("project_name", "admin"),
            ("project_domain_id", "default"),
            ("interface", "public"),
            ("token_cache_time", "-1"),
        ];
        let mut arguments = vec!["--set=api.auth_mode=keystone".to_owned()];
        let of_keystone = of_keystone.iter();
        arguments.extend(of_keystone.map(|(name, value)| format!("--set=keystone_authtoken.{name}={value}")));
        Self::start_with(&arguments)
    }

    fn start_with(more: &[String]) -> Result<Self, Error> {
        let postgresql = PostgreSql::start()?;
        let arguments = [&[format!("--indexer-url={}", postgresql.url())], more].concat();
        let (service, report) = Service::start_reporting("gnocchi", "gnocchi.py", &arguments)?;
        Ok(Self { service, report, postgresql })
    }

    /// The API's URL, without a version.
    pub fn url(&self) -> &str {
        &self.report.url
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.report.port
    }

    /// Ends the API and the worker at once; data and port are kept.
    pub fn kill(&self) -> Result<(), Error> {
        self.service.command("kill").map(drop)
    }

    /// Starts them after [`Self::kill`].
    pub fn start_again(&self) -> Result<(), Error> {
        self.service.command("start").map(drop)
    }

    /// Ends it, and starts it with `auth_mode = keystone` without the filter that validates tokens: the headers `X-User-Id`,
    /// `X-Project-Id` and `X-Roles` are believed, as behind a proxy that sets them. [`Self::request`] is refused from now on.
    pub fn restart_without_authentication(&self) -> Result<(), Error> {
        self.restart_with(&json!({ "mode": "noauth" }))
    }

    /// Ends it, and starts it with `auth_mode = keystone`: tokens are validated. [`Self::request`] is refused from now on.
    pub fn restart_with_keystone(&self, keystone: &Keystone) -> Result<(), Error> {
        self.restart_with(&json!({
            "mode": "keystone", "url": keystone.url(), "user": keystone.user(), "password": keystone.password(),
        }))
    }

    fn restart_with(&self, how: &Value) -> Result<(), Error> {
        self.kill()?;
        self.service.command(&format!("auth {how}"))?;
        self.start_again()
    }

    /// The database of the index.
    pub const fn postgresql(&self) -> &PostgreSql {
        &self.postgresql
    }

    /// Everything that the API has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// The requests that the API has answered so far: method, path with query, and status of each.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.report.requests).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Its API, as the administrator.
    pub const fn api(&self) -> GnocchiApi {
        GnocchiApi::at(self.report.port)
    }

    /// What the API answers to the administrator. `path` begins with `/`.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), Error> {
        self.api().request(method, path, body)
    }

    /// What the API has at a path, as JSON.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        self.api().get(path)
    }

    /// See [`GnocchiApi::dump`].
    pub fn dump(&self) -> Result<BTreeMap<String, Value>, Error> {
        self.api().dump()
    }
}

/// The API of any Gnocchi, or of what speaks as one, on 127.0.0.1, asked as the administrator of `auth_mode = basic`.
#[derive(Debug, Clone, Copy)]
pub struct GnocchiApi {
    port: u16,
}

impl GnocchiApi {
    /// The API on this port.
    pub const fn at(port: u16) -> Self {
        Self { port }
    }

    /// Its URL, without a version.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the API answers to the administrator. `path` begins with `/`.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), Error> {
        let what = format!("gnocchi: {method} {path}");
        let answer = self.exchange(method, path, body).map_err(|error| Error::io(what.as_str(), error))?;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| Error::answer(what.as_str(), head))?;
        let text = text.trim();
        let json = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(text) };
        Ok((status, json.map_err(|error| Error::answer(what, format!("{error}: {text}")))?))
    }

    /// What the API has at a path, as JSON.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        match self.request("GET", path, None)? {
            (200, found) => Ok(found),
            (status, found) => {
                Err(Error::refused(format!("gnocchi: GET {path}"), format!("{status}: {found}")))
            }
        }
    }

    fn exchange(self, method: &str, path: &str, body: Option<&Value>) -> io::Result<String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        // The older version of HTTP has no chunks.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: gnocchi\r\nAuthorization: {BASIC_ADMIN}\r\nAccept: application/json\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// `admin:` in Base64.
const BASIC_ADMIN: &str = "basic YWRtaW46";
/// Longest answer of a loaded machine.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);
