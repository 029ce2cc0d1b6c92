//! Signature version 4 of Amazon.

use std::fmt::Write as _;

use openstack::{Url, path_segment};

use super::{hexadecimal, hmac_sha256, host, lines, sha256, unquoted};

/// Where the names of what is signed end.
const END: &str = "aws4_request";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The service whose paths are signed as they are.
const S3: &str = "s3";

/// What is signed with, and for whom.
#[derive(Clone, Copy)]
pub(crate) struct Key<'k> {
    pub(crate) access: &'k str,
    pub(crate) secret: &'k str,
    pub(crate) region: &'k str,
    pub(crate) service: &'k str,
}

/// The headers that sign a request that is sent with `headers`.
pub(crate) fn sign(
    url: &Url,
    headers: &[(String, String)],
    key: Key<'_>,
    now: jiff::Timestamp,
) -> [(&'static str, String); 3] {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let no_body = hexadecimal(&sha256(b""));
    let mut signed: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            (name.to_ascii_lowercase(), value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .filter(|(name, _)| is_signed(name))
        .collect();
    signed.push(("host".to_owned(), host(url)));
    signed.push(("x-amz-content-sha256".to_owned(), no_body.clone()));
    signed.push(("x-amz-date".to_owned(), time.clone()));
    let authorization = authorization(url, signed, key, &time);
    [("x-amz-date", time), ("x-amz-content-sha256", no_body), ("authorization", authorization)]
}

/// Whether a header of the definition is signed, as `requests_aws4auth` has it.
fn is_signed(name: &str) -> bool {
    matches!(name, "content-type" | "date") || name.starts_with("x-amz-") && name != "x-amz-client-context"
}

/// The header `Authorization` for a request at `time` (as in `20130524T000000Z`), of which exactly `signed` is signed.
fn authorization(url: &Url, mut signed: Vec<(String, String)>, key: Key<'_>, time: &str) -> String {
    let Key { access, secret, region, service } = key;
    signed.sort();
    let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let request = format!(
        "GET\n{}\n{}\n{}\n{names}\n{}",
        path(url, service),
        query(url),
        lines(&signed),
        hexadecimal(&sha256(b""))
    );
    let day = time.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/{END}");
    let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hexadecimal(&sha256(request.as_bytes())));
    let key = [day, region, service, END]
        .into_iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac_sha256(&key, part.as_bytes()));
    let signature = hexadecimal(&hmac_sha256(&key, text.as_bytes()));
    format!("{ALGORITHM} Credential={access}/{scope}, SignedHeaders={names}, Signature={signature}")
}

/// The path, percent-encoded in the one way that is signed: S3's once, that of others once more than the address has it, and
/// without repeated slashes.
fn path(url: &Url, service: &str) -> String {
    let path = if url.path().is_empty() { "/" } else { url.path() };
    if service == S3 {
        return encoded(&unquoted(path));
    }
    let mut text = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !text.ends_with('/') {
            text.push(character);
        }
    }
    encoded(text.as_bytes())
}

