//! Bodies of requests, within bounds of bytes and time.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Settings;
use crate::failure::Failure;
use crate::watch::Refused;

/// Bytes of a permit of [`budget`].
const PERMIT_BYTES: usize = 1_024;
/// So much of a body that nobody wants is read, and in so long.
const DISCARDED_BYTES: usize = 64 << 10;
const DISCARDED_WITHIN: Duration = Duration::from_secs(1);

/// A body, and its part of what all bodies together may take, for as long as it is worked on.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    /// Given back when it is dropped.
    _share: Option<OwnedSemaphorePermit>,
}

/// Bytes that bodies of one server share, with what they are read into.
pub(crate) fn budget_bytes(settings: &Settings) -> usize {
    settings.max_bodies_bytes.max(settings.max_body_bytes)
}

/// What bodies of one server share.
pub(crate) fn budget(settings: &Settings) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits(budget_bytes(settings))))
}

pub(crate) fn permits(bytes: usize) -> usize {
    bytes.div_ceil(PERMIT_BYTES).min(Semaphore::MAX_PERMITS)
}

/// A part of what all bodies together may take, for what one of them is unpacked to; `None` if there is no more room.
pub(crate) fn part_of(budget: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(budget).try_acquire_many_owned(u32::try_from(permits(bytes)).unwrap_or(u32::MAX)).ok()
}

/// Why a body was not read.
#[derive(Debug)]
pub(crate) struct NotRead {
    pub(crate) failure: Failure,
    pub(crate) cause: Refused,
}

fn refused(status: StatusCode, text: &str, cause: Refused) -> NotRead {
    NotRead { failure: Failure::new(status, text), cause }
}

/// Reads what was not asked for, so that the connection can have another request. Whether all of it came: it is not worth
/// much.
pub(crate) async fn discard(body: &mut Body) -> bool {
    if body.is_end_stream() {
        return true;
    }
    let mut left = DISCARDED_BYTES;
    if body.size_hint().lower() > left as u64 {
        return false;
    }
    let reading = async {
        while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            let Ok(frame) = frame else { return false };
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return false };
            left = rest;
        }
        true
    };
    tokio::time::timeout(DISCARDED_WITHIN, reading).await.unwrap_or(false)
}

/// Reads a body.
pub(crate) async fn read(
    body: &mut Body,
    settings: &Settings,
    budget: &Arc<Semaphore>,
) -> Result<Held, NotRead> {
    let limit = settings.max_body_bytes;
    let too_large = || {
        let text = format!("The body is larger than {limit} bytes.");
        refused(StatusCode::PAYLOAD_TOO_LARGE, &text, Refused::BodyTooLarge)
    };
    // Said before it comes.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let reading = async {
        // Most bodies come in one piece, which is taken as it is.
        let (mut first, mut read) = (Bytes::new(), BytesMut::new());
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            let Ok(frame) = frame else {
                let text = "The body did not come whole.";
                return Err(refused(StatusCode::BAD_REQUEST, text, Refused::BodyBroken));
            };
            let Ok(bytes) = frame.into_data() else { continue };
            if first.len() + read.len() + bytes.len() > limit {
                return Err(too_large());
            }
            let Some(more) = part_of(budget, bytes.len()) else {
                let text = "The server holds as many bytes of requests as it may. Please retry.";
                return Err(refused(StatusCode::SERVICE_UNAVAILABLE, text, Refused::Busy));
            };
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
            if first.is_empty() && read.is_empty() {
                first = bytes;
                continue;
            }
            read.extend_from_slice(&std::mem::take(&mut first));
            read.extend_from_slice(&bytes);
        }
        let bytes = if read.is_empty() { first } else { read.freeze() };
        Ok(Held { bytes, _share: share })
    };
    tokio::time::timeout(settings.body_timeout, reading).await.unwrap_or_else(|_elapsed| {
        let text = "The body did not come in time.";
        Err(refused(StatusCode::REQUEST_TIMEOUT, text, Refused::BodyTimeout))
    })
}
