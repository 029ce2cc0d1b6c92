//! Amazon's signatures, versions 2 (S3) and 4.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openstack::Url;
use sha2::{Digest as _, Sha256};

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

/// The block of SHA-1 and SHA-256, in bytes.
const BLOCK: usize = 64;

/// HMAC (RFC 2104) over a hash whose block is [`BLOCK`].
fn hmac(key: &[u8], text: &[u8], hash: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut padded = if key.len() > BLOCK { hash(key) } else { key.to_vec() };
    padded.resize(BLOCK, 0);
    let with = |pad: u8| padded.iter().map(move |byte| byte ^ pad);
    let inner: Vec<u8> = with(0x36).chain(text.iter().copied()).collect();
    let outer: Vec<u8> = with(0x5c).chain(hash(&inner)).collect();
    hash(&outer)
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac(key, text, |data| sha1_smol::Sha1::from(data).digest().bytes().to_vec())
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac(key, text, |data| sha256(data).to_vec())
}

fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Each header in a line of its own.
fn lines<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)]) -> String {
    headers
        .iter()
        .fold(String::new(), |text, (name, value)| text + name.as_ref() + ":" + value.as_ref() + "\n")
}

/// Host and port as the `Host` header has them.
fn host(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// `Date` and `Authorization` of signature version 2.
pub(super) fn version_2(
    url: &Url,
    headers: &[(String, String)],
    access: &str,
    secret: &str,
    service: &str,
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
        resource(url, service)
    );
    let signature = STANDARD.encode(hmac_sha1(secret.as_bytes(), text.as_bytes()));
    made.push(("authorization".to_owned(), format!("AWS {access}:{signature}")));
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
            text.push_str(&unquoted(parameter));
            separator = '&';
        }
    }
    text
}

/// Without percent signs.
fn unquoted(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The headers of signature version 4, of a request without a body.
pub(super) fn version_4(
    url: &Url,
    headers: &[(String, String)],
    access: &str,
    secret: &str,
    (region, service): (&str, &str),
    now: jiff::Timestamp,
) -> Vec<(String, String)> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = now.strftime("%Y%m%d").to_string();
    let empty = hexadecimal(&sha256(b""));
    let mut signed: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .filter(|(name, _)| name.starts_with("x-amz-") || name == "content-type")
        .collect();
    signed.push(("host".to_owned(), host(url)));
    signed.push(("x-amz-content-sha256".to_owned(), empty.clone()));
    signed.push(("x-amz-date".to_owned(), time.clone()));
    signed.sort();
    let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines = lines(&signed);
    let mut parameters: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| (openstack::path_segment(&name), openstack::path_segment(&value)))
        .collect();
    parameters.sort();
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let path = if url.path().is_empty() { "/" } else { url.path() };
    let request = format!("GET\n{path}\n{}\n{lines}\n{names}\n{empty}", parameters.join("&"));
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hexadecimal(&sha256(request.as_bytes())));
    let key = [region, service, "aws4_request"]
        .iter()
        .fold(hmac_sha256(format!("AWS4{secret}").as_bytes(), day.as_bytes()), |key, part| {
            hmac_sha256(&key, part.as_bytes())
        });
    let signature = hexadecimal(&hmac_sha256(&key, text.as_bytes()));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={signature}");
    vec![
        ("x-amz-date".to_owned(), time),
        ("x-amz-content-sha256".to_owned(), empty),
        ("authorization".to_owned(), authorization),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202, case 2, and RFC 4231, case 2.
    #[test]
    fn hmac_is_the_standards() {
        let text = b"what do ya want for nothing?";
        assert_eq!(hexadecimal(&hmac_sha1(b"Jefe", text)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hexadecimal(&hmac_sha256(b"Jefe", text)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    /// The examples of Amazon's "Signing and Authenticating REST Requests".
    #[test]
    fn version_2_signs_as_the_manual() {
        for (url, date, expected) in [
            (
                "http://awsexamplebucket1.us-west-1.s3.amazonaws.com/photos/puppy.jpg",
                "Tue, 27 Mar 2007 19:36:42 +0000",
                "/awsexamplebucket1.us-west-1/photos/puppy.jpg",
            ),
            ("http://s3.amazonaws.com/b?acl&x=1&versionId=a%3D", "d", "/b?acl&versionId=a="),
            ("http://s3.amazonaws.com", "d", "/"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(resource(&url, "s3.amazonaws.com"), expected, "{date}");
        }
        let url = Url::parse("http://johnsmith.s3.amazonaws.com/photos/puppy.jpg").unwrap();
        let headers = [("Date".to_owned(), "Tue, 27 Mar 2007 19:36:42 +0000".to_owned())];
        let now: jiff::Timestamp = "2026-11-26T05:00:00Z".parse().unwrap();
        let access = "AKIAIOSFODNN7EXAMPLE";
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let signed = version_2(&url, &headers, access, secret, "s3.amazonaws.com", now);
        let expected = format!("AWS {access}:bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
        assert_eq!(signed, [("authorization".to_owned(), expected)]);
        let signed = version_2(&url, &[], access, secret, "s3.amazonaws.com", now);
        assert_eq!(signed[0], ("date".to_owned(), "Thu, 26 Nov 2026 05:00:00 GMT".to_owned()));
    }

    /// The example "GET Bucket Lifecycle" of Amazon's manual of signature version 4.
    #[test]
    fn version_4_signs_as_the_manual() {
        let url = Url::parse("http://examplebucket.s3.amazonaws.com/?lifecycle").unwrap();
        let now: jiff::Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        let access = "AKIAIOSFODNN7EXAMPLE";
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let signed = version_4(&url, &[], access, secret, ("us-east-1", "s3"), now);
        let authorization = &signed.iter().find(|(name, _)| name == "authorization").unwrap().1;
        assert!(
            authorization
                .ends_with("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            "{authorization}"
        );
    }
}
