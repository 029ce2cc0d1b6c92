//! Proxies, as the environment's variables describe them.

use reqwest::{NoProxy, Proxy};

/// Which proxy to use for what. The default uses none.
///
/// A value is a URL such as `http://user:password@proxy:3128`, or just `host:port`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// For `http://` URLs.
    pub http: Option<String>,
    /// For `https://` URLs.
    pub https: Option<String>,
    /// For both, where nothing else is said.
    pub all: Option<String>,
    /// Hosts, domains and networks that are reached directly, joined by commas; `*` means all.
    pub no_proxy: Option<String>,
}

impl ProxyOptions {
    /// From the usual variables, looked up by `value` (which the binary gives its environment): `http_proxy`,
    /// `https_proxy`, `all_proxy`, `no_proxy`, in small letters or else in capitals, as Python's requests does.
    pub fn from_values(value: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| {
            let set = |name: &str| value(name).filter(|value| !value.trim().is_empty());
            set(name).or_else(|| set(&name.to_ascii_uppercase()))
        };
        Self {
            http: read("http_proxy"),
            https: read("https_proxy"),
            all: read("all_proxy"),
            no_proxy: read("no_proxy"),
        }
    }

    /// reqwest's proxies, or the name and text of the value that is no URL.
    pub(crate) fn proxies(&self) -> Result<Vec<Proxy>, (&'static str, reqwest::Error)> {
        if self.no_proxy.as_deref().is_some_and(|hosts| hosts.split(',').any(|host| host.trim() == "*")) {
            return Ok(Vec::new());
        }
        let exceptions = self.no_proxy.as_deref().and_then(NoProxy::from_string);
        let mut proxies = Vec::new();
        // The first that matches a URL is used, so the general one comes last.
        for (name, proxy) in [
            ("http_proxy", self.http.as_deref().map(|value| Proxy::http(value.trim()))),
            ("https_proxy", self.https.as_deref().map(|value| Proxy::https(value.trim()))),
            ("all_proxy", self.all.as_deref().map(|value| Proxy::all(value.trim()))),
        ] {
            if let Some(proxy) = proxy {
                let proxy = proxy.map_err(|error| (name, error))?;
                proxies.push(proxy.no_proxy(exceptions.clone()));
            }
        }
        Ok(proxies)
    }
}

impl std::fmt::Debug for ProxyOptions {
    /// Proxy URLs may hold passwords, so only what is set is shown.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ProxyOptions")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("all", &self.all.is_some())
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}
