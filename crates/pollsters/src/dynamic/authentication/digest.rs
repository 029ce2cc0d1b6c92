//! HTTP Digest (RFC 7616, RFC 2617 and 2069 as older servers have it), as `HTTPDigestAuth` of Python's requests does it.

use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha512};

use crate::aws::hexadecimal;

/// The hashes, the best last. `SHA` is in no RFC, but requests knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Md5Session,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "MD5" => Self::Md5,
            "MD5-SESS" => Self::Md5Session,
            "SHA" => Self::Sha1,
            "SHA-256" => Self::Sha256,
            "SHA-512" => Self::Sha512,
            _ => return None,
        })
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 | Self::Md5Session => hexadecimal(&Md5::digest(text.as_bytes())),
            Self::Sha1 => hexadecimal(&sha1_smol::Sha1::from(text.as_bytes()).digest().bytes()),
            Self::Sha256 => hexadecimal(&Sha256::digest(text.as_bytes())),
            Self::Sha512 => hexadecimal(&Sha512::digest(text.as_bytes())),
        }
    }
}

/// What a server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server writes it, if it does.
    algorithm_name: Option<String>,
    algorithm: Algorithm,
    /// Whether the answer counts requests (`qop=auth`), as it does since RFC 2617.
    counts: bool,
}

