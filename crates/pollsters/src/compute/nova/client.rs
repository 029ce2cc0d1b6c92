//! [`Client`]: the requests to Nova and Glance.

use model::{Map, Value, json};
use openstack::{Error, Method, RequestBuilder, Service, StatusCode, path_segment};

use crate::rest::{self, Id, Listing};
use crate::{DiscoveryError, MakeError, Tools};

/// The version that each request to Nova names, in both forms: the lowest, for which Ceilometer asks too. A server's
/// flavor has an id in it, which later versions leave out.
const VERSION: [(&str, &str); 2] =
    [("OpenStack-API-Version", "compute 2.1"), ("X-OpenStack-Nova-API-Version", "2.1")];
/// Glance's.
const IMAGE_VERSION: &str = "v2";
/// Bound of one server, flavor or image.
const MAX_ITEM_BYTES: usize = 1 << 20;

const SERVERS: Listing =
    Listing { collection: "servers", kind: "server", id: Id::Attribute("id"), parameters: &[] };
/// Flavors that only some projects may use are listed with this parameter alone, and for administrators.
const FLAVORS: Listing = Listing {
    collection: "flavors",
    kind: "flavor",
    id: Id::Attribute("id"),
    parameters: &[("is_public", "None")],
};

/// Nova and Glance, as `[service_types]` and `[service_credentials]` find them.
#[derive(Debug, Clone)]
pub(super) struct Client {
    nova: Service,
    glance: Service,
}

impl Client {
    /// Sends nothing.
    pub(super) fn new(tools: &Tools) -> Result<Self, MakeError> {
        Ok(Self { nova: tools.service(&tools.compute.nova_service_type)?, glance: tools.service("image")? })
    }

    /// All servers of a host, those of every project; with `since`, those that were created, changed or deleted since.
    pub(super) async fn servers(&self, host: &str, since: Option<&str>) -> Result<Vec<Map>, DiscoveryError> {
        let mut parameters = vec![("all_tenants", "True"), ("host", host)];
        parameters.extend(since.map(|since| ("changes-since", since)));
        let servers = SERVERS.entries(&parameters, || self.get("/servers/detail")).await?;
        Ok(servers.into_iter().map(|(_, server)| server).collect())
    }

    /// A server, whatever its host. [`None`]: Nova has none of that id.
    pub(super) async fn server(&self, id: &str) -> Result<Option<Map>, Error> {
        let Some(id) = segment(id) else { return Ok(None) };
        item(self.get(&format!("/servers/{id}")), Some("server")).await
    }

    /// A flavor. [`None`]: Nova has none of that id; it may have had one when a server was made.
    pub(super) async fn flavor(&self, id: &str) -> Result<Option<Map>, Error> {
        let Some(id) = segment(id) else { return Ok(None) };
        item(self.get(&format!("/flavors/{id}")), Some("flavor")).await
    }

    /// The names of all flavors, each with its id.
    pub(super) async fn flavors(&self) -> Result<Vec<(String, String)>, Error> {
        let flavors = FLAVORS.entries(FLAVORS.parameters, || self.get("/flavors")).await;
        let flavors = flavors.map_err(super::lookup::service_error)?;
        let named = flavors
            .into_iter()
            .filter_map(|(id, flavor)| Some((flavor.get("name")?.as_str()?.to_owned(), id)));
        Ok(named.collect())
    }

    /// An image. [`None`]: Glance has none of that id, or does not show it to us.
    pub(super) async fn image(&self, id: &str) -> Result<Option<Map>, Error> {
        let Some(id) = segment(id) else { return Ok(None) };
        let endpoint = rest::versioned(self.glance.endpoint().await?, IMAGE_VERSION);
        let url = rest::below(&endpoint, &format!("images/{id}"));
        item(self.glance.session.request_to(Method::GET, url), None).await
    }

    fn get(&self, path: &str) -> RequestBuilder {
        let request = self.nova.request(Method::GET, path);
        VERSION.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}

/// An id as the last segment of a path; none if it cannot be one.
fn segment(id: &str) -> Option<String> {
    (!id.bytes().all(|byte| byte == b'.')).then(|| path_segment(id))
}

/// Reads one object, which may stand under a key. An id that the service does not take (400), show (403) or have any more
/// (410) is one that it does not have: asking again would not help, and one bad reference must not stand for all.
async fn item(request: RequestBuilder, key: Option<&str>) -> Result<Option<Map>, Error> {
    let answer = request.body_limit(MAX_ITEM_BYTES).send().await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = match answer.success() {
        Ok(answer) => answer,
        Err(error @ Error::Refused { status, .. }) if matches!(status.as_u16(), 400 | 403 | 410) => {
            tracing::warn!("taken for unknown: {error}");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let document = std::str::from_utf8(&answer.body).ok().and_then(|text| json::parse(text).ok());
    let found = match (document, key) {
        (Some(Value::Map(mut document)), Some(key)) => document.remove(key),
        (document, _) => document,
    };
    match found {
        Some(Value::Map(found)) => Ok(Some(found)),
        _ => Err(Error::Protocol {
            message: format!("{}: not what was asked for: {}", key.unwrap_or("image"), answer.excerpt()),
        }),
    }
}
