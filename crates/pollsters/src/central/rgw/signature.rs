//! Amazon's signature, version 4, as the gateway asks for it: in headers, for requests without a body.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use openstack::{Url, path_segment};
use sha2::{Digest as _, Sha256};

/// The gateway takes any region that it does not know for its own zone group.
const REGION: &str = "us-east-1";
const SERVICE: &str = "s3";
/// Where the names of what is signed end.
const END: &str = "aws4_request";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What is signed beside address and query.
const SIGNED_HEADERS: &str = "host;x-amz-content-sha256;x-amz-date";

/// The headers that sign a GET of `url` at `time`, in UTC and of the form `20130524T000000Z`.
pub(super) fn headers(
    url: &Url,
    time: &str,
    access_key: &str,
    secret_key: &str,
) -> [(&'static str, String); 3] {
    let no_body = hexadecimal(&Sha256::digest(b""));
    let request = format!(
        "GET\n{}\n{}\nhost:{}\nx-amz-content-sha256:{no_body}\nx-amz-date:{time}\n\n{SIGNED_HEADERS}\n{no_body}",
        url.path(),
        query(url),
        host(url)
    );
    let day = time.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{REGION}/{SERVICE}/{END}");
    let request = hexadecimal(&Sha256::digest(request.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{request}");
    let key = [day, REGION, SERVICE, END]
        .into_iter()
        .fold(format!("AWS4{secret_key}").into_bytes(), |key, text| sign(&key, text));
    let signature = hexadecimal(&sign(&key, &to_sign));
    let authorization = format!(
        "{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
    );
    [("x-amz-date", time.to_owned()), ("x-amz-content-sha256", no_body), ("authorization", authorization)]
}

/// The parameters in order, each percent-encoded in the one way that is signed, however the address has it.
fn query(url: &Url) -> String {
    let mut parameters: Vec<_> =
        url.query_pairs().map(|(name, value)| (path_segment(&name), path_segment(&value))).collect();
    parameters.sort();
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

/// Host and port as the header `Host` has them.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length will do, so the other case cannot come about.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(url: &str, time: &str, access_key: &str, secret_key: &str) -> String {
        let [_, _, (_, authorization)] = headers(&Url::parse(url).unwrap(), time, access_key, secret_key);
        let (before, signature) = authorization.rsplit_once('=').unwrap();
        let day = time.split('T').next().unwrap();
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{day}/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature"
        );
        assert_eq!(before, expected);
        signature.to_owned()
    }

    /// The examples "GET Bucket Lifecycle" and "Get Bucket (List Objects)" of Amazon's "Signature Calculations for the
    /// Authorization Header".
    #[test]
    fn requests_are_signed_as_in_the_manual() {
        for (query, expected) in [
            ("lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
            ("prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let found = signature(
                &format!("https://examplebucket.s3.amazonaws.com/?{query}"),
                "20130524T000000Z",
                "AKIAIOSFODNN7EXAMPLE",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            );
            assert_eq!(found, expected, "{query}");
        }
    }

    /// botocore's `S3SigV4Auth` gave the signatures.
    #[test]
    fn requests_to_the_gateway_are_signed_as_botocore_signs_them() {
        for (url, expected) in [
            (
                "http://rgw:8080/admin/bucket?uid=p1&stats=true",
                "ece3e61ff48c3705702efed396c9c3a301435f0b91f8c27b9e5b5eb88293da21",
            ),
            (
                "http://rgw:8080/admin/usage?uid=p1%24p1",
                "94da7129de6db3aae04f9e79adfb03bdb2bf8547b4861db65fa6f07adbf46e34",
            ),
            (
                "https://rgw/admin/usage?uid=a+b%2Fc~d",
                "ad00a5f621decd9961862b553ce39d90c9f838d3f9b91d01d645f87161e5fd9b",
            ),
        ] {
            assert_eq!(signature(url, "20261126T130000Z", "access", "secret+/key"), expected, "{url}");
        }
    }
}
