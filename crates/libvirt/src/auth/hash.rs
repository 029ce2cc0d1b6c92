//! The two hash functions of SCRAM, with HMAC (RFC 2104).

use sha2::Digest as _;

/// Bytes that both functions work on at once.
const BLOCK_BYTES: usize = 64;

/// A hash function.
pub(super) trait Hash: Clone {
    /// Its result.
    type Output: AsRef<[u8]> + AsMut<[u8]> + Copy;

    fn new() -> Self;
    fn update(&mut self, bytes: &[u8]);
    fn finish(self) -> Self::Output;

    /// The hash of some bytes.
    fn of(bytes: &[u8]) -> Self::Output {
        let mut hash = Self::new();
        hash.update(bytes);
        hash.finish()
    }
}

/// SHA-1. SCRAM-SHA-1 does not rest on what is broken in it.
#[derive(Clone)]
pub(super) struct Sha1(sha1_smol::Sha1);

impl Hash for Sha1 {
    type Output = [u8; 20];

    fn new() -> Self {
        Self(sha1_smol::Sha1::new())
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> Self::Output {
        self.0.digest().bytes()
    }
}

/// SHA-256.
#[derive(Clone)]
pub(super) struct Sha256(sha2::Sha256);

impl Hash for Sha256 {
    type Output = [u8; 32];

    fn new() -> Self {
        Self(sha2::Sha256::new())
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> Self::Output {
        self.0.finalize().into()
    }
}

/// HMAC with a key, which is worked in once.
#[derive(Clone)]
pub(super) struct Hmac<H> {
    inner: H,
    outer: H,
}

impl<H: Hash> Hmac<H> {
    pub(super) fn new(key: &[u8]) -> Self {
        let hashed = H::of(key);
        let key = if key.len() > BLOCK_BYTES { hashed.as_ref() } else { key };
        let keyed = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut hash = H::new();
            hash.update(&block);
            hash
        };
        Self { inner: keyed(0x36), outer: keyed(0x5c) }
    }

    /// The code of some bytes.
    pub(super) fn of(&self, bytes: &[u8]) -> H::Output {
        let (mut inner, mut outer) = (self.inner.clone(), self.outer.clone());
        inner.update(bytes);
        outer.update(inner.finish().as_ref());
        outer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: impl AsRef<[u8]>) -> String {
        let digits: Vec<String> = bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    }

    /// RFC 2202 case 2, RFC 4231 cases 2 and 6 (a key longer than a block).
    #[test]
    fn codes_are_those_of_the_standards() {
        let text = b"what do ya want for nothing?";
        assert_eq!(hex(Hmac::<Sha1>::new(b"Jefe").of(text)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hex(Hmac::<Sha256>::new(b"Jefe").of(text)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(Hmac::<Sha256>::new(&[0xaa; 131])
                .of(b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
