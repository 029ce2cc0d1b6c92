//! [`ReloadMetrics`]: how often the configuration was read again, and what became of it.

use crate::causes;
use crate::metrics::{CauseCounter, Component};

causes! {
    /// How a reload ended.
    pub enum Reload {
        /// The new configuration is in force.
        Taken => "taken",
        /// Something is wrong with it; the old one is in force.
        Refused => "refused",
    }
}

/// Counters of reloads.
#[derive(Debug, Clone)]
pub struct ReloadMetrics {
    /// Reloads by what became of them.
    pub reloads: CauseCounter<Reload>,
}

impl ReloadMetrics {
    /// Registers the counters under the component's name.
    #[must_use]
    pub fn register(component: &Component) -> Self {
        let help = "Times that the configuration was read again, by what became of it";
        Self { reloads: component.counter_by_cause("reloads", help) }
    }
}
