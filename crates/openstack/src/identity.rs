//! Keystone's own API: names and ids of projects and users.

use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::request::Target;
use crate::url_path::path_segment;
use crate::{Error, RequestBuilder, Response, ServiceFilter, Session};

/// Bound of a list of domains or projects.
const MAX_LIST_BYTES: usize = 16 << 20;
/// Bound of one project or user.
const MAX_ITEM_BYTES: usize = 1 << 20;

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    domain_id: Option<String>,
}

impl Session {
    /// The id of a project by the names of its domain and itself. An id in place of a name is found too, as
    /// openstacksdk's search does. `None`: Keystone has answered, and there is no such domain or project.
    ///
    /// # Errors
    /// Why Keystone gave no answer; [`Error::Refused`] if it does not let us look.
    pub async fn project_id_by_name(
        &self,
        identity: &ServiceFilter,
        domain: &str,
        project: &str,
    ) -> Result<Option<String>, Error> {
        // Keystone refuses to look for nothing.
        if project.is_empty() {
            return Ok(None);
        }
        let domains =
            self.identity(Method::GET, identity, "domains").body_limit(MAX_LIST_BYTES).send().await?;
        let Some(domain) = pick(list(&domains.success()?, "domains")?, domain) else { return Ok(None) };
        let projects = self
            .identity(Method::GET, identity, "projects")
            .query("domain_id", &domain.id)
            .query("name", project)
            .body_limit(MAX_LIST_BYTES);
        if let Some(found) = pick(list(&projects.send().await?.success()?, "projects")?, project) {
            return Ok(Some(found.id));
        }
        let by_id = self.item(identity, "projects", "project", project).await?;
        Ok(by_id.filter(|found| found.domain_id.as_deref() == Some(domain.id.as_str())).map(|found| found.id))
    }

    /// A project's name. `None`: Keystone does not know the id.
    ///
    /// # Errors
    /// Why Keystone gave no answer; [`Error::Refused`] if it does not let us look.
    pub async fn project_name(&self, identity: &ServiceFilter, id: &str) -> Result<Option<String>, Error> {
        Ok(self.item(identity, "projects", "project", id).await?.and_then(|project| project.name))
    }

    /// A user's name. `None`: Keystone does not know the id.
    ///
    /// # Errors
    /// Why Keystone gave no answer; [`Error::Refused`] if it does not let us look.
    pub async fn user_name(&self, identity: &ServiceFilter, id: &str) -> Result<Option<String>, Error> {
        Ok(self.item(identity, "users", "user", id).await?.and_then(|user| user.name))
    }

    async fn item(
        &self,
        identity: &ServiceFilter,
        collection: &str,
        kind: &str,
        id: &str,
    ) -> Result<Option<Named>, Error> {
        // What is no single segment of a path is no id.
        if id.is_empty() || id.chars().all(|character| character == '.') {
            return Ok(None);
        }
        let path = format!("{collection}/{}", path_segment(id));
        let answer = self.identity(Method::GET, identity, &path).body_limit(MAX_ITEM_BYTES).send().await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.success()?;
        let mut document: Value = answer.json()?;
        let item = document.get_mut(kind).map(Value::take).unwrap_or_default();
        let item = serde_json::from_value(item)
            .map_err(|error| Error::protocol(format!("{}: this is no {kind}: {error}", answer.place())))?;
        Ok(Some(item))
    }

    pub(crate) fn identity(&self, method: Method, filter: &ServiceFilter, path: &str) -> RequestBuilder {
        let target = Target::IdentityV3 { filter: filter.clone(), path: path.to_owned() };
        RequestBuilder::new(self.clone(), method, target)
    }
}

fn list(answer: &Response, collection: &str) -> Result<Vec<Named>, Error> {
    let mut document: Value = answer.json()?;
    let items = document.get_mut(collection).map(Value::take).unwrap_or_default();
    serde_json::from_value(items).map_err(|error| {
        Error::protocol(format!("{}: this is no list of {collection}: {error}", answer.place()))
    })
}

/// The one of that name, else the one of that id.
fn pick(mut items: Vec<Named>, wanted: &str) -> Option<Named> {
    let by_name = items.iter().position(|item| item.name.as_deref() == Some(wanted));
    let place = by_name.or_else(|| items.iter().position(|item| item.id == wanted))?;
    Some(items.swap_remove(place))
}

/// Version 3 of Keystone, from the address that the catalogue has.
pub(crate) fn version_3(mut endpoint: Url) -> Url {
    let path = endpoint.path().trim_end_matches('/').to_owned();
    let path = match path.rsplit_once('/') {
        Some((_, "v3")) => path,
        // The catalogue still names the version that was removed.
        Some((before, "v2.0")) => format!("{before}/v3"),
        _ => format!("{path}/v3"),
    };
    endpoint.set_path(&path);
    endpoint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_3_is_found_from_any_address() {
        for (endpoint, expected) in [
            ("http://k:5000/v3", "http://k:5000/v3"),
            ("http://k:5000/v3/", "http://k:5000/v3"),
            ("http://k:5000", "http://k:5000/v3"),
            ("http://k/identity/", "http://k/identity/v3"),
            ("http://k:5000/v2.0", "http://k:5000/v3"),
        ] {
            assert_eq!(version_3(Url::parse(endpoint).unwrap()).as_str(), expected, "{endpoint}");
        }
    }

    #[test]
    fn a_name_counts_before_an_id() {
        let named = |id: &str, name: &str| Named { id: id.into(), name: Some(name.into()), domain_id: None };
        let items = || vec![named("service", "x"), named("1", "service"), named("default", "Default")];
        let id = |wanted: &str| pick(items(), wanted).map(|found| found.id);
        assert_eq!(id("service").as_deref(), Some("1"));
        assert_eq!(id("default").as_deref(), Some("default"));
        assert_eq!(id("Default").as_deref(), Some("default"));
        assert_eq!(id("default "), None);
    }
}
