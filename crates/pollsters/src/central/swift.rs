//! Swift: what each project stores.
//!
//! An account's totals come with a HEAD of it, its containers with a GET, page by page; each is asked once in a cycle.

mod containers;

use model::pytext::integer_of;
use model::{MeterKind, Subject, Value};
use openstack::{HeaderMap, Method, Response, StatusCode, Url, path_segment};

use super::accounts::{Account, AccountPollster, Store, patient};
use super::remote::Remote;
use crate::{Cycle, MakeError, Meter, PollError, Pollster, Reading, Tools};

use containers::Containers;

/// `storage.objects`.
pub(super) const OBJECTS: Meter = Meter { name: "storage.objects", kind: MeterKind::Gauge, unit: "object" };

/// `storage.objects.size`.
pub(super) const SIZE: Meter = Meter { name: "storage.objects.size", kind: MeterKind::Gauge, unit: "B" };

/// `storage.objects.containers`.
pub(super) const CONTAINERS: Meter =
    Meter { name: "storage.objects.containers", kind: MeterKind::Gauge, unit: "container" };

/// `storage.containers.objects`.
pub(super) const CONTAINERS_OBJECTS: Meter =
    Meter { name: "storage.containers.objects", kind: MeterKind::Gauge, unit: "object" };

/// `storage.containers.objects.size`.
pub(super) const CONTAINERS_SIZE: Meter =
    Meter { name: "storage.containers.objects.size", kind: MeterKind::Gauge, unit: "B" };

/// The account's number of containers, in the headers of each answer.
const CONTAINER_COUNT: &str = "x-account-container-count";

/// Makes the pollster of [`OBJECTS`].
pub(super) fn objects(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_totals(tools, &OBJECTS, |meter, project, totals| vec![of_account(meter, project, &totals.objects)])
}

/// Makes the pollster of [`SIZE`].
pub(super) fn size(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_totals(tools, &SIZE, |meter, project, totals| vec![of_account(meter, project, &totals.bytes)])
}

/// Makes the pollster of [`CONTAINERS`].
pub(super) fn containers(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_totals(tools, &CONTAINERS, |meter, project, totals| {
        vec![of_account(meter, project, &totals.containers)]
    })
}

/// Makes the pollster of [`CONTAINERS_OBJECTS`].
pub(super) fn containers_objects(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_containers(tools, &CONTAINERS_OBJECTS, |meter, project, containers| {
        containers.readings(meter, project, |container| &container.objects)
    })
}

/// Makes the pollster of [`CONTAINERS_SIZE`].
pub(super) fn containers_size(tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    of_containers(tools, &CONTAINERS_SIZE, |meter, project, containers| {
        containers.readings(meter, project, |container| &container.bytes)
    })
}

fn of_totals(
    tools: &Tools,
    meter: &'static Meter,
    read: fn(&Meter, &str, &Totals) -> Vec<Reading>,
) -> Result<Box<dyn Pollster>, MakeError> {
    Ok(Box::new(AccountPollster { store: Swift::new(tools)?, meter, read }))
}

fn of_containers(
    tools: &Tools,
    meter: &'static Meter,
    read: fn(&Meter, &str, &Containers) -> Vec<Reading>,
) -> Result<Box<dyn Pollster>, MakeError> {
    Ok(Box::new(AccountPollster { store: Swift::new(tools)?, meter, read }))
}

/// The reading of a whole account.
fn of_account(meter: &Meter, project: &str, volume: &Value) -> Reading {
    Reading::of(meter, Subject { project_id: project.into(), ..Subject::new(project) }, volume.clone())
}

/// The service.
#[derive(Debug)]
struct Swift {
    remote: Remote,
    /// What stands before a project's id in its account's name.
    prefix: String,
}

impl Swift {
    fn new(tools: &Tools) -> Result<Self, MakeError> {
        let remote = Remote::new(tools, &tools.central.service_types.swift)?;
        Ok(Self { remote, prefix: tools.central.reseller_prefix.clone() })
    }

