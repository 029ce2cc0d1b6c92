//! The service catalogue of a token, and keystoneauth's rules for finding an endpoint in it.

mod service_types;

use std::fmt::Write as _;

use reqwest::Url;
use serde::{Deserialize, Deserializer};

use crate::{Error, ServiceFilter, url_path};

/// The services of a token, in Keystone's order.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Catalog(#[serde(deserialize_with = "readable")] Vec<Entry>);

#[derive(Debug, Clone, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    service_type: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    #[serde(default)]
    interface: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    region_id: Option<String>,
}

impl Endpoint {
    fn region_name(&self) -> Option<&str> {
        self.region_id.as_deref().filter(|region| !region.is_empty()).or(self.region.as_deref())
    }
}

/// Takes what can be understood: one strange entry must not hide the others.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    let values = Option::<Vec<serde_json::Value>>::deserialize(deserializer)?;
    Ok(values.into_iter().flatten().filter_map(|value| serde_json::from_value(value).ok()).collect())
}

impl Catalog {
    /// The endpoint that a filter finds.
    pub(crate) fn endpoint(&self, filter: &ServiceFilter) -> Result<Url, Error> {
        if self.0.is_empty() {
            let message = "the service catalogue is empty: the token is for no project".to_owned();
            return Err(Error::NoEndpoint { message });
        }
        let interface = interface(filter);
        // The matches by type, in the catalogue's order of types.
        let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
        for entry in &self.0 {
            let name_differs = match (&filter.service_name, &entry.name) {
                (Some(wanted), Some(name)) => !wanted.is_empty() && !name.is_empty() && wanted != name,
                _ => false,
            };
            let is_type = filter.service_type.is_empty()
                || service_types::is_match(&filter.service_type, &entry.service_type);
            if name_differs || !is_type {
                continue;
            }
            let urls = entry.endpoints.iter().filter(|endpoint| {
                let region = filter.region_name.as_deref().filter(|region| !region.is_empty());
                endpoint.interface.as_deref() == Some(interface)
                    && region.is_none_or(|region| endpoint.region_name() == Some(region))
            });
            let urls = urls.filter_map(|endpoint| endpoint.url.as_deref()).filter(|url| !url.is_empty());
            match found.iter_mut().find(|(known, _)| *known == entry.service_type) {
                Some((_, known)) => known.extend(urls),
                None => found.push((&entry.service_type, urls.collect())),
            }
        }
        let url = service_types::preferred(&filter.service_type, &found);
        let url = url.ok_or_else(|| self.not_found(filter, interface))?;
        url_path::parse(url).map_err(|why| Error::NoEndpoint {
            message: format!("the {interface} endpoint of {} in the catalogue is {why}", filter.service_type),
        })
    }

    /// All endpoints that a filter finds, in the catalogue's order; without a type those of every service.
    pub(crate) fn endpoints(&self, filter: &ServiceFilter) -> Vec<Url> {
        let first = self.endpoint(filter).ok();
        let mut found = Vec::new();
        for entry in &self.0 {
            let every = filter.service_type.is_empty();
            if !every && !service_types::is_match(&filter.service_type, &entry.service_type) {
                continue;
            }
            let region = filter.region_name.as_deref().filter(|region| !region.is_empty());
            let urls = entry.endpoints.iter().filter(|endpoint| {
                endpoint.interface.as_deref() == Some(interface(filter))
                    && region.is_none_or(|region| endpoint.region_name() == Some(region))
            });
            let urls: Vec<Url> = urls
                .filter_map(|endpoint| endpoint.url.as_deref())
                .filter_map(|url| url_path::parse(url).ok())
                .collect();
            // Of a type and its former names the one that is preferred counts.
            if every || first.as_ref().is_some_and(|first| urls.contains(first)) {
                found.extend(urls);
            }
        }
        found
    }

    fn not_found(&self, filter: &ServiceFilter, interface: &str) -> Error {
        let mut wanted = format!("{interface} endpoint of a service");
        if !filter.service_type.is_empty() {
            let _ = write!(wanted, " of type {}", filter.service_type);
        }
        // Writing to a String cannot fail.
        if let Some(name) = &filter.service_name {
            let _ = write!(wanted, " named {name}");
        }
        if let Some(region) = &filter.region_name {
            let _ = write!(wanted, " in region {region}");
        }
        let same: Vec<String> = self
            .0
            .iter()
            .filter(|entry| {
                !filter.service_type.is_empty()
                    && service_types::is_match(&filter.service_type, &entry.service_type)
            })
            .flat_map(|entry| {
                entry.endpoints.iter().map(move |endpoint| {
                    format!(
                        "{} {} in {}",
                        entry.name.as_deref().unwrap_or("(no name)"),
                        endpoint.interface.as_deref().unwrap_or("?"),
                        endpoint.region_name().unwrap_or("?")
                    )
                })
            })
            .take(SHOWN)
            .collect();
        let there = if same.is_empty() {
            let types: Vec<&str> =
                self.0.iter().map(|entry| entry.service_type.as_str()).take(SHOWN).collect();
            format!("its types are {}", types.join(", "))
        } else {
            format!("of this type there are: {}", same.join("; "))
        };
        Error::NoEndpoint { message: format!("the service catalogue has no {wanted}; {there}") }
    }
}

