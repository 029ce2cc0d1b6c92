//! Compressed bodies, with a bound on what comes out.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use super::{Rejection, shorten};

/// Most bytes that a compressed body may expand to.
pub const DECOMPRESSED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The plain body. kombu names the compression in a header; others use the `content_encoding` property, where kombu has
/// the character set.
pub(super) fn undo<'a>(
    body: &'a [u8],
    content_encoding: Option<&str>,
    compression: Option<&str>,
) -> Result<Cow<'a, [u8]>, Rejection> {
    let mut name = compression.filter(|name| !name.is_empty());
    if let Some(encoding) = content_encoding {
        match encoding.trim().to_ascii_lowercase().as_str() {
            // "binary" and "ascii-8bit" are kombu's names for "leave it alone".
            "" | "utf-8" | "utf8" | "us-ascii" | "ascii" | "binary" | "ascii-8bit" | "identity"
            | "utf-8-sig" => {}
            "gzip" | "x-gzip" | "deflate" | "zlib" | "zstd" | "br" | "bzip2" | "bz2" | "xz" => {
                name = name.or(Some(encoding));
            }
            _ => return Err(Rejection::Charset { name: shorten(encoding) }),
        }
    }
    let Some(name) = name else { return Ok(Cow::Borrowed(body)) };
    match name.trim().to_ascii_lowercase().as_str() {
        // What kombu calls gzip is a zlib stream; others send what they say.
        "application/x-gzip" | "application/gzip" | "gzip" | "x-gzip" | "zlib" | "deflate" => {
            inflate(body).map(Cow::Owned)
        }
        "application/zstd" | "application/x-zstd" | "zstd" | "zstandard" => {
            let damaged = |error: Box<dyn std::error::Error + Send + Sync>| Rejection::Damaged {
                name: "zstd",
                source: io::Error::other(error),
            };
            let decoder = StreamingDecoder::new(body).map_err(|error| damaged(error.into()))?;
            read("zstd", decoder).map(Cow::Owned)
        }
        _ => Err(Rejection::Compression { name: shorten(name) }),
    }
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, Rejection> {
    match body {
        [0x1f, 0x8b, ..] => read("gzip", MultiGzDecoder::new(body)),
        // A zlib header: method 8, and a multiple of 31.
        [method, flags, ..]
            if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0 =>
        {
            read("gzip", ZlibDecoder::new(body))
        }
        _ => read("gzip", DeflateDecoder::new(body)),
    }
}

fn read(name: &'static str, decoder: impl Read) -> Result<Vec<u8>, Rejection> {
    let mut out = Vec::new();
    let damaged = |source| Rejection::Damaged { name, source };
    decoder.take(DECOMPRESSED_BYTES_MAX + 1).read_to_end(&mut out).map_err(damaged)?;
    if out.len() as u64 > DECOMPRESSED_BYTES_MAX {
        return Err(Rejection::TooLarge);
    }
    Ok(out)
}
