//! Messages that arrive again after they were dealt with.

use std::collections::VecDeque;

/// How many ids oslo.messaging remembers per listener.
pub const RECENT_IDS: usize = 16;

/// The `_unique_id`s of the messages accepted last.
///
/// An id enters only when its message was *accepted*: a message that comes again because it was given back, or because
/// its connection broke before its fate was known, is not in here, and must be processed. One that is in here was
/// taken care of, and only its acknowledgement got lost (or its publisher, missing a confirm, sent it twice): accept it
/// without processing it. oslo.messaging does the same, but leaves the message unacknowledged on its channel.
#[derive(Debug, Clone)]
pub struct RecentIds {
    ids: VecDeque<Box<str>>,
    capacity: usize,
}

impl Default for RecentIds {
    fn default() -> Self {
        Self::new(RECENT_IDS)
    }
}

impl RecentIds {
    /// Remembers the last `capacity` ids.
    pub fn new(capacity: usize) -> Self {
        Self { ids: VecDeque::new(), capacity }
    }

    /// Whether a message with this id was accepted lately.
    pub fn contains(&self, unique_id: &str) -> bool {
        self.ids.iter().any(|id| **id == *unique_id)
    }

    /// A message with this id was accepted.
    pub fn accepted(&mut self, unique_id: &str) {
        if unique_id.is_empty() || self.capacity == 0 || self.contains(unique_id) {
            return;
        }
        if self.ids.len() == self.capacity {
            self.ids.pop_front();
        }
        self.ids.push_back(unique_id.into());
    }
}
