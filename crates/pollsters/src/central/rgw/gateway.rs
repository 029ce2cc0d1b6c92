//! [`Gateway`]: requests to the gateway's interface for administrators.

use std::sync::atomic::{AtomicBool, Ordering};

use nephoscope_http::{TlsError, TlsOptions, TlsVersion};
use observability::secret::Secret;
use openstack::{AuthOptions, Method, Session, SessionOptions, StatusCode, Traffic, Url};

use crate::aws::{Version4Key, sign_version_4};
use crate::central::accounts::{Store, patient};
use crate::central::remote::Remote;
use crate::central::settings::RgwSettings;
use crate::{Cycle, MakeError, PollError, Tools};

/// The interface, at the root of the gateway's host whatever the catalogue's path.
const ADMIN: &str = "/admin";
/// The gateway takes any region that it does not know for its own zone group.
const REGION: &str = "us-east-1";

/// The gateway.
#[derive(Debug)]
pub(super) struct Gateway {
    /// None: it is configured neither by type nor by name.
    remote: Option<Remote>,
    /// Requests without a token, over TLS of their own; else why there cannot be any.
    door: Result<Door, String>,
    is_unknown_told: AtomicBool,
}

#[derive(Debug)]
struct Door {
    session: Session,
    access_key: String,
    secret_key: Secret<String>,
    implicit_tenants: bool,
}

impl Gateway {
    /// Sends nothing. What is wrong with the options is said when it is polled, since it may not be.
    pub(super) fn new(tools: &Tools) -> Result<Self, MakeError> {
        let settings = &tools.central.rgw;
        let service_type =
            tools.central.service_types.radosgw.as_deref().filter(|written| !written.is_empty());
        let name = settings.service_name.as_deref().filter(|written| !written.is_empty());
        let remote = match (service_type, name) {
            (None, None) => None,
            (service_type, name) => Some(Remote::new(tools, service_type.unwrap_or_default())?.named(name)),
        };
        let door = Door::new(settings, &tools.traffic);
        Ok(Self { remote, door, is_unknown_told: AtomicBool::new(false) })
    }

    fn door(&self) -> Result<&Door, PollError> {
        let wrong = |message: &String| PollError::Failed { cause: "configuration", message: message.clone() };
        self.door.as_ref().map_err(wrong)
    }

    /// Asks for what a project has; [`None`] if the gateway does not know it.
    pub(super) async fn ask(
        &self,
        cycle: &Cycle,
        address: &Url,
        what: &str,
        project: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Option<String>, PollError> {
        let door = self.door()?;
        let url = door.url(address, what, project, parameters);
        let headers = sign_version_4(&url, &[], door.key(), cycle.clock.now());
        let request = door.session.request_to(Method::GET, url).service(Self::SERVICE).unauthenticated();
        let request = patient(cycle, request);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer = request.send().await?;
        if answer.status == StatusCode::NOT_FOUND {
            tracing::debug!(project, "the gateway has no user for the project");
            return Ok(None);
        }
        let answer = answer.success()?;
        let text = String::from_utf8(answer.body.to_vec());
        text.map(Some).map_err(|_| strange(what, project, &answer.excerpt()))
    }
}

impl Store for Gateway {
    const SERVICE: &'static str = "radosgw";

    async fn address(&self) -> Result<Option<Url>, PollError> {
        let Some(remote) = &self.remote else {
            if !self.is_unknown_told.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "the Ceph Object Gateway is not polled: set [service_types] radosgw or [rgw_client] rgw_service_name to \
                     its type or name in the catalogue, or leave radosgw.* out of polling.yaml"
                );
            }
            return Ok(None);
        };
        self.door()?;
        let Some(mut url) = remote.endpoint().await? else { return Ok(None) };
        url.set_path(ADMIN);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Some(url))
    }
}

impl Door {
    fn new(settings: &RgwSettings, traffic: &Traffic) -> Result<Self, String> {
        let missing = |option| {
            format!(
                "[rgw_admin_credentials] {option} is not set; write the key of a user with the caps usage=read, buckets=read"
            )
        };
        let access_key = settings.access_key.clone().ok_or_else(|| missing("access_key"))?;
        let secret_key = settings.secret_key.clone().ok_or_else(|| missing("secret_key"))?;
        let tls = tls(settings).map_err(|error| format!("[rgw_client]: {error}"))?;
        let options = SessionOptions { tls, ..SessionOptions::new(AuthOptions::None { endpoint: None }) };
        let session = Session::new(options).map_err(|error| format!("[rgw_client]: {error}"))?;
        let session = session.with_traffic(traffic.clone());
        Ok(Self { session, access_key, secret_key, implicit_tenants: settings.implicit_tenants })
    }

