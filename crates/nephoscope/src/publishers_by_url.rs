//! Which publishers exist: from a URL's scheme to the code behind it.

use std::path::Path;
use std::sync::Arc;

use buffer::medium::{Disk, Medium};
use pipeline::{BuildError, Publisher, PublisherFactory, PublisherUrl, RecordsKind};
use publishers::file::{FileOptions, FilePublisher};

use crate::gnocchi::{self, Gnocchi};

/// Publishers of Ceilometer that are not there yet.
const LATER: &[&str] =
    &["notifier", "http", "https", "prometheus", "opentelemetryhttp", "udp", "tcp", "zaqar", "test"];

/// Makes publishers for the roles.
#[derive(Debug)]
pub(crate) struct Publishers {
    medium: Arc<dyn Medium>,
    gnocchi: Gnocchi,
    /// Otherwise its records go to files.
    gnocchi_is_there: bool,
    /// `nephoscope run`: where records for `gnocchi://` are written until the embedded store exists.
    state_dir: Option<std::path::PathBuf>,
}

impl Publishers {
    /// For a role of its own.
    pub(crate) fn new(gnocchi: Gnocchi) -> Self {
        Self { medium: Arc::new(Disk), gnocchi, gnocchi_is_there: true, state_dir: None }
    }

    /// For `nephoscope run`: what goes to the message bus, and to Gnocchi unless one `is_there`, is written to files in
    /// `state_dir` instead.
    pub(crate) fn all_in_one(gnocchi: Gnocchi, is_there: bool, state_dir: &Path) -> Self {
        Self { gnocchi_is_there: is_there, state_dir: Some(state_dir.to_owned()), ..Self::new(gnocchi) }
    }

    /// Whether records for `url` go to Gnocchi.
    fn is_for_gnocchi(&self, url: &PublisherUrl) -> bool {
        self.gnocchi_is_there && url.scheme() == gnocchi::SCHEME
    }

    fn resolve(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<PublisherUrl, BuildError> {
        let scheme = url.scheme();
        match (scheme.as_str(), &self.state_dir) {
            ("file", _) => Ok(url.clone()),
            ("gnocchi" | "notifier", Some(state_dir)) => {
                Ok(PublisherUrl::new(&format!("file://{}/{kind}.json?json", state_dir.display())))
            }
            (scheme, _) if LATER.contains(&scheme) => Err(BuildError::Configuration {
                message: format!("the publisher {scheme} is not part of this version"),
                hint: "use file:///PATH?json for now, or keep Ceilometer's agent for this pipeline".into(),
            }),
            (scheme, _) => Err(BuildError::Configuration {
                message: format!("there is no publisher {scheme:?}"),
                hint: format!("the publishers are file, gnocchi, {}", LATER.join(", ")),
            }),
        }
    }
}

impl PublisherFactory for Publishers {
    fn build(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        if self.is_for_gnocchi(url) {
            return self.gnocchi.publisher(url);
        }
        let url = self.resolve(url, kind)?;
        Ok(Box::new(FilePublisher::new(&url, Arc::clone(&self.medium))?))
    }

    fn check(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<(), BuildError> {
        if self.is_for_gnocchi(url) {
            return self.gnocchi.check(url);
        }
        FileOptions::from_url(&self.resolve(url, kind)?).map(|_| ())
    }
}
