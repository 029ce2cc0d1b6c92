//! Lists of OpenStack's services, page by page.

use std::collections::HashSet;

use model::json::Entries;
use model::{Map, Value};
use openstack::{RequestBuilder, Response, Url};

use crate::DiscoveryError;

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
    /// What tells it from the others.
    pub(crate) id: Id,
    /// Parameters of the request for the first page.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
}

/// The id of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Id {
    /// The attribute.
    Attribute(&'static str),
    /// What the function makes of the object.
    Of(fn(&Map) -> Option<String>),
}

impl Id {
    fn of(self, object: &Map) -> Option<String> {
        match self {
            Self::Attribute(name) => object.get(name).and_then(Value::as_str).map(str::to_owned),
            Self::Of(id) => id(object),
        }
    }
}

/// How further pages are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// By the service's link to each.
    Links,
    /// By the number of objects to pass over, where links lead nowhere: until a page has nothing new, for it may have fewer
    /// than were asked for though more follow.
    Offset,
}

/// An object of a page, with its id.
pub(crate) type Entry = (String, Map);

/// A page, but for its objects.
struct Page {
    /// How many objects it has.
    objects: usize,
    /// How many there are on all pages, where the service says it.
    total: Option<usize>,
    /// The parameters of the next page, if there is one.
    next: Option<Vec<(String, String)>>,
}

impl Listing {
    /// Every object with its id. `request` makes a request without parameters, of which the first page has `parameters`; for
    /// further pages it has those that the service gives in its link to them, so that the token goes nowhere else.
    pub(crate) async fn entries(
        &self,
        parameters: &[(&str, &str)],
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Vec<Entry>, DiscoveryError> {
        let mut all = Vec::new();
        self.each(Pages::Links, parameters, every, request, |entry| all.push(entry)).await?;
        Ok(all)
    }

    /// How many objects there are: as the service says beside one of them, or counted.
    pub(crate) async fn count(&self, request: impl Fn() -> RequestBuilder) -> Result<usize, DiscoveryError> {
        let answer = request().query("limit", "1").send().await?.success()?;
        match self.page(&answer, every, drop)? {
            Page { total: Some(total), .. } => Ok(total),
            Page { objects, next: None, .. } => Ok(objects),
            Page { .. } => {
                let mut count = 0;
                self.each(Pages::Links, self.parameters, every, request, |_| count += 1).await?;
                Ok(count)
            }
        }
    }

    /// Gives every object to `take`, as soon as its page is there, with those of its attributes that `reads` wants. What was
    /// given before an error is not everything.
    pub(crate) async fn each(
        &self,
        pages: Pages,
        parameters: &[(&str, &str)],
        reads: impl Fn(&str) -> bool,
        request: impl Fn() -> RequestBuilder,
        mut take: impl FnMut(Entry),
    ) -> Result<(), DiscoveryError> {
        let first = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let first: Vec<(String, String)> = first.collect();
        let mut parameters = first.clone();
        let mut seen = 0;
        let mut known = HashSet::new();
        for _ in 0..PAGES_MAX {
            let request =
                parameters.iter().fold(request(), |request, (name, value)| request.query(name, value));
            let answer = request.send().await?.success()?;
            // What moved from one page to the next meanwhile is taken once.
            let before = known.len();
            let Page { objects, total, next } = self.page(&answer, &reads, |entry| {
                if pages == Pages::Links || known.insert(entry.0.clone()) {
                    take(entry);
                }
            })?;
            seen += objects;
            // Some services link from their last page to one without objects, some for ever.
            let is_last = objects == 0
                || total.is_some_and(|total| total <= seen)
                || pages == Pages::Offset && known.len() == before;
            let next = match pages {
                _ if is_last => None,
                Pages::Links => next,
                Pages::Offset => {
                    let offset = ("offset".to_owned(), seen.to_string());
                    Some(first.iter().cloned().chain([offset]).collect())
                }
            };
            let Some(next) = next else { return Ok(()) };
            if next == parameters {
                let collection = self.collection;
                tracing::warn!(collection, "a page's link leads to itself: taken for the last");
                return Ok(());
            }
            parameters = next;
        }
        Err(DiscoveryError::Answer {
            message: format!(
                "{}: more than {PAGES_MAX} pages; taken for a service that goes round in circles",
                self.collection
            ),
        })
    }

    /// What an answer has; its objects are given to `take`.
    fn page(
        &self,
        answer: &Response,
        reads: impl Fn(&str) -> bool,
        take: impl FnMut(Entry),
    ) -> Result<Page, DiscoveryError> {
        self.read(&answer.body, reads, take).map_err(|what| DiscoveryError::Answer {
            message: format!(
                "{}: {what}: {}",
                self.collection,
                answer.excerpt().chars().take(SHOWN).collect::<String>()
            ),
        })
    }

    /// Reads a body object by object, so that a page of a thousand is there as a whole in its text alone; or says what is
    /// wrong with it.
    fn read(
        &self,
        body: &[u8],
        reads: impl Fn(&str) -> bool,
        mut take: impl FnMut(Entry),
    ) -> Result<Page, &'static str> {
        const NO_OBJECT: &str = "the answer is no JSON object";
        let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8")?;
        let mut document = Entries::of(text).ok_or(NO_OBJECT)?;
        let (mut objects, mut is_there, mut odd) = (0, false, None);
        let mut beside = Vec::new();
        while let Some(key) = document.next_key().map_err(|_| NO_OBJECT)? {
            if key == self.collection {
                let each = |object| match self.entry(object) {
                    Ok(entry) => {
                        objects += 1;
                        take(entry);
                    }
                    Err(what) => odd = odd.or(Some(what)),
                };
                is_there = document.items(&reads, each).map_err(|_| NO_OBJECT)?;
            } else if self.is_beside(&key) {
                beside.push((key.into(), document.value().map_err(|_| NO_OBJECT)?));
            } else {
                document.skip().map_err(|_| NO_OBJECT)?;
            }
        }
        if !is_there {
            return Err("the answer has no such list");
        }
        if let Some(what) = odd {
            return Err(what);
        }
        let beside = Map::from_pairs(beside);
        Ok(Page { objects, total: total(&beside), next: self.next(&beside) })
    }

