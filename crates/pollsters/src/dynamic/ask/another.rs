//! Requests to APIs outside of OpenStack, with authentications of their own.

use std::time::Duration;

use definitions::DynamicPollster;
use definitions::dynamic::Request;
use nephoscope_http::{explain, read_body};
use openstack::Url;
use reqwest::header::WWW_AUTHENTICATE;

use super::{AskError, Asker, PAGE_MAX, Target};
use crate::dynamic::authentication::Scheme;

impl Asker {
    /// Asks an API outside of OpenStack; where it challenges and the authentication has an answer to that, twice, unless the
    /// last challenge's is still good.
    pub(super) async fn ask_another(
        &self,
        definition: &DynamicPollster,
        target: &Target,
        url: &Url,
        timeout: Duration,
    ) -> Result<String, AskError> {
        let Request::External { module, object, parameters, .. } = &definition.request else {
            return Err(AskError::Address("it is no other API".to_owned()));
        };
        let credentials = match target {
            _ if !parameters.is_empty() => parameters.as_str(),
            Target::Credentials(credentials) => credentials,
            _ => "",
        };
        let wrong = |message: String| AskError::Credentials(format!("{object}: {message}"));
        let scheme = Scheme::named(module, object).ok_or_else(|| {
            AskError::Credentials(format!("there is no authentication {object} of {module}"))
        })?;
        let signed =
            scheme.headers(url, &definition.headers, credentials, self.clock.now()).map_err(wrong)?;
        let again = self.challenges.answer_again(scheme, url, credentials);
        let headers = definition.headers.iter().chain(&signed).chain(&again);
        let mut answer = self.get(url, headers, timeout).await?;
        if answer.status().is_client_error() {
            let challenges = answer.headers().get_all(WWW_AUTHENTICATE).iter();
            let challenges: Vec<String> =
                challenges.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
            let header = self.challenges.answer(scheme, url, credentials, &challenges).map_err(wrong)?;
            if let Some(header) = header {
                answer = self.get(url, definition.headers.iter().chain([&header]), timeout).await?;
            }
        }
        let status = answer.status();
        if status.as_u16() != 200 {
            let (host, path) = (url.host_str().unwrap_or("-"), url.path());
            return Err(AskError::Transport(format!("GET {host}{path}: {status}")));
        }
        let body = read_body(answer, PAGE_MAX).await;
        let body = body.map_err(|error| AskError::Transport(error.to_string()))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn get<'a>(
        &self,
        url: &Url,
        headers: impl Iterator<Item = &'a (String, String)> + Send,
        timeout: Duration,
    ) -> Result<reqwest::Response, AskError> {
        let http = self.http.as_ref().map_err(|error| AskError::Transport(error.clone()))?;
        let request = http.get(url.clone()).timeout(timeout);
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.map_err(|error| AskError::Transport(explain(&error)))
    }
}
