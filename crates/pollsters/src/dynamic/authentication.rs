//! How requests to other APIs are signed: what Ceilometer takes from Python classes, for those that are in use.

mod digest;

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

    /// The header that answers a refusal with these values of `WWW-Authenticate`; none if nothing can be answered.
    ///
    /// # Errors
    /// What of the challenge cannot be answered.
    pub(super) fn answer(
        self,
        url: &Url,
        credentials: &str,
        challenges: &[String],
    ) -> Result<Option<(String, String)>, String> {
        let parts: Vec<&str> = credentials.split(',').map(str::trim).collect();
        let (Self::Digest, [user, password]) = (self, &parts[..]) else { return Ok(None) };
        let Some(challenge) = digest::Challenge::best(challenges)? else { return Ok(None) };
        // RFC 7616 wants it unpredictable.
        let own = uuid::Uuid::new_v4().simple().to_string();
        let answer = challenge.answer(user, password, &uri(url), &own);
        Ok(Some(("authorization".to_owned(), answer)))
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
        let url = Url::parse("http://h/x?y=z").unwrap();
        let challenges = [r#"Digest realm="r", nonce="n""#.to_owned()];
        let (name, answer) = Scheme::Digest.answer(&url, "u, p", &challenges).unwrap().unwrap();
        assert_eq!(name, "authorization");
        assert!(
            answer.starts_with(r#"Digest username="u", realm="r", nonce="n", uri="/x?y=z", response=""#),
            "{answer}"
        );
        assert_eq!(Scheme::Basic.answer(&url, "u,p", &challenges).unwrap(), None);
        assert_eq!(Scheme::Digest.answer(&url, "u,p", &["Basic realm=\"r\"".to_owned()]).unwrap(), None);
        assert_eq!(Scheme::Digest.answer(&url, "u,p", &[]).unwrap(), None);
    }
}