    /// Asks for the account of a project; [`None`] if there is none, or none that we may see.
    async fn account(
        &self,
        cycle: &Cycle,
        method: Method,
        (address, project): (&Url, &str),
        query: &[(&str, &str)],
    ) -> Result<Option<Response>, PollError> {
        let url = account(address, &self.prefix, project);
        let request = patient(cycle, self.remote.service().request_to(method, url));
        let request = query.iter().fold(request, |request, (name, value)| request.query(name, value));
        let answer = request.send().await?;
        match answer.status {
            StatusCode::NOT_FOUND => {
                tracing::warn!(project, "Swift has no account of the project");
                Ok(None)
            }
            StatusCode::FORBIDDEN => {
                tracing::error!(
                    project,
                    "Swift does not let us see the project's account: the credentials of [service_credentials] lack the role"
                );
                Ok(None)
            }
            _ => Ok(Some(answer.success()?)),
        }
    }
}

impl Store for Swift {
    const SERVICE: &'static str = "object-store";

    async fn address(&self) -> Result<Option<Url>, PollError> {
        Ok(self.remote.endpoint().await?)
    }
}

/// The address of a project's account. The catalogue's is that of our own account, or ends before its name.
fn account(address: &Url, prefix: &str, project: &str) -> Url {
    let before = address.path().split("/v1").next().unwrap_or_default().trim_end_matches('/');
    let path = format!("{before}/v1/{prefix}{}", path_segment(project));
    let mut url = address.clone();
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// What an account holds.
#[derive(Debug)]
struct Totals {
    objects: Value,
    bytes: Value,
    containers: Value,
}

impl Account for Totals {
    type Store = Swift;

    async fn ask(
        swift: &Swift,
        cycle: &Cycle,
        address: &Url,
        project: &str,
    ) -> Result<Option<Self>, PollError> {
        let answer = swift.account(cycle, Method::HEAD, (address, project), &[]).await?;
        answer.map(|answer| Self::of(&answer.headers)).transpose().map_err(|what| strange(project, &what))
    }
}

impl Totals {
    fn of(headers: &HeaderMap) -> Result<Self, String> {
        let number =
            |name| number(headers, name).ok_or_else(|| format!("no {name}, or none that is a number"));
        Ok(Self {
            objects: number("x-account-object-count")?,
            bytes: number("x-account-bytes-used")?,
            containers: number(CONTAINER_COUNT)?,
        })
    }
}

/// The integer in a header.
fn number(headers: &HeaderMap, name: &str) -> Option<Value> {
    integer_of(&headers.get(name)?.to_str().ok()?.into()).ok()
}

/// An answer that is not understood.
fn strange(project: &str, what: &str) -> PollError {
    PollError::Failed {
        cause: "protocol",
        message: format!("Swift's answer for the project {project} is not understood: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accounts_address_is_found_from_any_of_the_catalogue() {
        for (address, expected) in [
            ("http://s:8080/v1/AUTH_p9", "http://s:8080/v1/AUTH_p1"),
            ("http://s:8080/v1/AUTH_p9/", "http://s:8080/v1/AUTH_p1"),
            ("http://s:8080/v1", "http://s:8080/v1/AUTH_p1"),
            ("http://s:8080", "http://s:8080/v1/AUTH_p1"),
            ("http://s:8080/", "http://s:8080/v1/AUTH_p1"),
            ("https://s/swift/v1?x=y", "https://s/swift/v1/AUTH_p1"),
            ("https://s/object//v1.0/x", "https://s/object/v1/AUTH_p1"),
            ("https://v1.s/", "https://v1.s/v1/AUTH_p1"),
        ] {
            let url = account(&Url::parse(address).unwrap(), "AUTH_", "p1");
            assert_eq!(url.as_str(), expected, "{address}");
        }
        let url = account(&Url::parse("http://s/v1/x").unwrap(), "", "a/b c");
        assert_eq!(url.as_str(), "http://s/v1/a%2Fb%20c");
    }

    #[test]
    fn totals_are_in_the_headers() {
        let headers = |written: [(&'static str, &'static str); 3]| -> HeaderMap {
            written.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        let known = [
            ("x-account-object-count", "7"),
            ("x-account-bytes-used", "99999999999999999999"),
            ("x-account-container-count", "2"),
        ];
        let totals = Totals::of(&headers(known)).unwrap();
        assert_eq!((totals.objects, totals.containers), (Value::Int(7), Value::Int(2)));
        assert_eq!(totals.bytes, Value::BigInt("99999999999999999999".into()));
        let mut wrong = known;
        wrong[2] = ("x-account-container-count", "two");
        assert_eq!(
            Totals::of(&headers(wrong)).unwrap_err(),
            "no x-account-container-count, or none that is a number"
        );
    }
}
