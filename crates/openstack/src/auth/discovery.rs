//! Which versions Keystone has, and where: its version document, by keystoneauth's rules.

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::Error;
use crate::request::{Outgoing, exchange};
use crate::url_path::shown;

/// Bound of a version document.
const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// States of a version that may be used.
const USABLE: [&str; 4] = ["stable", "current", "supported", "deprecated"];

/// The address of Keystone's version 3, found from `auth_url`.
///
/// If there is no version document, or no Keystone at all, the address itself must name the version.
pub(super) async fn identity_v3(client: &reqwest::Client, auth_url: &Url) -> Result<Url, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let outgoing = Outgoing {
        method: Method::GET,
        url: auth_url.clone(),
        headers,
        body: bytes::Bytes::new(),
        body_limit: MAX_DOCUMENT_BYTES,
    };
    let answer = exchange(client, &outgoing).await;
    let problem = match &answer {
        // A root answers 300 and lists what there is.
        Ok(response) if response.status.as_u16() < 400 => {
            match serde_json::from_slice::<Value>(&response.body).ok().as_ref().and_then(versions) {
                Some(versions) => return choose(auth_url, &versions),
                None => Error::protocol(format!("{}: this is no version document", response.place())),
            }
        }
        Ok(response) => response.error().unwrap_or_else(|| Error::protocol("no version document")),
        Err(error) => error.clone(),
    };
    if auth_url.path().to_ascii_lowercase().starts_with("/v3") {
        tracing::debug!(auth_url = shown(auth_url), "Keystone tells no versions, auth_url does: {problem}");
        return Ok(auth_url.clone());
    }
    Err(match problem {
        Error::Refused { message, .. } => Error::Credentials {
            message: format!("{message} (auth_url should be Keystone's address, ending in /v3)"),
        },
        other => other,
    })
}

fn choose(auth_url: &Url, versions: &[&Value]) -> Result<Url, Error> {
    let mut usable: Vec<(Vec<u32>, Url)> =
        versions.iter().filter_map(|version| usable(auth_url, version)).collect();
    usable.sort_by(|left, right| left.0.cmp(&right.0));
    let found = usable.into_iter().find(|(number, _)| number.first() == Some(&3));
    found.map(|(_, url)| url).ok_or_else(|| Error::Credentials {
        message: format!("{}: Keystone does not have version 3 there (check auth_url)", shown(auth_url)),
    })
}

/// The versions in the forms that services use: `versions.values`, `versions`, `version`.
fn versions(document: &Value) -> Option<Vec<&Value>> {
    if let Some(versions) = document.get("versions") {
        let versions = versions.get("values").unwrap_or(versions);
        return versions.as_array().map(|versions| versions.iter().collect());
    }
    document.get("version").map(|version| vec![version])
}

/// A version's number and address, if it may be used.
fn usable(auth_url: &Url, version: &Value) -> Option<(Vec<u32>, Url)> {
    let status = version.get("status")?.as_str()?.to_ascii_lowercase();
    if !USABLE.contains(&status.as_str()) {
        return None;
    }
    let number = version.get("id")?.as_str()?.trim_start_matches('v');
    let number: Vec<u32> = number.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let links = version.get("links")?.as_array()?;
    let own = links.iter().rev().find(|link| {
        link.get("rel").and_then(Value::as_str).is_some_and(|rel| rel.eq_ignore_ascii_case("self"))
    })?;
    Some((number, beside(auth_url, own.get("href")?.as_str()?)?))
}

/// The address that a version document means by `href`.
///
/// Documents often name a scheme and host that only the service itself knows, so those of the document's own address
/// hold. If the host differs, the path cannot be trusted either, and only the version at its end is taken.
fn beside(document: &Url, href: &str) -> Option<Url> {
    let mut base = document.clone();
    base.set_path(&format!("{}/", document.path().trim_end_matches('/')));
    let meant = base.join(href).ok()?;
    let mut url = document.clone();
    url.set_query(meant.query());
    let same_host = document.host_str() == meant.host_str()
        && document.port_or_known_default() == meant.port_or_known_default();
    if same_host {
        url.set_path(meant.path());
        return Some(url);
    }
    let version = href.trim_end_matches('/').rsplit('/').next()?;
    let path = document.path().trim_end_matches('/');
    if !path.ends_with(version) {
        let slash = if href.ends_with('/') { "/" } else { "" };
        url.set_path(&format!("{path}/{version}{slash}"));
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_documents_own_host_holds() {
        for (document, href, expected) in [
            ("http://h:5000", "http://h:5000/v3/", "http://h:5000/v3/"),
            ("http://h:5000/v3", "http://h:5000/v3/", "http://h:5000/v3/"),
            ("http://h/identity", "http://h/identity/v3/", "http://h/identity/v3/"),
            // A proxy that ends TLS, or that the service does not know of.
            ("https://proxy", "http://inside:5000/v3/", "https://proxy/v3/"),
            ("https://proxy/identity", "http://inside:5000/v3", "https://proxy/identity/v3"),
            ("https://proxy/identity/v3", "http://inside:5000/v3/", "https://proxy/identity/v3"),
            ("http://h/identity", "v3", "http://h/identity/v3"),
        ] {
            assert_eq!(beside(&url(document), href).unwrap().as_str(), expected, "{document} {href}");
        }
    }

    fn version(id: &str, status: &str, href: &str) -> Value {
        json!({ "id": id, "status": status, "links": [{ "rel": "self", "href": href }] })
    }

    #[test]
    fn version_3_is_chosen_from_every_form_of_document() {
        let three = version("v3.14", "stable", "http://h:5000/v3/");
        let two = version("v2.0", "deprecated", "http://h:5000/v2.0/");
        for document in [
            json!({ "versions": { "values": [two, three] } }),
            json!({ "versions": [three, two] }),
            json!({ "version": three }),
        ] {
            let chosen = choose(&url("http://h:5000"), &versions(&document).unwrap()).unwrap();
            assert_eq!(chosen.as_str(), "http://h:5000/v3/");
        }
        for unusable in [
            json!({ "versions": [two] }),
            json!({ "versions": [] }),
            json!({ "versions": [version("v3.0", "experimental", "http://h/v3"), 7, {}] }),
            json!({ "versions": [{ "id": "v3.14", "status": "stable", "links": [] }] }),
        ] {
            let error = choose(&url("http://h:5000"), &versions(&unusable).unwrap()).unwrap_err();
            assert_eq!(error.cause(), "credentials", "{unusable}");
        }
        for none in [json!([]), json!({}), json!({ "versions": 7 }), json!("x")] {
            assert!(versions(&none).is_none(), "{none}");
        }
    }
}
