//! Definitions of dynamic pollsters (`pollsters.d/*.yaml`): parsed, compiled, applied.
//!
//! What an operator writes down of an API or a command is compiled to a [`DynamicPollster`], which takes answers apart: its
//! entries, the owner of each, values and metadata. Asking is somebody else's part, so that nothing here does I/O.
//! Behaviour: Ceilometer's `dynamic_pollster.py`; where it is wrong on purpose, `docs/differences.md` says so.

mod apply;
mod attribute;
mod load;
mod program;
mod reader;
mod template;
mod values;

use std::time::Duration;

use model::{Map, MeterKind, Value};

use crate::Place;

pub use apply::{ApplyError, Captured, Measured};
pub use attribute::Attribute;
pub use load::DynamicPollsters;
pub use program::ProgramPollster;
pub use template::{BASE_NAMES, Template, TemplateError};

/// A pollster as an operator has defined it.
#[derive(Debug, Clone)]
pub struct DynamicPollster {
    /// Its name, which `meters:` in `polling.yaml` is compared with. One of many metrics ends with a placeholder.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// How its values relate.
    pub kind: MeterKind,
    /// The unit.
    pub unit: Value,
    /// Whom it asks.
    pub request: Request,
    /// Headers of requests.
    pub headers: Vec<(String, String)>,
    /// The time for a request; unset if the operator has not set it.
    pub timeout: Option<Duration>,
    /// What answers may be, in the order in which that is tried.
    pub handlers: Vec<Handler>,
    /// Fields that other requests fill in, in order.
    pub extra: Vec<ExtraField>,
    pub(crate) metric: Metric,
    pub(crate) entries_key: Option<Attribute>,
    pub(crate) next: Option<Attribute>,
    pub(crate) owners: Vec<Owner>,
    pub(crate) metadata: Vec<(String, Attribute)>,
    pub(crate) metadata_mapping: Vec<(String, String)>,
    pub(crate) keeps_mapped: bool,
    pub(crate) skipped: Vec<Value>,
    pub(crate) mapping: Vec<(Value, Value)>,
    pub(crate) default: Value,
}

/// Whom a pollster asks.
#[derive(Debug, Clone)]
pub enum Request {
    /// A service of the cloud.
    OpenStack {
        /// Its type in the catalogue.
        endpoint_type: String,
        /// What is asked for, below the endpoint.
        path: Template,
    },
    /// Another API.
    External {
        /// The address.
        url: String,
        /// The Python module of the authentication.
        module: String,
        /// Its class.
        object: String,
        /// What the class is made with, separated by commas; empty to take it from Barbican.
        parameters: String,
        /// The secret in Barbican that holds it; may be empty.
        secret: String,
    },
    /// A command on this host, for the shell.
    Command(Template),
}

/// What an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// JSON.
    Json,
    /// XML, as Python's `xmltodict` sees it.
    Xml,
    /// Any text: one entry with the text under `out`.
    Text,
}

/// A field of the metadata that another request fills in.
#[derive(Debug, Clone)]
pub struct ExtraField {
    /// What is asked.
    pub pollster: DynamicPollster,
    /// How long an answer may be used again; 0: not at all.
    pub cache: Duration,
    /// Samples that do without: each of these is a part of such a one.
    pub skip: Vec<Map>,
}

/// What of an entry is measured.
#[derive(Debug, Clone)]
pub(crate) enum Metric {
    Single(Attribute),
    /// Each element of a list.
    Multi {
        list: Attribute,
        /// The last segment of the name, with its dots and braces left as they are.
        placeholder: String,
        /// The element's key that stands in the placeholder's stead.
        key: String,
        value: Attribute,
    },
}

/// Whose an entry is: a key of the entry that an attribute gives.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) key: &'static str,
    pub(crate) attribute: Attribute,
}

impl DynamicPollster {
    /// Whether the entry's parts decide how many metrics there are.
    #[must_use]
    pub const fn is_multi(&self) -> bool {
        matches!(self.metric, Metric::Multi { .. })
    }

    /// Whether an answer may lead to another.
    #[must_use]
    pub const fn has_pages(&self) -> bool {
        self.next.is_some()
    }

    /// The discovery that finds what to ask: the URL form of `polling.yaml`.
    #[must_use]
    pub fn discovery(&self) -> String {
        match &self.request {
            Request::OpenStack { endpoint_type, .. } => format!("endpoint:{endpoint_type}"),
            Request::External { secret, .. } => format!("barbican:{secret}"),
            Request::Command(_) => "local_node".to_owned(),
        }
    }
}
