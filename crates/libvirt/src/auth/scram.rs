//! SCRAM (RFC 5802, RFC 7677), the client's part, without channel binding.
//!
//! Names and passwords are used as they are: those that SASLprep would change are not told apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use uuid::Uuid;

use super::hash::{Hash, Hmac};
use crate::error::AuthError;
use crate::options::Credentials;

/// Most rounds that a daemon may ask for, so that it cannot keep us busy for ever.
const ITERATIONS_MAX: u32 = 1_000_000;
/// Rounds after which others get their turn: a few milliseconds.
const ITERATIONS_AT_ONCE: u32 = 4096;
/// "No channel binding, no other identity", and the same in Base64.
const HEADER: &str = "n,,";
const HEADER_BASE64: &str = "biws";

enum State {
    /// The first message is on its way.
    Begun,
    /// The proof is on its way; this is what the daemon must answer.
    Proved(Vec<u8>),
    /// The daemon knows the password as well.
    Satisfied,
}

pub(super) struct Scram<H> {
    name: &'static str,
    password: String,
    /// The first message without its header.
    bare: String,
    nonce: String,
    state: State,
    hash: std::marker::PhantomData<H>,
}

impl<H: Hash> Scram<H> {
    pub(super) fn new(name: &'static str, credentials: &Credentials) -> Self {
        // Two random UUIDs: 244 bits from the operating system.
        let nonce = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        Self::with_nonce(name, credentials, nonce)
    }

    fn with_nonce(name: &'static str, credentials: &Credentials, nonce: String) -> Self {
        let user = credentials.user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={user},r={nonce}");
        let password = credentials.password.clone();
        Self { name, password, bare, nonce, state: State::Begun, hash: std::marker::PhantomData }
    }

    pub(super) fn first(&self) -> Vec<u8> {
        format!("{HEADER}{}", self.bare).into_bytes()
    }

    pub(super) const fn is_satisfied(&self) -> bool {
        matches!(self.state, State::Satisfied)
    }

    fn wrong(&self, problem: &'static str) -> AuthError {
        AuthError::Exchange { mechanism: self.name, problem }
    }

    pub(super) async fn next(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, AuthError> {
        let message = std::str::from_utf8(message).map_err(|_| self.wrong("it is not UTF-8"))?;
        match &self.state {
            State::Begun => {
                let (answer, expected) = self.prove(message).await?;
                self.state = State::Proved(expected);
                Ok(Some(answer.into_bytes()))
            }
            State::Proved(expected) => {
                let given = field(message, "v=").and_then(|text| BASE64.decode(text).ok());
                let Some(given) = given else { return Err(self.wrong("it carries no signature")) };
                if given != *expected {
                    return Err(self.wrong("its signature shows that it does not know the password"));
                }
                self.state = State::Satisfied;
                Ok(None)
            }
            State::Satisfied => Err(self.wrong("it says more than it should")),
        }
    }

    /// The second message, and the signature that the daemon must answer.
    async fn prove(&self, message: &str) -> Result<(String, Vec<u8>), AuthError> {
        if message.starts_with("m=") {
            return Err(self.wrong("it needs an extension that is not known here"));
        }
        let nonce = field(message, "r=").ok_or_else(|| self.wrong("it carries no nonce"))?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(self.wrong("its nonce does not go on from ours"));
        }
        let salt = field(message, "s=").and_then(|text| BASE64.decode(text).ok());
        let salt = salt.ok_or_else(|| self.wrong("it carries no salt"))?;
        let iterations = field(message, "i=").and_then(|text| text.parse::<u32>().ok());
        let iterations = iterations.ok_or_else(|| self.wrong("it carries no number of rounds"))?;
        if !(1..=ITERATIONS_MAX).contains(&iterations) {
            return Err(self.wrong("it asks for no round or for more than a million"));
        }
        let salted = salted_password::<H>(self.password.as_bytes(), &salt, iterations).await;
        let salted = Hmac::<H>::new(salted.as_ref());
        let client_key = salted.of(b"Client Key");
        let server_key = salted.of(b"Server Key");
        let final_bare = format!("c={HEADER_BASE64},r={nonce}");
        let signed = format!("{},{message},{final_bare}", self.bare);
        let signature = Hmac::<H>::new(H::of(client_key.as_ref()).as_ref()).of(signed.as_bytes());
        let mut proof = client_key;
        for (byte, signature) in proof.as_mut().iter_mut().zip(signature.as_ref()) {
            *byte ^= signature;
        }
        let expected = Hmac::<H>::new(server_key.as_ref()).of(signed.as_bytes());
        Ok((format!("{final_bare},p={}", BASE64.encode(proof)), expected.as_ref().to_vec()))
    }
}

