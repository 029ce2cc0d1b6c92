//! How requests to other APIs are signed: what Ceilometer takes from Python classes, for those that are in use.

mod aws;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openstack::Url;

/// A class that signs requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// User and password (RFC 7617).
    Basic,
    /// Signature version 2 of Amazon's S3: access key, secret key, the service's host.
    S3,
    /// Signature version 4 of Amazon: access key, secret key, region, service.
    Aws4,
}

impl Scheme {
    /// Those that there are, for messages.
    pub(super) const NAMES: &str =
        "HTTPBasicAuth of requests.auth, S3Auth of awsauth, AWS4Auth of requests_aws4auth";

    /// The scheme of that module and class.
    pub(super) fn named(module: &str, object: &str) -> Option<Self> {
        Some(match (module, object) {
            ("requests" | "requests.auth", "HTTPBasicAuth") => Self::Basic,
            ("awsauth", "S3Auth") => Self::S3,
            ("requests_aws4auth", "AWS4Auth") => Self::Aws4,
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
            (Self::S3, [access, secret]) => {
                Ok(aws::version_2(url, headers, access, secret, "s3.amazonaws.com", now))
            }
            (Self::S3, [access, secret, host]) => Ok(aws::version_2(url, headers, access, secret, host, now)),
            (Self::Aws4, [access, secret, region, service]) => {
                Ok(aws::version_4(url, headers, access, secret, (region, service), now))
            }
            _ => {
                let wanted = match self {
                    Self::Basic => "user and password",
                    Self::S3 => "access key, secret key and the service's host",
                    Self::Aws4 => "access key, secret key, region and service",
                };
                Err(format!(
                    "the credentials have {} parts; write {wanted}, separated by commas, in authentication_parameters or \
                     in the secret of barbican_secret_id",
                    if credentials.is_empty() { 0 } else { parts.len() }
                ))
            }
        }
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
        let error = Scheme::S3.headers(&url, &[], "sesame", now).unwrap_err();
        assert!(error.starts_with("the credentials have 1 parts; ") && !error.contains("sesame"), "{error}");
        assert!(Scheme::named("os", "system").is_none());
    }
}
