//! Bodies as oslo.messaging and kombu make them.

use std::io::Write;

use serde_json::json;

pub(crate) fn v2(inner: &str) -> String {
    json!({"oslo.version": "2.0", "oslo.message": inner}).to_string()
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}