/// A field of a message, by its letter and `=`.
fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').find_map(|part| part.strip_prefix(name))
}

/// PBKDF2 (RFC 2898) for one block of the hash's length.
async fn salted_password<H: Hash>(password: &[u8], salt: &[u8], iterations: u32) -> H::Output {
    let hmac = Hmac::<H>::new(password);
    let mut round = hmac.of(&[salt, &1_u32.to_be_bytes()].concat());
    let mut result = round;
    for number in 1..iterations {
        if number % ITERATIONS_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
        round = hmac.of(round.as_ref());
        for (sum, byte) in result.as_mut().iter_mut().zip(round.as_ref()) {
            *sum ^= byte;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::hash::{Sha1, Sha256};
    use super::*;

    fn credentials() -> Credentials {
        Credentials { user: "user".to_owned(), password: "pencil".to_owned() }
    }

    async fn exchange<H: Hash>(nonce: &str, server: &str, proof: &str, signature: &str) {
        let mut scram = Scram::<H>::with_nonce("SCRAM", &credentials(), nonce.to_owned());
        assert_eq!(scram.first(), format!("n,,n=user,r={nonce}").into_bytes());
        let answer = scram.next(server.as_bytes()).await.unwrap().unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.ends_with(&format!(",p={proof}")), "{answer}");
        assert!(!scram.is_satisfied());
        assert_eq!(scram.next(format!("v={signature}").as_bytes()).await.unwrap(), None);
        assert!(scram.is_satisfied());
    }

    /// The examples of RFC 5802 section 5 and RFC 7677 section 3.
    #[tokio::test]
    async fn exchanges_are_those_of_the_standards() {
        exchange::<Sha1>(
            "fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        )
        .await;
        exchange::<Sha256>(
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        )
        .await;
    }

    #[tokio::test]
    async fn a_daemon_that_does_not_know_the_password_is_refused() {
        let mut scram = Scram::<Sha256>::with_nonce("SCRAM", &credentials(), "abc".to_owned());
        scram.next(b"r=abcdef,s=AAAA,i=1").await.unwrap();
        let error = scram.next(b"v=AAAA").await.unwrap_err();
        assert!(error.to_string().contains("does not know the password"), "{error}");
        assert!(!scram.is_satisfied());
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        for (message, words) in [
            ("r=abcdef,s=AAAA,i=1000001", "more than a million"),
            ("r=abcdef,s=AAAA,i=0", "for no round"),
            ("r=abcdef,s=AAAA", "no number of rounds"),
            ("r=abcdef,s=?,i=1", "no salt"),
            ("r=abc,s=AAAA,i=1", "does not go on"),
            ("r=xyz,s=AAAA,i=1", "does not go on"),
            ("s=AAAA,i=1", "no nonce"),
            ("m=x,r=abcdef,s=AAAA,i=1", "an extension"),
        ] {
            let mut scram = Scram::<Sha1>::with_nonce("SCRAM", &credentials(), "abc".to_owned());
            let error = scram.next(message.as_bytes()).await.unwrap_err().to_string();
            assert!(error.contains(words), "{message}: {error}");
        }
        let odd = Credentials { user: "a=b,c".to_owned(), password: String::new() };
        let scram = Scram::<Sha1>::with_nonce("SCRAM", &odd, "abc".to_owned());
        assert_eq!(scram.first(), b"n,,n=a=3Db=2Cc,r=abc");
    }
}
