//! What bodies take beside their bytes while they are read: a few bytes can say that there is much.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::Failure;
use crate::request::Request;
use crate::watch::Refused;
use crate::{Api, body};

/// It is taken in pieces of so many bytes.
const PIECE_BYTES: usize = 64 << 10;

/// A part of what all bodies together may take, which grows as something is made of one of them, and is given back when it is
/// dropped.
#[derive(Debug)]
pub(crate) struct Room {
    budget: Arc<Semaphore>,
    share: Option<OwnedSemaphorePermit>,
    /// Bytes of the share that are not used yet.
    left: usize,
    /// Bytes of the body itself, which are taken elsewhere.
    body: usize,
    /// Bytes that there was no room for.
    lacking: usize,
}

impl Room {
    /// None yet.
    pub(crate) fn of(api: &Api, request: &Request) -> Self {
        Self { body: request.body.len(), ..Self::new(Arc::clone(&api.bodies)) }
    }

    /// None yet, of this budget.
    pub(crate) fn new(budget: Arc<Semaphore>) -> Self {
        Self { budget, share: None, left: 0, body: 0, lacking: 0 }
    }

    /// As much as anybody wants.
    pub(crate) fn unbounded() -> Self {
        Self::new(Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)))
    }

    /// Takes so many bytes more; `None` if there are not as many, as [`Self::check`] says then.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) -> Option<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Some(())
            }
            None => self.grow(bytes),
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) -> Option<()> {
        let bytes = bytes - self.left;
        let pieces = bytes.max(PIECE_BYTES);
        let Some(more) = body::part_of(&self.budget, pieces) else {
            self.lacking = pieces;
            return None;
        };
        match &mut self.share {
            Some(share) => share.merge(more),
            None => self.share = Some(more),
        }
        self.left = pieces - bytes;
        Some(())
    }

    /// Refuses the request if there was no room.
    pub(crate) fn check(&self, api: &Api) -> Result<(), Failure> {
        if self.lacking == 0 {
            return Ok(());
        }
        let held = self.share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let most = body::budget_bytes(&api.settings);
        let alone = held + body::permits(self.lacking) + body::permits(self.body);
        let (cause, status, text) = if alone > body::permits(most) {
            let text = format!(
                "The body has so many values that they take more than {most} bytes of memory. Please divide it."
            );
            (Refused::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE, text)
        } else {
            let text = "The server holds as many bytes of requests as it may. Please retry.".to_owned();
            (Refused::Busy, StatusCode::SERVICE_UNAVAILABLE, text)
        };
        api.counted.refused.increment(cause);
        Err(Failure::new(status, text))
    }
}
