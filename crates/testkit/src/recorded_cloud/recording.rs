//! [`Recording`]: the files of recorded answers.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::Error;

/// The recorded answers of several services.
#[derive(Debug, Clone)]
pub struct Recording {
    pub(super) services: Vec<RecordedService>,
}

/// One file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedService {
    #[serde(skip)]
    pub(super) file: String,
    source: Option<String>,
    version: Option<String>,
    command: Option<String>,
    pub(super) catalog: Option<CatalogEntry>,
    #[serde(default)]
    meters: Vec<String>,
    pub(super) answers: Vec<RecordedAnswer>,
}

/// The service in the catalogue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogEntry {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) path: String,
    /// What the catalogue names instead of this server.
    #[serde(skip)]
    pub(super) server: Option<String>,
}

/// What is answered to which request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedAnswer {
    source: Option<String>,
    version: Option<String>,
    command: Option<String>,
    pub(super) request: String,
    #[serde(default)]
    pub(super) below: Below,
    #[serde(default)]
    pub(super) query: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) request_headers: BTreeMap<String, String>,
    #[serde(default = "ok")]
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) pages: Option<Pages>,
    #[serde(default)]
    pub(super) body: Value,
}

const fn ok() -> u16 {
    200
}

/// What a request's path is below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Below {
    /// The service's address in the catalogue.
    #[default]
    Service,
    /// The first segment of that address.
    Root,
    /// The server.
    Server,
}

/// How a list is given page by page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    pub(super) list: String,
    pub(super) link: Option<String>,
    pub(super) marker: String,
}

impl Recording {
    /// Reads every `*.json` of a directory, in the order of their names.
    ///
    /// # Errors
    /// A file that cannot be read or understood, or that does not say where an answer comes from.
    pub fn read(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let listed = std::fs::read_dir(directory).map_err(|error| Error::io(describe(directory), error))?;
        let mut files: Vec<_> = listed.filter_map(Result::ok).map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let mut services = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(|error| Error::io(describe(&file), error))?;
            let mut service: RecordedService = serde_json::from_str(&text)
                .map_err(|error| Error::refused(describe(&file), error.to_string()))?;
            service.file =
                file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            for answer in &service.answers {
                let is_complete = [
                    (&answer.source, &service.source),
                    (&answer.version, &service.version),
                    (&answer.command, &service.command),
                ]
                .iter()
                .all(|(own, shared)| own.as_ref().or(shared.as_ref()).is_some_and(|text| !text.is_empty()));
                if !is_complete {
                    let reason = format!("{}: source, version or command is missing", answer.request);
                    return Err(Error::refused(describe(&file), reason));
                }
            }
            services.push(service);
        }
        Ok(Self { services })
    }

    /// The pollsters that are to be compared, with the file that says so.
    #[must_use]
    pub fn meters(&self) -> Vec<(String, String)> {
        let services = self.services.iter();
        let of = |service: &RecordedService| {
            let named = |meter: &String| (service.file.clone(), meter.clone());
            service.meters.iter().map(named).collect::<Vec<_>>()
        };
        services.flat_map(of).collect()
    }

    /// Makes so many copies of the first entry of each list of that name, each with a marker of its own, in place of the
    /// recorded entries.
    #[must_use]
    pub fn with_copies(mut self, list: &str, count: usize) -> Self {
        for answer in self.services.iter_mut().flat_map(|service| &mut service.answers) {
            let Some(pages) = answer.pages.as_ref().filter(|pages| pages.list == list) else { continue };
            let Some(entries) = answer.body.get_mut(list).and_then(Value::as_array_mut) else { continue };
            let Some(first) = entries.first().cloned() else { continue };
            let copy = |place: usize| {
                let mut copy = first.clone();
                if let Some(marker) = copy.get_mut(&pages.marker) {
                    *marker = format!("00000000-0000-4000-8000-{place:012x}").into();
                }
                copy
            };
            *entries = (0..count).map(copy).collect();
        }
        self
    }

    /// The catalogue leads to the service of that type by another address than the server's own.
    #[must_use]
    pub fn elsewhere(mut self, kind: &str, server: &str) -> Self {
        let entries = self.services.iter_mut().filter_map(|service| service.catalog.as_mut());
        for entry in entries.filter(|entry| entry.kind == kind) {
            entry.server = Some(server.to_owned());
        }
        self
    }

    /// Without the services of these types: neither in the catalogue nor at their addresses.
    #[must_use]
    pub fn without(mut self, kinds: &[&str]) -> Self {
        self.services.retain(|service| {
            let kind = service.catalog.as_ref().map(|entry| entry.kind.as_str());
            kind.is_none_or(|kind| !kinds.contains(&kind))
        });
        self
    }
}

fn describe(path: &Path) -> String {
    format!("recorded answers {}", path.display())
}
