//! Lists of OpenStack's services, page by page.

use std::sync::Arc;

use model::{Map, Value, json};
use openstack::{RequestBuilder, Response, Url};

use crate::{DiscoveryError, Object, Resource};

/// Pages of one list at most: far more than any cloud has, so that a service that goes round in circles ends.
const PAGES_MAX: usize = 10_000;
/// Parts of an answer's path that an error shows.
const SHOWN: usize = 200;

/// A collection of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing {
    /// Its name, under which each page has the objects.
    pub(crate) collection: &'static str,
    /// What each object is as a resource.
    pub(crate) kind: &'static str,
    /// Parameters of the request for the first page.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
}

impl Listing {
    /// Reads every page. `request` makes a request without parameters; for further pages it has those that the service
    /// gives in its link to them, so that the token goes nowhere else.
    pub(crate) async fn read(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Vec<Resource>, DiscoveryError> {
        let entries = self.entries(self.parameters, request).await?;
        let resource =
            |(id, attributes)| Resource::Object(Arc::new(Object { kind: self.kind, id, attributes }));
        Ok(entries.into_iter().map(resource).collect())
    }

    /// The same with other parameters for the first page; each object with its id.
    pub(crate) async fn entries(
        &self,
        parameters: &[(&str, &str)],
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Vec<(String, Map)>, DiscoveryError> {
        let mut entries = Vec::new();
        let first = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut parameters: Vec<(String, String)> = first.collect();
        for _ in 0..PAGES_MAX {
            let request =
                parameters.iter().fold(request(), |request, (name, value)| request.query(name, value));
            let answer = request.send().await?.success()?;
            let next = self.take(&answer, &mut entries)?;
            match next {
                Some(next) if next != parameters => parameters = next,
                Some(_) => {
                    tracing::warn!(
                        collection = self.collection,
                        "a page's link leads to itself: taken for the last"
                    );
                    return Ok(entries);
                }
                None => return Ok(entries),
            }
        }
        Err(DiscoveryError::Answer {
            message: format!(
                "{}: more than {PAGES_MAX} pages; taken for a service that goes round in circles",
                self.collection
            ),
        })
    }

    /// Takes the objects of a page; returns the parameters of the next.
    fn take(
        &self,
        answer: &Response,
        entries: &mut Vec<(String, Map)>,
    ) -> Result<Option<Vec<(String, String)>>, DiscoveryError> {
        let wrong = |what: &str| DiscoveryError::Answer {
            message: format!(
                "{}: {what}: {}",
                self.collection,
                answer.excerpt().chars().take(SHOWN).collect::<String>()
            ),
        };
        let text = std::str::from_utf8(&answer.body).map_err(|_| wrong("the answer is not UTF-8"))?;
        let Ok(Value::Map(mut document)) = json::parse(text) else {
            return Err(wrong("the answer is no JSON object"));
        };
        let Some(Value::List(objects)) = document.remove(self.collection) else {
            return Err(wrong("the answer has no such list"));
        };
        for object in objects {
            let Value::Map(attributes) = object else { return Err(wrong("an entry is no object")) };
            let Some(id) = attributes.get("id").and_then(Value::as_str).map(str::to_owned) else {
                return Err(wrong("an entry has no id"));
            };
            entries.push((id, attributes));
        }
        Ok(self.next(&document))
    }

    /// The parameters of the link to the next page: `<collection>_links` as most services have it, `next` as Glance.
    fn next(&self, document: &Map) -> Option<Vec<(String, String)>> {
        let links = document.get(&format!("{}_links", self.collection)).and_then(Value::as_list);
        let link =
            links.into_iter().flatten().find(|link| link.get("rel").and_then(Value::as_str) == Some("next"));
        let link = link.and_then(|link| link.get("href")).or_else(|| document.get("next"))?.as_str()?;
        // It may be a path alone; the base does not matter, as the query is all that is taken.
        let base = Url::parse("http://service/").ok()?;
        let link = base.join(link).ok()?;
        let parameters: Vec<_> =
            link.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        (!parameters.is_empty()).then_some(parameters)
    }
}

/// `endpoint` with `path` below it.
pub(crate) fn below(endpoint: &Url, path: &str) -> Url {
    let mut url = endpoint.clone();
    url.set_path(&format!("{}/{path}", endpoint.path().trim_end_matches('/')));
    url
}

/// The address of that version of an API, from the address that the catalogue has, with or without a version.
pub(crate) fn versioned(mut endpoint: Url, version: &str) -> Url {
    let path = endpoint.path().trim_end_matches('/').to_owned();
    let base = match path.rsplit_once('/') {
        Some((before, last)) if is_version(last) => before,
        _ => &path,
    };
    endpoint.set_path(&format!("{base}/{version}"));
    endpoint.set_query(None);
    endpoint.set_fragment(None);
    endpoint
}

/// Whether a segment of a path is `v2`, `v2.1` and so on.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| {
        number.starts_with(|first: char| first.is_ascii_digit())
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_from_any_address() {
        for (endpoint, expected) in [
            ("http://g:9292", "http://g:9292/v2"),
            ("http://g:9292/", "http://g:9292/v2"),
            ("http://g:9292/v1.1/", "http://g:9292/v2"),
            ("http://g/image", "http://g/image/v2"),
            ("http://g/image/v2?x=y#z", "http://g/image/v2"),
            ("http://g/vault", "http://g/vault/v2"),
            ("http://g/v", "http://g/v/v2"),
        ] {
            let url = versioned(Url::parse(endpoint).unwrap(), "v2");
            assert_eq!(url.as_str(), expected, "{endpoint}");
        }
        let url = below(&Url::parse("http://g/v2/").unwrap(), "images");
        assert_eq!(url.as_str(), "http://g/v2/images");
    }

    #[test]
    fn the_next_page_is_found_in_either_form() {
        let listing = Listing { collection: "things", kind: "thing", parameters: &[] };
        for (text, expected) in [
            ("{}", None),
            (r#"{"next": null}"#, None),
            (r#"{"next": "/v2/things"}"#, None),
            (r#"{"next": "/v2/things?limit=2&marker=a%20b"}"#, Some(vec![("limit", "2"), ("marker", "a b")])),
            (
                r#"{"things_links": [{"rel": "previous", "href": "http://h/x?marker=1"},
                    {"rel": "next", "href": "http://h/x?marker=2"}]}"#,
                Some(vec![("marker", "2")]),
            ),
        ] {
            let Value::Map(document) = json::parse(text).unwrap() else { unreachable!() };
            let next = listing.next(&document);
            let expected = expected.map(|pairs| {
                pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
            });
            assert_eq!(next, expected, "{text}");
        }
    }
}