/// Entries that an error names.
const SHOWN: usize = 12;

/// The interface as the catalogue calls it: keystoneauth takes the letters of `URL` off the end.
fn interface(filter: &ServiceFilter) -> &str {
    let interface = filter.interface.as_deref().filter(|interface| !interface.is_empty()).unwrap_or("public");
    interface.trim_end_matches(['U', 'R', 'L'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(text: &str) -> Catalog {
        serde_json::from_str(text).unwrap()
    }

    const REAL: &str = r#"[
        {"type": "identity", "name": "keystone", "id": "1", "endpoints": [
            {"id": "a", "interface": "public", "region": "One", "region_id": "One", "url": "http://k:5000/v3"},
            {"id": "b", "interface": "internal", "region": "One", "region_id": "One", "url": "http://ki:5000/v3"},
            {"id": "c", "interface": "public", "region": "Two", "region_id": "Two", "url": "http://k2:5000/v3"}]},
        {"type": "metric", "name": "other", "endpoints": [
            {"interface": "public", "region": "One", "url": "http://o"}]},
        {"type": "metric", "name": "gnocchi", "endpoints": [
            {"interface": "admin", "region": "One", "url": "http://ga:8041"},
            {"interface": "public", "region": "Two", "url": ""},
            {"interface": "public", "region": "One", "url": "http://g:8041"}]},
        {"name": "no type"}, 7,
        {"type": "messaging", "endpoints": [{"interface": "public", "region": "One", "url": "http://z:8888"}]},
        {"type": "volumev2", "name": "cinderv2", "endpoints": [{"interface": "public", "url": "http://c/v2"}]},
        {"type": "volumev3", "name": "cinderv3", "endpoints": [{"interface": "public", "url": "http://c/v3"}]}
    ]"#;

    fn filter(service_type: &str, name: &str, interface: &str, region: &str) -> ServiceFilter {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ServiceFilter {
            service_type: service_type.into(),
            service_name: some(name),
            interface: some(interface),
            region_name: some(region),
            endpoint_override: None,
        }
    }

    #[test]
    fn endpoints_are_found_as_keystoneauth_finds_them() {
        let catalog = catalog(REAL);
        for (wanted, expected) in [
            (filter("identity", "", "", ""), "http://k:5000/v3"),
            (filter("identity", "", "publicURL", "Two"), "http://k2:5000/v3"),
            (filter("identity", "", "internal", ""), "http://ki:5000/v3"),
            (filter("identity", "", "internalURL", "One"), "http://ki:5000/v3"),
            (filter("metric", "", "", ""), "http://o/"),
            (filter("metric", "gnocchi", "", ""), "http://g:8041/"),
            (filter("metric", "gnocchi", "adminURL", ""), "http://ga:8041/"),
            // By name alone.
            (filter("", "gnocchi", "admin", ""), "http://ga:8041/"),
            // No name in the catalogue: any name will do.
            (filter("messaging", "zaqar", "public", "One"), "http://z:8888/"),
            (filter("message", "", "public", ""), "http://z:8888/"),
            // The official type finds its former names, in their order, and a former name finds only itself.
            (filter("block-storage", "", "", ""), "http://c/v3"),
            (filter("volumev2", "", "", ""), "http://c/v2"),
            (filter("block_storage", "cinderv2", "", ""), "http://c/v2"),
        ] {
            assert_eq!(catalog.endpoint(&wanted).unwrap().as_str(), expected, "{wanted:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        for (wanted, words) in [
            (
                filter("metric", "gnocchi", "internal", "One"),
                "internal endpoint of a service of type metric named gnocchi in region One",
            ),
            (filter("metric", "gnocchi", "", "Two"), "gnocchi public in One"),
            (filter("identity", "", "auth", ""), "keystone public in One"),
            (
                filter("", "ceph", "admin", ""),
                "no admin endpoint of a service named ceph; its types are identity",
            ),
            (filter("volume", "", "", ""), "its types are identity, metric, metric, messaging"),
        ] {
            let error = catalog(REAL).endpoint(&wanted).unwrap_err();
            assert_eq!(error.cause(), "no_endpoint");
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = Catalog::default().endpoint(&ServiceFilter::new("metric")).unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
    }
}
