//! A private Nova API.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::service::Service;
use crate::{Error, Keystone};

/// Nova's API from PyPI on SQLite, without anything behind it: servers and flavors are written through Nova's own objects.
/// Dropped, it is gone.
#[derive(Debug)]
pub struct Nova {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    url: String,
    log: PathBuf,
    requests: PathBuf,
}

impl Nova {
    /// Starts a Nova whose tokens this Keystone checks, with more options for `nova.conf`, each `group.name=value`. It has
    /// to be entered into the catalogue ([`Cloud::register_service`](crate::Cloud::register_service)).
    pub fn start(keystone: &Keystone, options: &[&str]) -> Result<Self, Error> {
        let mut arguments =
            vec!["--transport-url=fake://".to_owned(), format!("--keystone={}", keystone.url())];
        arguments.extend(options.iter().map(|option| format!("--set={option}")));
        let (service, report) = Service::start_reporting("nova", "nova.py", &arguments)?;
        Ok(Self { service, report })
    }

    /// The public URL, with its version.
    pub fn url(&self) -> &str {
        &self.report.url
    }

    /// Everything that Nova has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// The requests to the API that have been answered so far: method, path with query, and status of each.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.report.requests).unwrap_or_default();
        log.lines().filter(|line| !line.contains(" /-/")).map(str::to_owned).collect()
    }

    /// Makes a flavor with these properties by the names of Nova's object, for example
    /// `{"name": "m1.small", "memory_mb": 512}`; returns its id.
    pub fn create_flavor(&self, properties: &Value) -> Result<String, Error> {
        self.id("create_flavor", properties)
    }

    /// Deletes a flavor. Servers of it stay.
    pub fn delete_flavor(&self, id: &str) -> Result<(), Error> {
        self.call("delete_flavor", &json!({ "id": id })).map(drop)
    }

    /// Makes a server that runs on the host `compute-1`, by the names of Nova's object and `flavor` (an id), `image` (an id)
    /// and `uuid`; returns its UUID.
    pub fn create_server(&self, properties: &Value) -> Result<String, Error> {
        self.id("create_server", properties)
    }

    /// Changes attributes of a server, for example `{"vm_state": "stopped"}`.
    pub fn update_server(&self, id: &str, properties: &Value) -> Result<(), Error> {
        let mut arguments = properties.clone();
        arguments["id"] = Value::from(id);
        self.call("update_server", &arguments).map(drop)
    }

    /// Deletes a server, as compute does when its guest is gone.
    pub fn delete_server(&self, id: &str) -> Result<(), Error> {
        self.call("delete_server", &json!({ "id": id })).map(drop)
    }

    fn id(&self, verb: &str, arguments: &Value) -> Result<String, Error> {
        let answer = self.call(verb, arguments)?;
        answer.as_str().map(str::to_owned).ok_or_else(|| Error::answer(format!("nova: {verb}"), answer))
    }

    fn call(&self, verb: &str, arguments: &Value) -> Result<Value, Error> {
        let mut answer = self.service.command(&format!("{verb} {arguments}"))?;
        Ok(answer["result"].take())
    }
}
