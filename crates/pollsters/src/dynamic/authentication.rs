//! How requests to other APIs are signed: what Ceilometer takes from Python classes, for those that are in use.

mod digest;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openstack::Url;

use crate::aws::{self, Version2Key, Version4Key};

/// A class that signs requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// User and password (RFC 7617).
    Basic,
    /// User and password as the answer to a challenge (RFC 7616).
    Digest,
    /// Signature version 2 of Amazon's S3: access key, secret key, the service's host.
    S3,
    /// Signature version 4 of Amazon: access key, secret key, region, service.
    Aws4,
    /// A token (RFC 6750).
    Bearer,
    /// Nothing.
    Nothing,
}

impl Scheme {
    /// Those that there are, for messages.
    pub(super) const NAMES: &str = "HTTPBasicAuth and HTTPDigestAuth of requests.auth, S3Auth of awsauth, AWS4Auth of \
                                    requests_aws4auth, BearerAuth and NoAuth of nephoscope";

    /// The scheme of that module and class.
    pub(super) fn named(module: &str, object: &str) -> Option<Self> {
        Some(match (module, object) {
            ("requests" | "requests.auth", "HTTPBasicAuth") => Self::Basic,
            ("requests" | "requests.auth", "HTTPDigestAuth") => Self::Digest,
            ("awsauth", "S3Auth") => Self::S3,
            ("requests_aws4auth", "AWS4Auth") => Self::Aws4,
            // Those for which Python has no class of its own.
            ("nephoscope", "BearerAuth") => Self::Bearer,
            ("nephoscope", "NoAuth") => Self::Nothing,
            _ => return None,
        })
    }

    /// The headers that sign a GET of `url` with `headers`. `credentials` is what the class is made with, separated by commas.
    ///
    /// # Errors
    /// What is wrong with the credentials; nothing of them is in it.
    pub(super) fn headers(
        self,
        url: &Url,
        headers: &[(String, String)],
        credentials: &str,
        now: jiff::Timestamp,
    ) -> Result<Vec<(String, String)>, String> {
        let parts: Vec<&str> = credentials.split(',').map(str::trim).collect();
        match (self, &parts[..]) {
            (Self::Basic, [user, password]) => {
                let both = STANDARD.encode(format!("{user}:{password}"));
                Ok(vec![("authorization".to_owned(), format!("Basic {both}"))])
            }
            // What is signed comes with the challenge.
            (Self::Digest, [_, _]) | (Self::Nothing, _) => Ok(Vec::new()),
            (Self::S3, [access, secret]) => {
                let key = Version2Key { access, secret, service: "s3.amazonaws.com" };
                Ok(aws::sign_version_2(url, headers, key, now))
            }
            (Self::S3, [access, secret, service]) => {
                Ok(aws::sign_version_2(url, headers, Version2Key { access, secret, service }, now))
            }
            (Self::Aws4, [access, secret, region, service]) => {
                let key = Version4Key { access, secret, region, service };
                let signed = aws::sign_version_4(url, headers, key, now);
                Ok(signed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }
            (Self::Bearer, [token]) if !token.is_empty() => {
                Ok(vec![("authorization".to_owned(), format!("Bearer {token}"))])
            }
            _ => Err(self.wanted(if credentials.is_empty() { 0 } else { parts.len() })),
        }
    }

    fn wanted(self, count: usize) -> String {
        let wanted = match self {
            Self::Basic | Self::Digest => "user and password",
            Self::S3 => "access key, secret key and the service's host",
            Self::Aws4 => "access key, secret key, region and service",
            Self::Bearer => "the token",
            Self::Nothing => "nothing",
        };
        format!(
            "the credentials have {count} parts; write {wanted}, separated by commas, in authentication_parameters or \
             in the secret of barbican_secret_id"
        )
    }
}

/// Servers whose challenges are remembered at most.
const SERVERS_MAX: usize = 16;

/// Challenges of servers, by their origins, so that not every request has to be challenged.
#[derive(Default)]
pub(super) struct Challenges(Mutex<HashMap<String, Known>>);

struct Known {
    challenge: digest::Challenge,
    /// How often it was answered.
    count: u32,
}

impl Known {
    fn answer(&mut self, url: &Url, user: &str, password: &str) -> (String, String) {
        self.count = self.count.saturating_add(1);
        // RFC 7616 wants it unpredictable.
        let own = uuid::Uuid::new_v4().simple().to_string();
        ("authorization".to_owned(), self.challenge.answer(self.count, user, password, &uri(url), &own))
    }
}

impl Challenges {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The header that answers the server's last challenge once more, if there was one.
    pub(super) fn answer_again(
        &self,
        scheme: Scheme,
        url: &Url,
        credentials: &str,
    ) -> Option<(String, String)> {
        let (user, password) = digest_of(scheme, credentials)?;
        Some(self.known().get_mut(&origin(url))?.answer(url, user, password))
    }

