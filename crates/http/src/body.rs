//! Bodies of bounded size.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use reqwest::header::HeaderMap;

use crate::explain::explain;

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the bound.
    #[error("the response is longer than {limit_bytes} bytes")]
    TooLong {
        /// The bound.
        limit_bytes: usize,
    },
    /// The connection failed or the time ran out.
    #[error("{0}")]
    Transport(String),
}

/// Reads the whole body (unpacked, if it came compressed), at most `limit_bytes`. The time is bounded by the client's
/// options.
pub async fn read_body(mut response: reqwest::Response, limit_bytes: usize) -> Result<Bytes, BodyError> {
    let too_long = || BodyError::TooLong { limit_bytes };
    let announced =
        response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > limit_bytes {
        return Err(too_long());
    }
    let mut body = BytesMut::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Transport(explain(&error)))? {
        if chunk.len() > limit_bytes - body.len() {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads the whole body as [`read_body`] does, and what follows it: the trailers of HTTP/2, empty when there are none.
pub async fn read_body_and_trailers(
    response: reqwest::Response,
    limit_bytes: usize,
) -> Result<(Bytes, HeaderMap), BodyError> {
    let mut parts = reqwest::Body::from(response);
    let (mut body, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut parts).poll_frame(context)).await {
        let frame = frame.map_err(|error| BodyError::Transport(explain(&error)))?;
        match frame.into_data() {
            Ok(chunk) if chunk.len() > limit_bytes - body.len() => {
                return Err(BodyError::TooLong { limit_bytes });
            }
            Ok(chunk) => body.extend_from_slice(&chunk),
            // A frame is one or the other.
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((body.freeze(), trailers))
}
