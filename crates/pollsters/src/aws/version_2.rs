//! Signature version 2 of Amazon's S3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openstack::Url;

use super::{hmac_sha1, host, lines, unquoted};

/// Parameters of a query that S3 signs.
const SIGNED: [&str; 24] = [
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// What is signed with, and for whom.
#[derive(Clone, Copy)]
pub(crate) struct Key<'k> {
    pub(crate) access: &'k str,
    pub(crate) secret: &'k str,
    /// The service's host, before which the bucket may stand in an address.
    pub(crate) service: &'k str,
}

/// `Authorization`, and `Date` where `headers` have no date, of a request that is sent with `headers`.
pub(crate) fn sign(
    url: &Url,
    headers: &[(String, String)],
    key: Key<'_>,
    now: jiff::Timestamp,
) -> Vec<(String, String)> {
    let mut made = Vec::new();
    let header = |name: &str| {
        headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let mut date = header("date");
    if date.is_none() && header("x-amz-date").is_none() {
        let text = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        made.push(("date".to_owned(), text.clone()));
        date = Some(text);
    }
    if header("x-amz-date").is_some() {
        date = None;
    }
    let mut amazon: Vec<(String, &str)> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .filter(|(name, value)| name.starts_with("x-amz-") && !value.is_empty())
        .collect();
    amazon.sort();
    let amazon = lines(&amazon);
    let text = format!(
        "GET\n{}\n{}\n{}\n{amazon}{}",
        header("content-md5").unwrap_or_default(),
        header("content-type").unwrap_or_default(),
        date.unwrap_or_default(),
        resource(url, key.service)
    );
    let signature = STANDARD.encode(hmac_sha1(key.secret.as_bytes(), text.as_bytes()));
    made.push(("authorization".to_owned(), format!("AWS {}:{signature}", key.access)));
    made
}

/// The bucket, which may stand before the service's host, the path, and those parameters that are signed.
fn resource(url: &Url, service: &str) -> String {
    let host = host(url);
    let bucket = host.len().checked_sub(service.len()).and_then(|end| host.get(..end)).unwrap_or_default();
    let bucket = bucket.strip_suffix('.').unwrap_or(bucket);
    let mut text = if bucket.is_empty() { String::new() } else { format!("/{bucket}") };
    text.push_str(if url.path().is_empty() { "/" } else { url.path() });
    let mut parameters: Vec<&str> = url.query().unwrap_or_default().split('&').collect();
    parameters.sort_unstable();
    let mut separator = '?';
    for parameter in parameters {
        let name = parameter.split('=').next().unwrap_or_default();
        if SIGNED.contains(&name) {
            text.push(separator);
            text.push_str(&String::from_utf8_lossy(&unquoted(parameter)));
            separator = '&';
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Amazon's "Signing and Authenticating REST Requests".
    #[test]
    fn requests_are_signed_as_in_the_manual() {
        for (url, expected) in [
            (
                "http://awsexamplebucket1.us-west-1.s3.amazonaws.com/photos/puppy.jpg",
                "/awsexamplebucket1.us-west-1/photos/puppy.jpg",
            ),
            ("http://s3.amazonaws.com/b?acl&x=1&versionId=a%3D", "/b?acl&versionId=a="),
            ("http://s3.amazonaws.com", "/"),
        ] {
            assert_eq!(resource(&Url::parse(url).unwrap(), "s3.amazonaws.com"), expected);
        }
        let url = Url::parse("http://johnsmith.s3.amazonaws.com/photos/puppy.jpg").unwrap();
        let headers = [("Date".to_owned(), "Tue, 27 Mar 2007 19:36:42 +0000".to_owned())];
        let now: jiff::Timestamp = "2026-11-26T05:00:00Z".parse().unwrap();
        let key = Key {
            access: "AKIAIOSFODNN7EXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            service: "s3.amazonaws.com",
        };
        let expected = format!("AWS {}:bWq2s1WEIj+Ydj0vQ697zp+IXMU=", key.access);
        assert_eq!(sign(&url, &headers, key, now), [("authorization".to_owned(), expected)]);
        let signed = sign(&url, &[], key, now);
        assert_eq!(signed[0], ("date".to_owned(), "Thu, 26 Nov 2026 05:00:00 GMT".to_owned()));
    }
}