impl Challenge {
    /// Of the values of `WWW-Authenticate`, the challenge with the best hash that can be answered.
    ///
    /// # Errors
    /// Why none of those that there are can be answered.
    pub(super) fn best(values: &[String]) -> Result<Option<Self>, String> {
        let mut best: Option<Self> = None;
        let mut reason = None;
        let challenges = values.iter().flat_map(|value| challenges(value));
        for (_, parameters) in challenges.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("digest")) {
            match Self::read(&parameters) {
                Ok(challenge) => {
                    if best.as_ref().is_none_or(|best| best.algorithm < challenge.algorithm) {
                        best = Some(challenge);
                    }
                }
                Err(problem) => reason = reason.or(Some(problem)),
            }
        }
        match (best, reason) {
            (None, Some(reason)) => Err(reason),
            (best, _) => Ok(best),
        }
    }

    fn read(parameters: &[(String, String)]) -> Result<Self, String> {
        let parameter = |wanted: &str| {
            parameters
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.clone())
        };
        let required = |name: &str| {
            parameter(name).ok_or_else(|| format!("the server's digest challenge has no {name}"))
        };
        let algorithm_name = parameter("algorithm");
        let algorithm = Algorithm::named(algorithm_name.as_deref().unwrap_or("MD5")).ok_or_else(|| {
            let name = algorithm_name.as_deref().unwrap_or_default();
            format!(
                "the server wants a digest by {name:?}; there are MD5, MD5-sess, SHA, SHA-256 and SHA-512"
            )
        })?;
        let qop = parameter("qop").filter(|qop| !qop.is_empty());
        if let Some(qop) = qop.as_deref().filter(|qop| qop.split(',').all(|one| one.trim() != "auth")) {
            return Err(format!("the server wants a digest with qop={qop:?}; there is auth alone"));
        }
        Ok(Self {
            realm: required("realm")?,
            nonce: required("nonce")?,
            opaque: parameter("opaque"),
            algorithm_name,
            algorithm,
            counts: qop.is_some(),
        })
    }

    /// The value of `Authorization` for a GET of `uri`, which is the `count`th answer to the challenge; `own` is a text that
    /// nobody can know before.
    pub(super) fn answer(&self, count: u32, user: &str, password: &str, uri: &str, own: &str) -> String {
        let count = format!("{count:08x}");
        let Self { realm, nonce, opaque, algorithm_name, algorithm, counts } = self;
        let mut secret = algorithm.hash(&format!("{user}:{realm}:{password}"));
        if *algorithm == Algorithm::Md5Session {
            secret = algorithm.hash(&format!("{secret}:{nonce}:{own}"));
        }
        let request = algorithm.hash(&format!("GET:{uri}"));
        let response = algorithm.hash(&if *counts {
            format!("{secret}:{nonce}:{count}:{own}:auth:{request}")
        } else {
            format!("{secret}:{nonce}:{request}")
        });
        let mut parts = vec![
            format!("username={}", quoted(user)),
            format!("realm={}", quoted(realm)),
            format!("nonce={}", quoted(nonce)),
            format!("uri={}", quoted(uri)),
            format!("response=\"{response}\""),
        ];
        parts.extend(opaque.as_ref().map(|opaque| format!("opaque={}", quoted(opaque))));
        // What is not quoted must not be, says RFC 7616.
        parts.extend(algorithm_name.as_ref().map(|name| format!("algorithm={name}")));
        if *counts || *algorithm == Algorithm::Md5Session {
            parts.push(format!("cnonce=\"{own}\""));
        }
        if *counts {
            parts.push(format!("qop=auth, nc={count}"));
        }
        format!("Digest {}", parts.join(", "))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The challenges of a header's value: each scheme with its parameters.
fn challenges(value: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut all: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for part in parts(value) {
        let name_end = part.find(|character: char| character == '=' || character.is_whitespace());
        let (word, rest) = part.split_at(name_end.unwrap_or(part.len()));
        let rest = rest.trim_start();
        let parameter = if let Some(value) = rest.strip_prefix('=') {
            Some((word.to_owned(), unquoted(value.trim())))
        } else {
            // A new scheme, whose first parameter may follow.
            all.push((word.to_owned(), Vec::new()));
            rest.split_once('=').map(|(name, value)| (name.trim().to_owned(), unquoted(value.trim())))
        };
        if let (Some((_, parameters)), Some(parameter)) = (all.last_mut(), parameter) {
            parameters.push(parameter);
        }
    }
    all
}

/// What stands between commas outside of quotes, and is not empty.
fn parts(value: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped) = (0, false, false);
    for (place, character) in value.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                found.push(value.get(start..place).unwrap_or_default());
                start = place + 1;
            }
            _ => {}
        }
    }
    found.push(value.get(start..).unwrap_or_default());
    found.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(values: &[&str]) -> Result<Option<Challenge>, String> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Challenge::best(&values)
    }

    /// The examples of RFC 2617, 3.5, and RFC 7616, 3.9.1, of which the better hash is taken.
    #[test]
    fn challenges_are_answered_as_in_the_standards() {
        let challenge = best(&[
            r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        ]);
        let answer =
            challenge.unwrap().unwrap().answer(1, "Mufasa", "Circle Of Life", "/dir/index.html", "0a4f113b");
        assert_eq!(
            answer,
            r#"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41", cnonce="0a4f113b", qop=auth, nc=00000001"#
        );
        let challenge = |algorithm: &str| {
            format!(
                r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
            )
        };
        let (md5, sha) = (challenge("MD5"), challenge("SHA-256"));
        for (values, expected) in [
            (&[md5.as_str()][..], "8ca523f5e9506fed4657c9700eebdbec"),
            (&[&md5, &sha], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            (&[&sha, &md5], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = best(values).unwrap().unwrap();
            let own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = challenge.answer(1, "Mufasa", "Circle of Life", "/dir/index.html", own);
            assert!(answer.contains(&format!("response=\"{expected}\"")), "{answer}");
        }
    }

    #[test]
    fn values_are_taken_apart() {
        let challenge = best(&[
            "Negotiate, Basic realm=\"a, b=\\\"c\\\"\", dIgEsT  REALM = \"r\\\"s\" ,, nonce=n/=, Bearer",
            "Bearer scope=\"x\"",
        ]);
        assert_eq!(
            challenge.unwrap(),
            Some(Challenge {
                realm: "r\"s".into(),
                nonce: "n/=".into(),
                opaque: None,
                algorithm_name: None,
                algorithm: Algorithm::Md5,
                counts: false,
            })
        );
        for nothing in ["", ",", "Basic realm=\"Digest realm=x, nonce=y\"", "\"", "=", "Digestive realm=x"] {
            assert_eq!(best(&[nothing]), Ok(None), "{nothing}");
        }
        for (value, words) in [
            ("Digest", "no realm"),
            ("Digest realm=\"r\"", "no nonce"),
            ("Digest realm=r, nonce=n, algorithm=TIGER", "by \"TIGER\""),
            ("Digest realm=r, nonce=n, qop=auth-int", "qop=\"auth-int\""),
        ] {
            let error = best(&[value]).unwrap_err();
            assert!(error.contains(words), "{error}");
            // Another one that can be answered is.
            assert!(best(&[value, "Digest realm=r, nonce=n"]).unwrap().is_some());
        }
    }
}
