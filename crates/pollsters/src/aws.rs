//! Amazon's signatures of requests, in headers and for a GET without a body: version 2 as S3 has it, and version 4.

mod version_2;
mod version_4;

use std::fmt::Write as _;

use openstack::Url;
use sha2::{Digest as _, Sha256};

pub(crate) use version_2::{Key as Version2Key, sign as sign_version_2};
pub(crate) use version_4::{Key as Version4Key, sign as sign_version_4};

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

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
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

/// Host and port as the header `Host` has them.
fn host(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Without percent signs.
fn unquoted(text: &str) -> Vec<u8> {
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
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202, cases 2 and 6, and RFC 4231, cases 2 and 6.
    #[test]
    fn hmac_is_the_standards() {
        let text = b"what do ya want for nothing?";
        assert_eq!(hexadecimal(&hmac_sha1(b"Jefe", text)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hexadecimal(&hmac_sha256(b"Jefe", text)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hexadecimal(&hmac_sha1(&[0xaa; 80], text)), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
        assert_eq!(
            hexadecimal(&hmac_sha256(&[0xaa; 131], text)),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn percent_signs_are_taken_off_where_they_mean_something() {
        for (text, expected) in
            [("a%20b", "a b"), ("%c3%A9", "é"), ("%", "%"), ("%2", "%2"), ("%zz%41", "%zzA")]
        {
            assert_eq!(String::from_utf8(unquoted(text)).unwrap(), expected, "{text}");
        }
    }
}
