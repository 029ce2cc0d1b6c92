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
use publishers::gnocchi::Way;
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
    "metric",
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
    /// `nephoscope run`: the metric store in this process, and the directory of what goes to no message bus.
    all_in_one: Option<AllInOne>,
    witness: Witness,
}

/// What `nephoscope run` has in itself.
#[derive(Debug)]
struct AllInOne {
    store: Way,
    /// Otherwise records for `gnocchi://` go to the store.
    gnocchi_is_named: bool,
    state_dir: PathBuf,
}

impl Publishers {
    /// For a role of its own.
    pub(crate) fn new(settings: PublisherSettings) -> Self {
        Self { medium: Arc::new(Disk), settings, all_in_one: None, witness: Witness::nobody() }
    }

    /// For `nephoscope run`: what goes to Gnocchi, unless one `is_named`, is written to the `store` instead, and what goes to
    /// the message bus without a broker's name to files in `state_dir`.
    pub(crate) fn all_in_one(
        settings: PublisherSettings,
        is_named: bool,
        store: Way,
        state_dir: &Path,
    ) -> Self {
        let state_dir = state_dir.to_owned();
        let all_in_one = AllInOne { store, gnocchi_is_named: is_named, state_dir };
        Self { all_in_one: Some(all_in_one), ..Self::new(settings) }
    }

    /// Lets `witness` look at what the publishers exchange with their peers.
    pub(crate) fn with_witness(self, witness: Witness) -> Self {
        Self { witness, ..self }
    }

    fn resolve(&self, url: &PublisherUrl, kind: RecordsKind) -> PublisherUrl {
        match (url.scheme().as_str(), &self.all_in_one) {
            ("notifier", Some(all)) if url.authority().is_empty() => in_files(&all.state_dir, kind),
            _ => url.clone(),
        }
    }

    /// The store in this process, if records for this URL go there.
    fn store(&self, scheme: &str) -> Result<Option<&Way>, BuildError> {
        match (&self.all_in_one, scheme) {
            (Some(all), gnocchi::STORE_SCHEME) => Ok(Some(&all.store)),
            (Some(all), _) if !all.gnocchi_is_named => Ok(Some(&all.store)),
            (None, gnocchi::STORE_SCHEME) => Err(BuildError::Configuration {
                message: "metric:// is the store of `nephoscope run`, and this is another command".into(),
                hint: "write gnocchi://, and the endpoint of `nephoscope metric` into [gnocchi]".into(),
            }),
            _ => Ok(None),
        }
    }

    /// Makes a publisher; none of them touches anything outside before it is prepared or has its first record.
    fn make(&self, url: &PublisherUrl, kind: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        let url = &self.resolve(url, kind);
        let (http, notifier) = (&self.settings.http, &self.settings.notifier);
        let witness = self.witness.clone();
        let scheme = url.scheme();
        Ok(match scheme.as_str() {
            gnocchi::SCHEME | gnocchi::STORE_SCHEME => {
                let store = self.store(&scheme)?;
                return self.settings.gnocchi.publisher(url, store, witness);
            }
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
        if gnocchi::is_meant_by(url) {
            return self.settings.gnocchi.check(url, self.store(&url.scheme())?);
        }
        self.make(url, kind).map(drop)
    }

    fn read_again(&self, url: &PublisherUrl) -> Result<TakeChanges<'_>, BuildError> {
        if gnocchi::is_meant_by(url) {
            return self.settings.gnocchi.read_again(url);
        }
        Ok(Box::new(|| ()))
    }
}
