//! The notification agent: batches from a listener become samples and events, and are acknowledged when every
//! publisher has accepted what came of them.
//!
//! The behaviour is that of `ceilometer-agent-notification` (its endpoints and managers); what is done otherwise, and
//! why, stands in `docs/differences.md`.

mod agent;
mod attempts;
mod dead_letters;
mod decode;
mod explain;
mod metrics;
mod names;
mod poison;
mod ticket;

pub use agent::{Agent, AgentOptions};
pub use dead_letters::{DeadLetterOffice, DeadLetterState};
pub use explain::{
    Explained, ExplainedConversion, ExplainedEvent, Explainer, Explanation, Part, Route, SampleFate,
};
pub use metrics::{AgentMetrics, NameMetrics};
pub use names::NameResolver;