    /// The header that answers a refusal with these values of `WWW-Authenticate`; none if nothing can be answered.
    ///
    /// # Errors
    /// What of the challenge cannot be answered.
    pub(super) fn answer(
        &self,
        scheme: Scheme,
        url: &Url,
        credentials: &str,
        challenges: &[String],
    ) -> Result<Option<(String, String)>, String> {
        let Some((user, password)) = digest_of(scheme, credentials) else { return Ok(None) };
        let Some(challenge) = digest::Challenge::best(challenges)? else { return Ok(None) };
        let mut new = Known { challenge, count: 0 };
        let answer = new.answer(url, user, password);
        let mut known = self.known();
        if known.len() >= SERVERS_MAX {
            known.clear();
        }
        known.insert(origin(url), new);
        Ok(Some(answer))
    }
}

/// User and password, where they answer challenges.
fn digest_of(scheme: Scheme, credentials: &str) -> Option<(&str, &str)> {
    let (user, password) = credentials.split_once(',').filter(|_| scheme == Scheme::Digest)?;
    (!password.contains(',')).then(|| (user.trim(), password.trim()))
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What the request's first line names.
fn uri(url: &Url) -> String {
    let path = if url.path().is_empty() { "/" } else { url.path() };
    match url.query() {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_rfc_7617s_and_wrong_credentials_are_not_shown() {
        let url = Url::parse("http://h/x").unwrap();
        let now: jiff::Timestamp = "2026-11-26T05:00:00Z".parse().unwrap();
        let headers = Scheme::Basic.headers(&url, &[], " Aladdin , open sesame", now).unwrap();
        assert_eq!(headers, [("authorization".to_owned(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned())]);
        let headers = Scheme::Bearer.headers(&url, &[], " t0ken ", now).unwrap();
        assert_eq!(headers, [("authorization".to_owned(), "Bearer t0ken".to_owned())]);
        assert_eq!(Scheme::Nothing.headers(&url, &[], "", now).unwrap(), []);
        for (scheme, credentials, count) in [
            (Scheme::S3, "sesame", 1),
            (Scheme::Digest, "sesame", 1),
            (Scheme::Aws4, "sesame,a,b", 3),
            (Scheme::Bearer, "", 0),
            (Scheme::Bearer, "sesame,a", 2),
        ] {
            let error = scheme.headers(&url, &[], credentials, now).unwrap_err();
            let beginning = format!("the credentials have {count} parts; ");
            assert!(error.starts_with(&beginning) && !error.contains("sesame"), "{error}");
        }
        assert!(Scheme::named("os", "system").is_none());
    }

    /// Each class that messages name is one that there is, and the other way round.
    #[test]
    fn messages_name_every_class() {
        for (module, object) in [
            ("requests.auth", "HTTPBasicAuth"),
            ("requests.auth", "HTTPDigestAuth"),
            ("awsauth", "S3Auth"),
            ("requests_aws4auth", "AWS4Auth"),
            ("nephoscope", "BearerAuth"),
            ("nephoscope", "NoAuth"),
        ] {
            assert!(Scheme::named(module, object).is_some(), "{module} {object}");
            assert!(Scheme::NAMES.contains(object) && Scheme::NAMES.contains(module), "{module} {object}");
        }
    }

    #[test]
    fn only_a_digest_answers_challenges() {
        let known = Challenges::default();
        let url = Url::parse("http://h/x?y=z").unwrap();
        let challenges = [r#"Digest realm="r", nonce="n""#.to_owned()];
        let (name, answer) = known.answer(Scheme::Digest, &url, "u, p", &challenges).unwrap().unwrap();
        assert_eq!(name, "authorization");
        assert!(
            answer.starts_with(r#"Digest username="u", realm="r", nonce="n", uri="/x?y=z", response=""#),
            "{answer}"
        );
        assert_eq!(known.answer(Scheme::Basic, &url, "u,p", &challenges).unwrap(), None);
        let basic = ["Basic realm=\"r\"".to_owned()];
        assert_eq!(known.answer(Scheme::Digest, &url, "u,p", &basic).unwrap(), None);
        assert_eq!(known.answer(Scheme::Digest, &url, "u,p", &[]).unwrap(), None);
    }

    #[test]
    fn a_servers_challenge_is_answered_again_and_counted() {
        let page = |text: &str| Url::parse(text).unwrap();
        let known = Challenges::default();
        assert_eq!(known.answer_again(Scheme::Digest, &page("http://h/1"), "u,p"), None);
        let challenges = [r#"Digest realm="r", nonce="n", qop="auth""#.to_owned()];
        let (_, first) =
            known.answer(Scheme::Digest, &page("http://h/1"), "u,p", &challenges).unwrap().unwrap();
        assert!(first.contains("nc=00000001"), "{first}");
        let (_, second) = known.answer_again(Scheme::Digest, &page("http://h/2"), "u,p").unwrap();
        assert!(second.contains(r#"nonce="n", uri="/2""#) && second.contains("nc=00000002"), "{second}");
        for (scheme, other) in
            [(Scheme::Digest, "http://i/2"), (Scheme::Digest, "https://h/2"), (Scheme::Basic, "http://h/2")]
        {
            assert_eq!(known.answer_again(scheme, &page(other), "u,p"), None, "{other}");
        }
        for server in 0..100 {
            let url = page(&format!("http://h{server}/"));
            known.answer(Scheme::Digest, &url, "u,p", &challenges).unwrap().unwrap();
        }
        assert!(known.known().len() <= SERVERS_MAX);
    }
}
