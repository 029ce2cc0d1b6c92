//! What a listener or notifier tells about itself, for health checks and status lines.

use std::time::Instant;

/// Where a listener stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Not connected; trying.
    #[default]
    Connecting,
    /// Connected.
    Connected,
    /// Told to stop: no new messages, those handed out may still be resolved.
    Stopping,
    /// Ended.
    Stopped,
}

/// A snapshot of a listener.
#[derive(Debug, Clone, Default)]
pub struct ListenerState {
    /// Where it stands.
    pub phase: Phase,
    /// Host and port connected to, or being tried.
    pub endpoint: Option<String>,
    /// Since when it has been in this phase.
    pub since: Option<Instant>,
    /// Queues being consumed.
    pub consumers: usize,
    /// Queues that should be consumed.
    pub queues: usize,
    /// The broker's reason, while it blocks the connection.
    pub blocked: Option<String>,
    /// What went wrong last; cleared when every queue is consumed again.
    pub last_error: Option<String>,
    /// Connections opened so far.
    pub connections: u64,
}

impl ListenerState {
    /// Connected, and every queue is being consumed.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Connected && self.consumers == self.queues
    }
}

/// An error with all its sources, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // lapin's errors repeat their source.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}