    fn key(&self) -> Version4Key<'_> {
        Version4Key {
            access: &self.access_key,
            secret: self.secret_key.expose(),
            region: REGION,
            service: "s3",
        }
    }

    fn url(&self, address: &Url, what: &str, project: &str, parameters: &[(&str, &str)]) -> Url {
        let user = if self.implicit_tenants { format!("{project}${project}") } else { project.to_owned() };
        let mut url = address.clone();
        url.set_path(&format!("{ADMIN}/{what}"));
        url.query_pairs_mut().append_pair("uid", &user).extend_pairs(parameters);
        url
    }
}

fn tls(settings: &RgwSettings) -> Result<TlsOptions, TlsError> {
    let version = |written: &Option<String>| written.as_deref().map(TlsVersion::parse).transpose();
    Ok(TlsOptions {
        insecure: settings.insecure,
        // As in Ceilometer, nothing is checked against it while nothing is checked.
        cafile: settings.cafile.as_ref().filter(|_| !settings.insecure).map(Into::into),
        min_version: version(&settings.tls_min_version)?,
        max_version: version(&settings.tls_max_version)?,
        ..TlsOptions::default()
    })
}

/// An answer that is not understood.
pub(super) fn strange(what: &str, project: &str, text: &str) -> PollError {
    /// Characters of the answer that are shown.
    const SHOWN: usize = 200;
    let text: String = text.chars().take(SHOWN).collect();
    PollError::Failed {
        cause: "protocol",
        message: format!(
            "the gateway's answer for the {what} of the project {project} is not understood: {text:?}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use observability::clock::Clock;
    use observability::metrics::Metrics;
    use openstack::{TrafficLimits, TrafficMetrics};

    use super::*;

    fn made(settings: &RgwSettings) -> Result<Door, String> {
        let metrics = TrafficMetrics::register(&Metrics::new().component("openstack"));
        Door::new(settings, &Traffic::new(TrafficLimits::default(), Clock::machine(), metrics))
    }

    fn settings() -> RgwSettings {
        RgwSettings {
            access_key: Some("access".into()),
            secret_key: Some("swordfish".to_owned().into()),
            ..RgwSettings::default()
        }
    }

    #[test]
    fn a_project_is_asked_for_by_its_user() {
        let address = Url::parse("https://rgw:8080/admin").unwrap();
        for (implicit_tenants, expected) in [
            (false, "https://rgw:8080/admin/bucket?uid=p1&stats=true"),
            (true, "https://rgw:8080/admin/bucket?uid=p1%24p1&stats=true"),
        ] {
            let door = made(&RgwSettings { implicit_tenants, ..settings() }).unwrap();
            assert_eq!(door.url(&address, "bucket", "p1", &[("stats", "true")]).as_str(), expected);
        }
    }

    #[test]
    fn what_is_wrong_with_the_options_is_named_and_secrets_are_not_shown() {
        let door = made(&settings()).unwrap();
        assert!(!format!("{door:?}").contains("swordfish"));
        for (settings, beginning) in [
            (
                RgwSettings { access_key: None, ..settings() },
                "[rgw_admin_credentials] access_key is not set; ",
            ),
            (
                RgwSettings { secret_key: None, ..settings() },
                "[rgw_admin_credentials] secret_key is not set; ",
            ),
            (
                RgwSettings { insecure: false, cafile: Some("/nowhere/ca.pem".into()), ..settings() },
                "[rgw_client]: cannot read ",
            ),
            (
                RgwSettings {
                    tls_min_version: Some("1.3".into()),
                    tls_max_version: Some("1.2".into()),
                    ..settings()
                },
                "[rgw_client]: the lowest TLS version",
            ),
        ] {
            let error = made(&settings).unwrap_err();
            assert!(error.starts_with(beginning), "{error}");
        }
        assert!(made(&RgwSettings { cafile: Some("/nowhere/ca.pem".into()), ..settings() }).is_ok());
    }
}
