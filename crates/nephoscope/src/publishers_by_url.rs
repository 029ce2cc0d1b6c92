//! Which publishers exist: from a URL's scheme to the code behind it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::{Disk, Medium};
use observability::clock::Clock;
use oslo_config::CredentialsOf;
use pipeline::{BuildError, Publisher, PublisherFactory, PublisherUrl, RecordsKind, TakeChanges};
use publishers::Witness;
use publishers::exporter::ExporterPublisher;
use publishers::file::FilePublisher;
use publishers::http::HttpPublisher;
use publishers::in_memory::TestPublisher;
use publishers::notifier::NotifierPublisher;
use publishers::opentelemetry::OpenTelemetryPublisher;
use publishers::otlp::OtlpPublisher;
use publishers::prometheus::PrometheusPublisher;
use publishers::remote_write::RemoteWritePublisher;
use publishers::tcp::TcpPublisher;
use publishers::udp::UdpPublisher;
use publishers::zaqar::{ZaqarOptions, ZaqarPublisher};

use crate::check::with_sources;
use crate::gnocchi;
use crate::settings::PublisherSettings;

/// Publishers that there are.
const THERE: &[&str] = &[
    "gnocchi",
    "file",
    "notifier",
    "http",
    "https",
    "prometheus",
    "prometheus+remotewrite",
    "prometheus+exporter",
    "opentelemetryhttp",
    "otlp+grpc",
    "otlp+grpcs",
    "otlp+http",
    "otlp+https",
    "udp",
    "tcp",
    "zaqar",
    "test",
];

/// Makes publishers for the roles.
#[derive(Debug)]
pub(crate) struct Publishers {
    medium: Arc<dyn Medium>,
    settings: PublisherSettings,
    /// Otherwise records for Gnocchi go to files.
    gnocchi_is_there: bool,
    /// `nephoscope run`: where records for `gnocchi://` are written until the embedded store exists.
    state_dir: Option<PathBuf>,
    witness: Witness,
}

impl Publishers {
    /// For a role of its own.
    pub(crate) fn new(settings: PublisherSettings) -> Self {
        Self {
            medium: Arc::new(Disk),
            settings,
            gnocchi_is_there: true,
            state_dir: None,
            witness: Witness::nobody(),
        }
    }

    /// For `nephoscope run`: what goes to Gnocchi unless one `is_there`, or to the message bus without a broker's name, is
    /// written to files in `state_dir` instead.
    pub(crate) fn all_in_one(settings: PublisherSettings, is_there: bool, state_dir: &Path) -> Self {
        Self { gnocchi_is_there: is_there, state_dir: Some(state_dir.to_owned()), ..Self::new(settings) }
    }

    /// Lets `witness` look at what the publishers exchange with their peers.
    pub(crate) fn with_witness(self, witness: Witness) -> Self {
        Self { witness, ..self }
    }

    fn resolve(&self, url: &PublisherUrl, kind: RecordsKind) -> PublisherUrl {
        match (url.scheme().as_str(), &self.state_dir) {
            (gnocchi::SCHEME, Some(state_dir)) if !self.gnocchi_is_there => in_files(state_dir, kind),
            ("notifier", Some(state_dir)) if url.authority().is_empty() => in_files(state_dir, kind),
            _ => url.clone(),
        }
    }

    /// Makes a publisher; none of them touches anything outside before it is prepared or has its first record.
    fn make(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        let url = &self.resolve(url, kind);
        let (http, notifier) = (&self.settings.http, &self.settings.notifier);
        let witness = self.witness.clone();
        let scheme = url.scheme();
        Ok(match scheme.as_str() {
            gnocchi::SCHEME => return self.settings.gnocchi.publisher(url, witness),
            "file" => Box::new(FilePublisher::new(url, Arc::clone(&self.medium))?),
            "notifier" => Box::new(NotifierPublisher::new(url, kind, notifier, witness)?),
            "http" | "https" => Box::new(HttpPublisher::new(url, http, witness)?),
            "prometheus" => Box::new(PrometheusPublisher::new(url, kind, http, witness)?),
            "prometheus+remotewrite" => Box::new(RemoteWritePublisher::new(url, kind, http, witness)?),
            "prometheus+exporter" => {
                let metrics = self.settings.exporter.clone();
                Box::new(ExporterPublisher::new(url, kind, metrics, Clock::machine(), witness)?)
            }
            "opentelemetryhttp" => Box::new(OpenTelemetryPublisher::new(url, kind, http, witness)?),
            "otlp+grpc" | "otlp+grpcs" | "otlp+http" | "otlp+https" => {
                Box::new(OtlpPublisher::new(url, kind, http, witness)?)
            }
            "udp" => Box::new(UdpPublisher::new(url, kind, &notifier.secret, witness)?),
            "tcp" => Box::new(TcpPublisher::new(url, kind, &notifier.secret, &notifier.host, witness)?),
            "zaqar" => {
                let options = ZaqarOptions::from_url(url)?;
                let service = self.settings.sessions.service(CredentialsOf::Zaqar, "messaging", None);
                let service = service.map_err(|error| BuildError::Configuration {
                    message: with_sources(&error),
                    hint: "the credentials of the zaqar publisher are those of [zaqar] auth_section".into(),
                })?;
                let client_id = uuid::Uuid::new_v4().simple().to_string();
                Box::new(ZaqarPublisher::new(options, service, &client_id, witness))
            }
            "test" => Box::new(TestPublisher::new(witness)),
            scheme => {
                return Err(BuildError::Configuration {
                    message: format!("there is no publisher {scheme:?}"),
                    hint: format!("the publishers are {}", THERE.join(", ")),
                });
            }
        })
    }
}

fn in_files(state_dir: &Path, kind: RecordsKind) -> PublisherUrl {
    PublisherUrl::new(&format!("file://{}/{kind}.json?json", state_dir.display()))
}

impl PublisherFactory for Publishers {
    fn build(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        self.make(url, kind)
    }

    fn check(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<(), BuildError> {
        let resolved = self.resolve(url, kind);
        if resolved.scheme() == gnocchi::SCHEME {
            return self.settings.gnocchi.check(&resolved);
        }
        self.make(url, kind).map(drop)
    }

    fn read_again(&self, url: &PublisherUrl) -> Result<TakeChanges<'_>, BuildError> {
        if url.scheme() == gnocchi::SCHEME && self.gnocchi_is_there {
            return self.settings.gnocchi.read_again(url);
        }
        Ok(Box::new(|| ()))
    }
}