    /// The object with its id, or what is wrong with it.
    fn entry(&self, object: Value) -> Result<Entry, &'static str> {
        let Value::Map(attributes) = object else { return Err("an entry is no object") };
        let id = self.id.of(&attributes).ok_or("an entry has no id")?;
        Ok((id, attributes))
    }

    /// Whether what stands under that key beside the list says something of further pages.
    fn is_beside(&self, key: &str) -> bool {
        matches!(key, "next" | "links" | "metadata") || key.strip_suffix("_links") == Some(self.collection)
    }

    /// The parameters of the link to the next page: `<collection>_links` as most services have it, `next` as Glance, the
    /// same in `links` as Designate.
    fn next(&self, document: &Map) -> Option<Vec<(String, String)>> {
        let links = document.get(&format!("{}_links", self.collection)).and_then(Value::as_list);
        let link =
            links.into_iter().flatten().find(|link| link.get("rel").and_then(Value::as_str) == Some("next"));
        let link = link.and_then(|link| link.get("href")).or_else(|| document.get("next"));
        let link = link.or_else(|| document.get("links")?.get("next"))?.as_str()?;
        // It may be a path alone; the base does not matter, as the query is all that is taken.
        let base = Url::parse("http://service/").ok()?;
        let link = base.join(link).ok()?;
        let parameters: Vec<_> =
            link.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        (!parameters.is_empty()).then_some(parameters)
    }
}

