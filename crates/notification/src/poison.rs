//! What is wrong with a message that cannot be processed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use definitions::ConversionError;
use model::{Notification, Value};

use crate::decode::DecodeError;

/// A letter's words are cut at this many characters.
const MESSAGE_CHARACTERS: usize = 1024;
/// Ids and event types are cut at this many characters: they come from the message.
const NAME_CHARACTERS: usize = 255;
/// The cause of a conversion that panicked.
const PANIC: &str = "panic";

/// Why a message cannot be processed, or not as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Short name of the (first) cause.
    pub(crate) cause: &'static str,
    /// All of them in words.
    pub(crate) message: String,
    /// It could not be read at all: it is rejected and not acknowledged.
    pub(crate) unreadable: bool,
    /// Its event is what failed, which `ack_on_event_error` is about.
    pub(crate) event_failed: bool,
    pub(crate) message_id: Option<String>,
    pub(crate) event_type: Option<String>,
}

impl Failure {
    /// The message cannot be read.
    pub(crate) fn unreadable(error: &DecodeError) -> Self {
        Self { unreadable: true, ..Self::new(error.cause(), &error.to_string()) }
    }

    /// A definition made nothing of the notification. `kind` says of what: `samples` or `events`.
    pub(crate) fn conversion(kind: &str, notification: &Notification, error: &ConversionError) -> Self {
        let (message_id, event_type) = names(notification);
        Self {
            event_failed: kind == "events",
            message_id,
            event_type,
            ..Self::new(error.cause.label(), &format!("{kind}: {error}"))
        }
    }

    /// Something more is wrong with the same message. The first cause stays.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.message = cut(&format!("{}; {}", self.message, other.message), MESSAGE_CHARACTERS);
        self.event_failed |= other.event_failed;
        self
    }

    fn new(cause: &'static str, message: &str) -> Self {
        Self {
            cause,
            message: cut(message, MESSAGE_CHARACTERS),
            unreadable: false,
            event_failed: false,
            message_id: None,
            event_type: None,
        }
    }
}

/// The notification's id and event type, as texts.
pub(crate) fn names(notification: &Notification) -> (Option<String>, Option<String>) {
    let text = |value: &Value| value.as_str().map(|text| cut(text, NAME_CHARACTERS));
    let event_type = notification.event_type().map(|text| cut(text, NAME_CHARACTERS));
    (text(notification.message_id()), event_type)
}

/// Does something with one message. A panic, which is an error of the program, costs that message alone; it has been
/// logged with its place by the program's panic hook.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    // What the work has changed is set back by the caller.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Failure::new(PANIC, &words(&*panic)))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the conversion panicked, which is an error of this program: {}", words.unwrap_or("no words"))
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_like_others() {
        assert_eq!(guarded(|| 7), Ok(7));
        let failure = guarded(|| panic!("index {} out of range", 3)).unwrap_err();
        assert_eq!((failure.cause, failure.unreadable), ("panic", false));
        assert!(
            failure.message.ends_with("error of this program: index 3 out of range"),
            "{}",
            failure.message
        );
        let failure = guarded(|| std::panic::panic_any(7)).unwrap_err();
        assert!(failure.message.ends_with("no words"), "{}", failure.message);
    }

    #[test]
    fn several_failures_make_one_letter_with_the_first_ones_cause() {
        let mut failure = Failure::new("timestamp", "samples: a");
        let event = Failure { event_failed: true, ..Failure::new("trait_type", "events: b") };
        failure = failure.and(&event);
        assert_eq!((failure.cause, failure.message.as_str()), ("timestamp", "samples: a; events: b"));
        assert!(failure.event_failed);
        for _ in 0..100 {
            failure = failure.and(&Failure::new("x", &"ü".repeat(100)));
        }
        assert_eq!(failure.message.chars().count(), MESSAGE_CHARACTERS);
    }
}