/// Percent signs for everything but slashes and what RFC 3986 calls unreserved.
fn encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// The parameters in order, percent-encoded in the one way that is signed, however the address has them.
fn query(url: &Url) -> String {
    let mut parameters: Vec<_> =
        url.query_pairs().map(|(name, value)| (path_segment(&name), path_segment(&value))).collect();
    parameters.sort();
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: Key<'static> = Key {
        access: "AKIAIOSFODNN7EXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: S3,
    };
    const SUITE: Key<'static> = Key {
        access: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: "service",
    };

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    /// The parts of `Authorization` that are not the same for all.
    fn parts(authorization: &str) -> (&str, &str) {
        let (before, signature) = authorization.rsplit_once(", Signature=").unwrap();
        (before.rsplit_once("SignedHeaders=").unwrap().1, signature)
    }

    fn signature(address: &str, headers: &[(&str, &str)], key: Key<'_>, time: &str) -> String {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let [_, _, (_, authorization)] = sign(&url(address), &headers, key, time.parse().unwrap());
        parts(&authorization).1.to_owned()
    }

    /// The examples of Amazon's "Signature Calculations for the Authorization Header".
    #[test]
    fn requests_are_signed_as_in_the_manual() {
        let [date, body, (_, whole)] = sign(
            &url("https://examplebucket.s3.amazonaws.com/?lifecycle"),
            &[],
            MANUAL,
            "2013-05-24T00:00:00Z".parse().unwrap(),
        );
        assert_eq!(date, ("x-amz-date", "20130524T000000Z".to_owned()));
        assert_eq!(body.1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(
            whole,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
             Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        for (query, expected) in [
            ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
            ("prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let address = format!("https://examplebucket.s3.amazonaws.com/?{query}");
            assert_eq!(signature(&address, &[], MANUAL, "2013-05-24T00:00:00Z"), expected, "{query}");
        }
        // "GET Object" signs a header that we leave to itself.
        let signed = [
            ("range", "bytes=0-9"),
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", body.1.as_str()),
            ("x-amz-date", "20130524T000000Z"),
        ];
        let signed = signed.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let address = url("https://examplebucket.s3.amazonaws.com/test.txt");
        let whole = authorization(&address, signed, MANUAL, "20130524T000000Z");
        assert_eq!(
            parts(&whole),
            (
                "host;range;x-amz-content-sha256;x-amz-date",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            )
        );
    }

    /// Amazon's test suite of signature version 4, in both of its editions: those of its cases that a GET without a body can be.
    #[test]
    fn amazons_test_suite_holds() {
        const OLD: (&str, &str) = ("host", "20110909T233600Z");
        const NEW: (&str, &str) = ("service", "20150830T123600Z");
        for (edition, address, headers, expected) in SUITE_CASES {
            let (service, time) = if edition == 2011 { OLD } else { NEW };
            let address = url(address);
            let mut signed: Vec<(String, String)> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            signed.push(("host".to_owned(), host(&address)));
            let whole = authorization(&address, signed, Key { service, ..SUITE }, time);
            assert_eq!(parts(&whole).1, expected, "{address}");
        }
    }

    /// Edition, address, what is signed beside the host, signature.
    type SuiteCase = (u16, &'static str, &'static [(&'static str, &'static str)], &'static str);

    const DATE: (&str, &str) = ("date", "Mon, 09 Sep 2011 23:36:00 GMT");
    const TIME: (&str, &str) = ("x-amz-date", "20150830T123600Z");
    const SUITE_CASES: [SuiteCase; 5] = [
        // get-space
        (
            2011,
            "http://host.foo.com/%20/foo",
            &[DATE],
            "2be9e587d1ee1f0fd02128724b86b4358ba3630d39f493b6e06610a19a50779e",
        ),
        // get-utf8
        (
            2011,
            "http://host.foo.com/\u{1234}",
            &[DATE],
            "57b1eb3df3b16a8479c0097b66c0b261cfd65b829419a3f2c3d05319722490b8",
        ),
        // get-vanilla
        (
            2015,
            "https://example.amazonaws.com/",
            &[TIME],
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        // get-slashes
        (
            2015,
            "https://example.amazonaws.com//example//",
            &[TIME],
            "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
        ),
        // get-vanilla-query-order-key-case
        (
            2015,
            "https://example.amazonaws.com/?Param2=value2&Param1=value1",
            &[TIME],
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ];

    /// The signatures of the first three are those of botocore's `S3SigV4Auth`, the others those of `AWS4Auth` of
    /// `requests_aws4auth`.
    #[test]
    fn requests_are_signed_as_python_signs_them() {
        let key = Key { access: "access", secret: "secret+/key", ..MANUAL };
        for (address, headers, service, expected) in [
            (
                "http://rgw:8080/admin/bucket?uid=p1&stats=true",
                &[][..],
                S3,
                "ece3e61ff48c3705702efed396c9c3a301435f0b91f8c27b9e5b5eb88293da21",
            ),
            (
                "http://rgw:8080/admin/usage?uid=p1%24p1",
                &[],
                S3,
                "94da7129de6db3aae04f9e79adfb03bdb2bf8547b4861db65fa6f07adbf46e34",
            ),
            (
                "https://rgw/admin/usage?uid=a+b%2Fc~d",
                &[],
                S3,
                "ad00a5f621decd9961862b553ce39d90c9f838d3f9b91d01d645f87161e5fd9b",
            ),
            (
                "http://es.local/my%20index/_stats",
                &[],
                "es",
                "bc2e67dbd2bd46c394bae56ec61381e49329ab322dfd56955c55e85a3d03536a",
            ),
            (
                "http://es.local/a//b/%C3%A9/?q=a%20b&q=A&c",
                &[],
                "es",
                "b4385b2e5548ddcdcbad8188693b5cbccf584e3c388437395a5b7c2df815066c",
            ),
            (
                "http://s3.local/a%20b/%c3%a9?x=%7E",
                &[],
                S3,
                "eed08ff0675585dc903aa6c463119143c76e14e6e6f0a9658a68502d4d4b75e3",
            ),
            (
                "http://s3.local/a",
                &[("X-Amz-Meta", "a  b "), ("Content-Type", "text/plain"), ("X-Other", "z")],
                S3,
                "d127b48a3eaed793e190f65c6c8d2374c1f093a466fb787a0cc3461e38467017",
            ),
        ] {
            let found = signature(address, headers, Key { service, ..key }, "2026-11-26T13:00:00Z");
            assert_eq!(found, expected, "{address}");
        }
    }
}
