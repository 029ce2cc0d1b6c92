//! The Gnocchi that is read.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use model::Value;
use model::json::parse;
use nephoscope_http::ProxyOptions;
use observability::secret::Secret;
use openstack::{
    AuthOptions, Method, PasswordOptions, Response, ScopeOptions, Service, ServiceFilter, Session,
    SessionOptions, Url,
};

use crate::cli::{ImportArguments, ImportAuth};

/// An answer has to be there in this time.
const ANSWER: Duration = Duration::from_mins(5);
/// The largest answer: a series without bound may be long.
const ANSWER_BYTES: usize = 1 << 30;
/// Attempts of a request that fails for reasons that pass.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Source {
    service: Service,
    url: String,
    /// Items of a page.
    page: u16,
}

/// A listing, page by page.
pub(super) struct Pages {
    /// What is asked for next.
    next: Option<String>,
}

impl Source {
    /// `env` has the credentials for Keystone, as OpenStack's clients read them.
    pub(super) fn new(arguments: &ImportArguments, env: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let url = arguments.url.trim_end_matches('/').to_owned();
        let endpoint: Url =
            url.parse().with_context(|| format!("{url} is no URL; write http://HOST:8041"))?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            bail!("{url} is no URL of HTTP; write http://HOST:8041");
        }
        let auth = match arguments.auth {
            ImportAuth::Basic => {
                AuthOptions::GnocchiBasic { endpoint: endpoint.clone(), user: arguments.user.clone() }
            }
            ImportAuth::Noauth => AuthOptions::GnocchiNoauth {
                endpoint: endpoint.clone(),
                user_id: arguments.user.clone(),
                project_id: arguments.project.clone(),
                roles: arguments.roles.clone(),
            },
            ImportAuth::Keystone => AuthOptions::Password(password(env)?),
        };
        let mut options = SessionOptions::new(auth);
        options.proxy = ProxyOptions::from_values(|name| env.get(name).cloned());
        options.timeout = ANSWER;
        options.tls.cafile = env.get("OS_CACERT").filter(|path| !path.is_empty()).map(Into::into);
        let session = Session::new(options)?;
        let filter = ServiceFilter { endpoint_override: Some(endpoint), ..ServiceFilter::new("metric") };
        Ok(Self { service: Service::new(session, filter), url, page: arguments.page })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What is shown at a path.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        read(&self.answer(path).await?)
    }

    /// A listing without pages.
    pub(super) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let shown = self.get(path).await?;
        let items = shown.as_list().with_context(|| format!("{path} is no listing"))?;
        Ok(items.to_vec())
    }

    /// A listing with pages; `path` has a query.
    pub(super) fn pages(&self, path: &str) -> Pages {
        Pages { next: Some(format!("{path}&limit={}", self.page)) }
    }

    async fn answer(&self, path: &str) -> anyhow::Result<Response> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let request = self.service.request(Method::GET, path).header("Accept", "application/json");
            let answered = request.deadline(ANSWER).body_limit(ANSWER_BYTES).send().await;
            let error = match answered.and_then(Response::success) {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let passes =
                error.status().is_none_or(|status| status.as_u16() == 429 || status.is_server_error());
            if !passes || attempt >= ATTEMPTS {
                return Err(error).with_context(|| format!("GET {path}"));
            }
            tokio::time::sleep(error.retry_after().unwrap_or(pause).min(ANSWER)).await;
            pause *= 2;
        }
        bail!("GET {path} was not answered")
    }
}