/// How many objects there are on all pages, where the service says it (Designate).
fn total(document: &Map) -> Option<usize> {
    match document.get("metadata")?.get("total_count")? {
        Value::Int(total) => usize::try_from(*total).ok(),
        _ => None,
    }
}

/// Every attribute is wanted.
const fn every(_attribute: &str) -> bool {
    true
}

/// `endpoint` with `path` below it.
pub(crate) fn below(endpoint: &Url, path: &str) -> Url {
    let mut url = endpoint.clone();
    url.set_path(&format!("{}/{path}", endpoint.path().trim_end_matches('/')));
    url
}

/// The address of that version of an API, from the address that the catalogue has, with or without a version. What stands
/// behind the version, as the project's id, stays.
pub(crate) fn versioned(mut endpoint: Url, version: &str) -> Url {
    let path = endpoint.path().trim_end_matches('/');
    let mut segments: Vec<&str> = path.split('/').collect();
    match segments.iter_mut().rfind(|segment| is_version(segment)) {
        Some(segment) => *segment = version,
        None => segments.push(version),
    }
    let path = segments.join("/");
    endpoint.set_path(&path);
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
    use model::json;

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
            ("http://g/share/v1/p1/", "http://g/share/v2/p1"),
        ] {
            let url = versioned(Url::parse(endpoint).unwrap(), "v2");
            assert_eq!(url.as_str(), expected, "{endpoint}");
        }
        let url = below(&Url::parse("http://g/v2/").unwrap(), "images");
        assert_eq!(url.as_str(), "http://g/v2/images");
    }

    /// Ids of a body's objects, with the number of their attributes, and the rest of the page.
    fn read(body: &str) -> Result<(Vec<String>, Page), &'static str> {
        let listing =
            Listing { collection: "things", kind: "thing", id: Id::Attribute("id"), parameters: &[] };
        let mut all = Vec::new();
        let take = |(id, attributes): Entry| all.push(format!("{id} {}", attributes.len()));
        let page = listing.read(body.as_bytes(), |name| name != "big", take)?;
        Ok((all, page))
    }

    #[test]
    fn a_page_is_read_object_by_object_with_the_attributes_that_are_wanted() {
        let (all, page) = read(
            r#"{"things_links": [{"rel": "next", "href": "http://h/x?marker=2"}], "other": [{"id": 9}],
                "things": [{"id": "1", "big": [1, 2]}, {"big": {}, "name": "n", "id": "2"}], "metadata": {"total_count": 5}}"#,
        )
        .unwrap();
        assert_eq!(all, ["1 1", "2 2"]);
        assert_eq!((page.objects, page.total), (2, Some(5)));
        assert_eq!(page.next, Some(vec![("marker".to_owned(), "2".to_owned())]));
        for (text, error) in [
            ("<html>", "the answer is no JSON object"),
            ("[]", "the answer is no JSON object"),
            (r#"{"things": [{"id": "1"}]"#, "the answer is no JSON object"),
            (r#"{"things": [{"id": "1"}, {"#, "the answer is no JSON object"),
            ("{}", "the answer has no such list"),
            (r#"{"things": {"id": "1"}}"#, "the answer has no such list"),
            (r#"{"things": [{"id": "1"}, 2, {}]}"#, "an entry is no object"),
            (r#"{"things": [{"id": 1}]}"#, "an entry has no id"),
        ] {
            assert_eq!(read(text).map(|(all, _)| all), Err(error), "{text}");
        }
    }

    #[test]
    fn the_next_page_is_found_in_either_form() {
        let listing =
            Listing { collection: "things", kind: "thing", id: Id::Attribute("id"), parameters: &[] };
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
            (
                r#"{"links": {"self": "http://h/x?limit=max", "next": "http://h/x?limit=max&marker=3"}}"#,
                Some(vec![("limit", "max"), ("marker", "3")]),
            ),
            (r#"{"links": {"self": "http://h/x"}, "things_links": []}"#, None),
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
