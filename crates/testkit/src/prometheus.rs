//! A private Prometheus.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::service::Service;

/// Longest answer of a loaded machine.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// Debian's Prometheus with its remote write receiver, on a port of its own, its data in a private directory. Dropped, it is
/// gone.
#[derive(Debug)]
pub struct Prometheus {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    port: u16,
    log: PathBuf,
}

/// A series that a query found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its labels, with its name, sorted.
    pub labels: Vec<(String, String)>,
    /// Times in milliseconds and the texts of the values.
    pub values: Vec<(i64, String)>,
}

impl Prometheus {
    /// Starts one that scrapes nothing, and waits until it is ready.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&[])
    }

    /// Starts one that scrapes these URLs every second.
    pub fn scraping(urls: &[String]) -> Result<Self, Error> {
        let mut arguments: Vec<String> = urls.iter().map(|url| format!("--scrape={url}")).collect();
        // An answer may take as long, also where both ends share a busy machine.
        arguments.push("--interval=3s".to_owned());
        Self::start_with(&arguments)
    }

    /// Starts one that scrapes these URLs every second, and writes what it finds to another one, as the administrator of a
    /// Gnocchi with `auth_mode = basic`.
    pub fn writing(scraped: &[String], to: &str) -> Result<Self, Error> {
        let mut arguments: Vec<String> = scraped.iter().map(|url| format!("--scrape={url}")).collect();
        arguments.push(format!("--remote-write={to}"));
        Self::start_with(&arguments)
    }

    fn start_with(arguments: &[String]) -> Result<Self, Error> {
        let (service, report) = Service::start_reporting("prometheus", "prometheus.py", arguments)?;
        Ok(Self { service, report })
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.report.port)
    }

    /// Kills it with -9; data and port are kept.
    pub fn kill(&self) -> Result<(), Error> {
        self.service.command("kill").map(drop)
    }

    /// Starts it after [`Self::kill`], and waits until it is ready.
    pub fn start_again(&self) -> Result<(), Error> {
        self.service.command("start").map(drop)
    }

    /// Everything that it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// The raw samples that an instant query finds, such as `{__name__=~"ceilometer_.*"}[1h]`.
    pub fn query(&self, query: &str) -> Result<Vec<Found>, Error> {
        self.found(&format!("/api/v1/query?query={}", encoded(query)))
    }

    /// The same at a time, in seconds since 1970.
    pub fn query_at(&self, query: &str, seconds: i64) -> Result<Vec<Found>, Error> {
        self.found(&format!("/api/v1/query?query={}&time={seconds}", encoded(query)))
    }

    fn found(&self, path: &str) -> Result<Vec<Found>, Error> {
        let data = self.get(path)?;
        let result = data["result"].as_array().cloned().unwrap_or_default();
        Ok(result.iter().map(found).collect())
    }

    /// What the API has at a path: `data` of a successful answer.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        let what = format!("prometheus: GET {path}");
        let answer = self.exchange(path).map_err(|error| Error::io(what.as_str(), error))?;
        let (_, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let json: Value = serde_json::from_str(text)
            .map_err(|error| Error::answer(what.as_str(), format!("{error}: {answer}")))?;
        if json["status"] == "success" { Ok(json["data"].clone()) } else { Err(Error::refused(what, text)) }
    }

    fn exchange(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.report.port))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        // The older version of HTTP has no chunks.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: prometheus\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// A series of an answer, whether it has one value or many.
fn found(series: &Value) -> Found {
    let labels = series["metric"].as_object().into_iter().flatten();
    let mut labels: Vec<(String, String)> =
        labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    labels.sort();
    let one = series.get("value").into_iter();
    let many = series["values"].as_array().into_iter().flatten();
    let values = one.chain(many).map(|pair| {
        // Seconds with three decimals: the nearest integer of a thousand times that is exact.
        #[expect(clippy::cast_possible_truncation, reason = "times of tests are far below the bound")]
        let milliseconds = (pair[0].as_f64().unwrap_or_default() * 1000.0).round() as i64;
        (milliseconds, pair[1].as_str().unwrap_or_default().to_owned())
    });
    Found { values: values.collect(), labels }
}

/// A text for a query string.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric();
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}