impl Pages {
    /// The next page; none behind the last one.
    pub(super) async fn next(&mut self, source: &Source) -> anyhow::Result<Option<Vec<Value>>> {
        let Some(path) = self.next.take() else { return Ok(None) };
        let response = source.answer(&path).await?;
        let shown = read(&response)?;
        let items = shown.as_list().with_context(|| format!("{path} is no listing"))?.to_vec();
        let links = response.headers.get_all("link").iter().filter_map(|link| link.to_str().ok());
        let query = links.flat_map(|links| links.split(',')).find_map(next_query);
        if let Some(query) = query.filter(|_| !items.is_empty()) {
            let (own, _) = path.split_once('?').unwrap_or((&path, ""));
            self.next = Some(format!("{own}?{query}"));
        }
        Ok(Some(items))
    }
}

/// The query of a link to the next page. Where it leads is known: a proxy may show another address.
fn next_query(link: &str) -> Option<String> {
    let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next =
        parameters.split(';').any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"));
    let (_, query) = address.split_once('?')?;
    is_next.then(|| query.to_owned())
}

fn read(response: &Response) -> anyhow::Result<Value> {
    let text = std::str::from_utf8(&response.body).context("an answer is no text")?;
    parse(text).map_err(|error| anyhow::anyhow!("an answer is no JSON: {error}"))
}

/// A user of Keystone, from the variables that OpenStack's clients read.
fn password(env: &BTreeMap<String, String>) -> anyhow::Result<PasswordOptions> {
    let of = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
    let needed =
        |name: &str| of(name).with_context(|| format!("--auth keystone needs {name} in the environment"));
    Ok(PasswordOptions {
        auth_url: needed("OS_AUTH_URL")?,
        username: of("OS_USERNAME"),
        user_id: of("OS_USER_ID"),
        user_domain_id: of("OS_USER_DOMAIN_ID"),
        user_domain_name: of("OS_USER_DOMAIN_NAME"),
        password: Secret::from(needed("OS_PASSWORD")?),
        scope: ScopeOptions {
            project_id: of("OS_PROJECT_ID"),
            project_name: of("OS_PROJECT_NAME"),
            project_domain_id: of("OS_PROJECT_DOMAIN_ID"),
            project_domain_name: of("OS_PROJECT_DOMAIN_NAME"),
            system_scope: of("OS_SYSTEM_SCOPE"),
            ..ScopeOptions::default()
        },
        ..PasswordOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_openstacks_clients() {
        let pairs =
            [("OS_AUTH_URL", "http://k:5000/v3"), ("OS_USERNAME", "u"), ("OS_USER_DOMAIN_NAME", "Default")];
        let mut env: BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let arguments = |url: &str| ImportArguments {
            url: url.to_owned(),
            auth: ImportAuth::Keystone,
            user: String::new(),
            project: String::new(),
            roles: String::new(),
            page: 10,
        };
        let refused = |url: &str, env: &BTreeMap<String, String>| match Source::new(&arguments(url), env) {
            Ok(_) => panic!("{url} was taken"),
            Err(error) => format!("{error:#}"),
        };
        assert!(refused("http://g", &env).contains("needs OS_PASSWORD in the environment"));
        env.insert("OS_PASSWORD".to_owned(), "swordfish".to_owned());
        env.insert("OS_PROJECT_NAME".to_owned(), "admin".to_owned());
        env.insert("OS_PROJECT_DOMAIN_ID".to_owned(), "default".to_owned());
        assert_eq!(
            Source::new(&arguments("http://g:8041/"), &env).map(|source| source.url).unwrap(),
            "http://g:8041"
        );
        for url in ["g:8041", "ftp://g", ""] {
            assert!(refused(url, &env).contains("write http://HOST:8041"), "{url}");
        }
    }

    #[test]
    fn the_next_page_is_found() {
        for (link, query) in [
            ("<http://h/v1/metric?limit=1&marker=a%40b>; rel=\"next\"", Some("limit=1&marker=a%40b")),
            (" <http://h/metric/v1/metric?a=1>; rel=next", Some("a=1")),
            ("<http://h/v1/metric?a=1>; rel=\"prev\"", None),
            ("", None),
        ] {
            assert_eq!(next_query(link).as_deref(), query, "{link}");
        }
    }
}
